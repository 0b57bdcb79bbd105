"""Who asks: what is known of the other end of a connection, or of a request on it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Someone who wants to read or write, with what they have proved.

    Attributes:
        address: IP address; empty for a peer on a Unix socket.
        uid: User id of the process on the other end of a Unix socket, as the kernel says it.
        user: User of the web configuration file whose password was right.
        tokens: Places in ``[[access]]`` of the entries whose bearer token was sent.
        certificate: Whether a client certificate was asked for, sent and verified.
    """

    address: str = ""
    uid: int | None = None
    user: str | None = None
    tokens: frozenset[int] = frozenset()
    certificate: bool = False

    def __str__(self) -> str:
        """Return who it is, for a log line and for the peer itself."""
        if self.user is not None:
            return f'user "{self.user}"'
        if self.tokens:
            return f"the bearer of access[{min(self.tokens)}]"
        if self.uid is not None:
            return f"uid {self.uid}"
        return self.address or "a Unix peer"

    @property
    def is_known(self) -> bool:
        """Whether it gave a password or a token that is right."""
        return self.user is not None or bool(self.tokens)
