"""Who may do what: the ``[[access]]`` sections, and ``[push]``."""

import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from exporter_proxy.config.kinds import Kind, UnfitError
from exporter_proxy.config.labels import PATTERN
from exporter_proxy.config.tables import ListOf, Section, Written
from exporter_proxy.config.texts import Choice, Path, SecretText, String
from exporter_proxy.config.values import Secret, pack_ip

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

Right = Literal["scrape", "push", "admin"]
"""What can be allowed: to read, to write apps, to steer the proxy."""

_IDENTITIES = ("bearer_token", "bearer_token_file", "user", "peer_uid")
# More than RFC 6750, section 2.1 lets a token be: what clients can send is taken.
_TOKEN = re.compile(r"[!-~]{1,4096}")
_LARGEST_UID = 2**32 - 2


def is_token(text: str) -> bool:
    """Tell whether ``text`` can be a bearer token."""
    return _TOKEN.fullmatch(text) is not None


class BearerToken(SecretText):
    """A token as HTTP carries it."""

    def __init__(self) -> None:
        super().__init__("a token: letters, digits and signs, without blanks")

    def convert(self, value: object) -> Secret:
        """See :meth:`Kind.convert`."""
        secret = super().convert(value)
        if not is_token(secret.reveal()):
            raise UnfitError
        return secret


class PeerUid(Kind[int | str]):
    """A user of the machine, by number or name; the name is looked up when the proxy starts."""

    expected = "a user's id or name"

    def convert(self, value: object) -> int | str:
        """See :meth:`Kind.convert`."""
        if isinstance(value, bool):
            raise UnfitError
        if isinstance(value, int) and 0 <= value <= _LARGEST_UID:
            return value
        if isinstance(value, str) and value and value.isprintable():
            return value
        raise UnfitError


class Network(Kind["IPv4Network | IPv6Network"]):
    """An address, or a network in CIDR notation."""

    expected = 'an IP address or a network, such as "10.0.0.0/8" or "2001:db8::/32"'

    def convert(self, value: object) -> "IPv4Network | IPv6Network":
        """See :meth:`Kind.convert`; bits behind the prefix are a mistake."""
        import ipaddress  # noqa: PLC0415 - only who names networks needs it

        if not isinstance(value, str):
            raise UnfitError
        try:
            return ipaddress.ip_network(value)
        except ValueError:
            pass
        try:
            meant = ipaddress.ip_network(value, strict=False)
        except ValueError:
            raise UnfitError from None
        raise UnfitError(f'has bits set behind its prefix: did you mean "{meant}"?')


def _check_user(text: str) -> str:
    # RFC 7617, section 2: the first colon ends the name.
    if not text or ":" in text or not text.isprintable():
        raise UnfitError
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessConfig:
    """An ``[[access]]`` section: who, and what they may do.

    Attributes:
        bearer_token: Whoever sends this token.
        bearer_token_file: Whoever sends the token in this file.
        user: A user of the web configuration file.
        peer_uid: A process of this user of the machine, on a Unix socket.
        rights: What they may do.
        apps: Pattern that the whole name of an app must match for them to push it; None: all.
    """

    bearer_token: Annotated[Secret | None, BearerToken()] = None
    bearer_token_file: Annotated[str | None, Path()] = None
    user: Annotated[str | None, String("a user's name, without a colon", _check_user)] = None
    peer_uid: Annotated[int | str | None, PeerUid()] = None
    rights: Annotated[
        tuple[Right, ...],
        ListOf(Choice("scrape", "push", "admin"), 'a list of rights, such as ["scrape", "push"]'),
    ]
    apps: Annotated[str | None, PATTERN] = None


def _check_access(written: Written, key: str) -> list[str]:
    problems = []
    named = [name for name in _IDENTITIES if name in written.raw]
    if not named:
        problems.append(f"{key}: says of nobody: must have one of {', '.join(_IDENTITIES)}")
    if len(named) > 1:
        problems.append(f"{key}: only one of {' and '.join(named)} can be used")
    rights = written.values.get("rights")
    if rights == ():
        problems.append(f'{key}.rights: empty: must be a list of rights, such as ["scrape"]')
    if rights and "push" not in rights and "apps" in written.raw:
        problems.append(f'{key}.apps: without effect: rights does not have "push"')
    return problems


ACCESS = ListOf(
    Section(
        AccessConfig, _check_access, expected="a section, written [[access]]", place="[[access]]"
    ),
    "sections, each written [[access]]",
)


def is_loopback(host: str) -> bool:
    """Tell whether the address or name ``host`` is this machine alone."""
    if host.lower() == "localhost":
        return True
    host = host.removeprefix("::ffff:")
    return host == "::1" or (host.startswith("127.") and bool(pack_ip(socket.AF_INET, host)))
