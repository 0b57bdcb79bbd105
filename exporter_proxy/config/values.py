"""Values of the configuration that no built-in type stands for."""

import socket
from typing import NamedTuple


class Address(NamedTuple):
    """Where to listen: a host name or IP address, and a port (0: any free one)."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return ``host:port``, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def overlaps(self, other: "Address") -> bool:
        """Tell whether one socket that listens here certainly keeps another from ``other``.

        Every address of a family ("0.0.0.0", "[::]") overlaps with each of that family. Names are
        not looked up, but localhost is known.
        """
        if self.port != other.port or self.port == 0:
            return False
        ours, theirs = _packed(self.host), _packed(other.host)
        if not ours or not theirs:
            return self.host.lower() == other.host.lower()
        return len(ours) == len(theirs) and (ours == theirs or not any(ours) or not any(theirs))


def _packed(host: str) -> bytes:
    """Return the IP address ``host`` as the network has it, or nothing if it is a name."""
    if host.lower() == "localhost":
        host = "127.0.0.1"
    return pack_ip(socket.AF_INET, host) or pack_ip(socket.AF_INET6, host)


def pack_ip(family: socket.AddressFamily, text: str) -> bytes:
    """Return the IP address ``text`` as the network has it, or nothing if it is none of it."""
    try:
        return socket.inet_pton(family, text)
    except (OSError, ValueError):  # ValueError: a NUL in it
        return b""


class Secret:
    """Text that never prints itself; :meth:`reveal` gives it out."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, for the request that needs it."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __repr__(self) -> str:
        return "Secret('**********')"

    def __str__(self) -> str:
        return "**********"
