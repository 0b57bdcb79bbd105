"""Who may do what: the table of cases of docs/access.md."""

import ipaddress
from typing import Any

import pytest

from exporter_proxy.access import Peer, Policy
from exporter_proxy.access.policy import Grant

LOCAL = Peer(address="127.0.0.1")
LOCAL6 = Peer(address="::1")
MAPPED = Peer(address="::ffff:127.0.0.1")
FAR = Peer(address="192.0.2.7")
NAMED_NETWORK = Peer(address="10.1.2.3")
NAMED_MAPPED = Peer(address="::ffff:10.1.2.3")
CERTIFIED = Peer(address="192.0.2.7", certificate=True)
ROOT = Peer(uid=0)
ADA = Peer(uid=1815)
ALICE = Peer(address="192.0.2.7", user="alice")
BOB = Peer(address="127.0.0.1", user="bob")
TOKEN = Peer(address="192.0.2.7", tokens=frozenset({0}))

READ, WRITE, STEER = frozenset({"scrape"}), frozenset({"push"}), frozenset({"admin"})
ALL = READ | WRITE | STEER


def grant(rights: frozenset[Any], **who: Any) -> Grant:
    """Return an entry; without a user or uid it is for the bearer of its token."""
    return Grant(place=who.pop("place", 0), rights=rights, **who)


def rights_of(policy: Policy, peer: Peer, **about: Any) -> str:
    """Return the first letters of what ``peer`` may do."""
    rights: Any = ("scrape", "push", "admin")
    return "".join(right[0] for right in rights if policy.refusal(peer, right, **about) is None)


OPEN = Policy(networks=[ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")])
TLS_ONLY = Policy(web_file=True)
USERS = Policy(users=True, web_file=True)
PUSH_TOKEN = Policy([grant(WRITE)])
SCRAPE_TOKEN = Policy([grant(READ)])
UIDS = Policy([grant(WRITE, uid=1815)])
ROLES = Policy([grant(READ, user="alice"), grant(ALL, user="bob", place=1)], users=True)
MIXED = Policy([grant(WRITE)], users=True, web_file=True)


@pytest.mark.parametrize(
    ("policy", "peer", "rights"),
    [
        pytest.param(OPEN, LOCAL, "spa", id="nothing-local"),
        pytest.param(OPEN, LOCAL6, "spa", id="nothing-local6"),
        pytest.param(OPEN, MAPPED, "spa", id="nothing-mapped"),
        pytest.param(OPEN, FAR, "s", id="nothing-far"),
        pytest.param(OPEN, NAMED_NETWORK, "spa", id="nothing-network"),
        pytest.param(OPEN, NAMED_MAPPED, "spa", id="nothing-network-mapped"),
        pytest.param(OPEN, Peer(address="fd00::1%eth0"), "spa", id="nothing-network6"),
        pytest.param(OPEN, Peer(address="127.evil"), "s", id="nothing-odd"),
        pytest.param(OPEN, Peer(), "s", id="nothing-unknown"),
        pytest.param(OPEN, ADA, "spa", id="nothing-unix"),
        pytest.param(TLS_ONLY, LOCAL, "spa", id="tls-local"),
        pytest.param(TLS_ONLY, FAR, "s", id="tls-far"),
        pytest.param(TLS_ONLY, CERTIFIED, "spa", id="tls-certificate"),
        pytest.param(USERS, LOCAL, "", id="users-local"),
        pytest.param(USERS, CERTIFIED, "", id="users-certificate"),
        pytest.param(USERS, ALICE, "spa", id="users-user"),
        pytest.param(USERS, ROOT, "sp", id="users-unix"),
        pytest.param(PUSH_TOKEN, LOCAL, "s", id="push-token-local"),
        pytest.param(PUSH_TOKEN, FAR, "s", id="push-token-far"),
        pytest.param(PUSH_TOKEN, TOKEN, "sp", id="push-token-bearer"),
        pytest.param(PUSH_TOKEN, ADA, "sp", id="push-token-unix"),
        pytest.param(SCRAPE_TOKEN, LOCAL, "", id="scrape-token-local"),
        pytest.param(SCRAPE_TOKEN, TOKEN, "s", id="scrape-token-bearer"),
        pytest.param(UIDS, LOCAL, "s", id="uids-local"),
        pytest.param(UIDS, ADA, "sp", id="uids-named"),
        pytest.param(UIDS, ROOT, "s", id="uids-another"),
        pytest.param(ROLES, ALICE, "s", id="roles-alice"),
        pytest.param(ROLES, BOB, "spa", id="roles-bob"),
        pytest.param(ROLES, Peer(user="eve"), "", id="roles-eve"),
        pytest.param(ROLES, LOCAL, "", id="roles-local"),
        pytest.param(MIXED, ALICE, "spa", id="mixed-user"),
        pytest.param(MIXED, TOKEN, "p", id="mixed-bearer"),
        pytest.param(MIXED, LOCAL, "", id="mixed-local"),
    ],
)
def test_cases(policy: Policy, peer: Peer, rights: str) -> None:
    """Each cell of the table."""
    assert rights_of(policy, peer) == rights


@pytest.mark.parametrize(
    ("policy", "peer", "may"),
    [
        pytest.param(OPEN, LOCAL, True, id="nothing-local"),
        pytest.param(OPEN, NAMED_NETWORK, True, id="nothing-network"),
        pytest.param(OPEN, FAR, False, id="nothing-far"),
        pytest.param(TLS_ONLY, LOCAL, False, id="tls-local"),
        pytest.param(TLS_ONLY, CERTIFIED, True, id="tls-certificate"),
        pytest.param(TLS_ONLY, ADA, True, id="tls-unix"),
        pytest.param(USERS, LOCAL, False, id="users-local"),
        pytest.param(USERS, CERTIFIED, False, id="users-certificate"),
        pytest.param(USERS, ADA, True, id="users-unix"),
        pytest.param(PUSH_TOKEN, LOCAL, False, id="token-local"),
        pytest.param(UIDS, ADA, True, id="uids-named"),
        pytest.param(UIDS, ROOT, False, id="uids-another"),
    ],
)
def test_raw_wires(policy: Policy, peer: Peer, may: bool) -> None:  # noqa: FBT001
    """Where there are no credentials to send, one must have shown who one is."""
    assert (policy.refusal(peer, "push", "app", raw=True) is None) is may


def test_rights_add_up() -> None:
    """Those of several entries, of a user and a Unix peer, of a token in two entries."""
    policy = Policy(
        [
            grant(READ, user="alice"),
            grant(WRITE, user="alice", place=1),
            grant(STEER, uid=1815, place=2),
        ],
        users=True,
    )

    assert rights_of(policy, ALICE) == "sp"
    assert rights_of(policy, Peer(uid=1815, user="alice")) == "spa"
    twice = Policy([grant(READ), grant(WRITE, place=1)])
    assert rights_of(twice, Peer(tokens=frozenset({0, 1}))) == "sp"


def test_push_of_some_apps() -> None:
    """An entry may give the right to some; whether to any at all is asked first."""
    policy = Policy([grant(WRITE, matches=lambda app: app == "mine")])

    assert rights_of(policy, TOKEN) == "sp"
    assert rights_of(policy, TOKEN, app="mine") == "sp"
    assert rights_of(policy, TOKEN, app="yours") == "s"


@pytest.mark.parametrize(
    ("policy", "peer", "right", "status", "line"),
    [
        pytest.param(
            OPEN,
            FAR,
            "push",
            403,
            "192.0.2.7 may not write here: push.allow_from names no network that it is in",
            id="network",
        ),
        pytest.param(
            USERS, LOCAL, "scrape", 401, "to read this you need a name and a password", id="users"
        ),
        pytest.param(
            MIXED,
            LOCAL,
            "admin",
            401,
            "to do this you need a name and a password or a bearer token",
            id="either",
        ),
        pytest.param(
            ROLES,
            ALICE,
            "push",
            403,
            'user "alice" may not write here: no [[access]] entry for it has rights = ["push"]',
            id="user",
        ),
        pytest.param(
            SCRAPE_TOKEN,
            TOKEN,
            "admin",
            403,
            "the bearer of access[0] may not do this: no [[access]] entry for it has "
            'rights = ["admin"]',
            id="bearer",
        ),
        # Nobody could prove anything over TCP: asking for credentials would be no help.
        pytest.param(
            UIDS,
            LOCAL,
            "push",
            403,
            '127.0.0.1 may not write here: no [[access]] entry for it has rights = ["push"]',
            id="uids",
        ),
    ],
)
def test_refusals(policy: Policy, peer: Peer, right: Any, status: int, line: str) -> None:
    """401 to whom credentials could help, 403 to the others; the line says what is missing."""
    refusal = policy.refusal(peer, right)

    assert refusal is not None
    assert (refusal.status, refusal.message) == (status, line)


def test_refusal_names_the_app() -> None:
    """Cut and escaped, as it comes from the peer."""
    policy = Policy([grant(WRITE, uid=1, matches=lambda _: False)])
    refusal = policy.refusal(Peer(uid=1), "push", 'a\n"')

    assert refusal is not None
    assert refusal.message == (
        'uid 1 may not write here as \'a\\n"\': no [[access]] entry for it has rights = ["push"] '
        "for this app"
    )


def test_challenges() -> None:
    """What a 401 offers."""
    assert OPEN.challenges == ()
    assert USERS.challenges == ("Basic",)
    assert PUSH_TOKEN.challenges == ("Bearer",)
    assert MIXED.challenges == ("Basic", "Bearer")
    assert UIDS.challenges == ()


@pytest.mark.parametrize(
    ("peer", "shown"),
    [
        (ALICE, 'user "alice"'),
        (TOKEN, "the bearer of access[0]"),
        (ADA, "uid 1815"),
        (FAR, "192.0.2.7"),
        (Peer(), "a Unix peer"),
    ],
)
def test_peers_in_messages(peer: Peer, shown: str) -> None:
    assert str(peer) == shown
