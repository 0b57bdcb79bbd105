"""Who may do what. Pure: all that is known of a peer goes in, yes or a refusal comes out.

The table of cases is in docs/access.md.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from exporter_proxy.access.peers import Peer
from exporter_proxy.config import Right
from exporter_proxy.config.access import is_loopback
from exporter_proxy.errors import quote

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

RefusalReason = Literal["no_credentials", "wrong_credentials", "forbidden", "busy", "rate_limit"]
"""Why an HTTP request is refused."""

_DOES: dict[Right, str] = {"scrape": "read this", "push": "write here", "admin": "do this"}
_REMEDIES: dict[Right, str] = {
    "scrape": 'rights = ["scrape"]',
    "push": 'rights = ["push"]',
    "admin": 'rights = ["admin"]',
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something is not allowed.

    Attributes:
        reason: For the counter.
        message: For the peer; one line, without ``error:`` and without any secret.
        status: For HTTP.
    """

    reason: RefusalReason
    message: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What an ``[[access]]`` entry gives.

    Attributes:
        place: Its place among the entries, which is how a token is named.
        user: The user that it gives it to; at most one of this and ``uid`` is set, and neither
            for the bearer of a token.
        uid: The user id of a Unix peer.
        rights: What it gives.
        matches: Tells whether the right to push extends to an app; None: to all.
    """

    place: int
    user: str | None = None
    uid: int | None = None
    rights: frozenset[Right]
    matches: Callable[[str], bool] | None = None

    @property
    def is_token(self) -> bool:
        """Whether it is for the bearer of a token."""
        return self.user is None and self.uid is None

    def gives(self, right: Right, app: str | None) -> bool:
        """Tell whether ``right`` is given, over ``app`` if one is named."""
        if right not in self.rights:
            return False
        return app is None or self.matches is None or self.matches(app)


class Policy:
    """Says who may do what.

    Args:
        grants: Of the ``[[access]]`` entries.
        users: Whether the web configuration file has users.
        web_file: Whether there is such a file.
        networks: ``push.allow_from``.
    """

    def __init__(
        self,
        grants: Iterable[Grant] = (),
        *,
        users: bool = False,
        web_file: bool = False,
        networks: "Sequence[IPv4Network | IPv6Network]" = (),
    ) -> None:
        self._grants = tuple(grants)
        self._users = users
        self._web_file = web_file
        self._networks = tuple(networks)
        self._names_users = any(grant.user is not None for grant in self._grants)
        self._names_uids = any(grant.uid is not None for grant in self._grants)
        self._has_tokens = any(grant.is_token for grant in self._grants)
        self._guards_reading = users or any("scrape" in grant.rights for grant in self._grants)

    @property
    def guarded(self) -> bool:
        """Whether anyone has to prove who they are."""
        return self._users or bool(self._grants)

    @property
    def guards_reading(self) -> bool:
        """Whether reading needs a right."""
        return self._guards_reading

    @property
    def challenges(self) -> tuple[str, ...]:
        """The schemes by which HTTP requests can say who sends them (RFC 9110, section 11.6.1)."""
        return ("Basic",) * self._users + ("Bearer",) * self._has_tokens

    def refusal(
        self, peer: Peer, right: Right, app: str | None = None, *, raw: bool = False
    ) -> Refusal | None:
        """Return why ``peer`` may not do something; None: it may.

        Args:
            peer: Who.
            right: What.
            app: To push: which app; None: any at all.
            raw: It comes without HTTP, so that it carries no credentials.
        """
        if raw and (self._web_file or self.guarded) and peer.uid is None and not peer.certificate:
            return Refusal("no_credentials", _RAW, 401)
        if self._is_given(peer, right, app) or self._is_free(peer, right):
            return None
        if not peer.is_known and self.challenges and not raw:
            return Refusal("no_credentials", self._whose(right), 401)
        return Refusal("forbidden", self._why(peer, right, app), 403)

    def _is_given(self, peer: Peer, right: Right, app: str | None) -> bool:
        """Tell whether something that the peer has proved gives it the right."""
        if peer.user is not None and not self._names_users:
            # The format's own promise: its users have full access.
            return True
        if peer.uid is not None and not self._names_uids and right != "admin":
            # Who may connect is what the socket file's permissions say.
            return True
        return any(
            grant.gives(right, app)
            for grant in self._grants
            if (grant.user is not None and grant.user == peer.user)
            or (grant.uid is not None and grant.uid == peer.uid)
            or grant.place in peer.tokens
        )

    def _is_free(self, peer: Peer, right: Right) -> bool:
        """Tell whether the right needs no entry."""
        if right == "scrape":
            return not self._guards_reading
        if self.guarded:
            return False
        if peer.uid is not None or peer.certificate:
            return True
        return is_loopback(peer.address) or self._is_named(peer.address)

    def _is_named(self, address: str) -> bool:
        if not self._networks or not address:
            return False
        import ipaddress  # noqa: PLC0415 - only who names networks needs it

        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(ip, "ipv4_mapped", None)
        return any((mapped or ip) in network for network in self._networks)

    def _whose(self, right: Right) -> str:
        ways = []
        if self._users:
            ways.append("a name and a password")
        if self._has_tokens:
            ways.append("a bearer token")
        return f"to {_DOES[right]} you need {' or '.join(ways)}"

    def _why(self, peer: Peer, right: Right, app: str | None) -> str:
        over = "" if app is None else f" as {quote(app)}"
        if self.guarded:
            return (
                f"{peer} may not {_DOES[right]}{over}: no [[access]] entry for it has "
                f"{_REMEDIES[right]}{' for this app' if app is not None else ''}"
            )
        return (
            f"{peer} may not {_DOES[right]}{over}: push.allow_from names no network that it is in"
        )


_RAW = (
    "this port takes metrics without HTTP only from Unix peers and from those with a client "
    "certificate: send them by HTTP, with your credentials"
)
