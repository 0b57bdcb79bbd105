"""Kinds that are written as text: words, paths, addresses, secrets."""

import re
import socket
from collections.abc import Callable

from exporter_proxy.config.kinds import Kind, UnfitError, type_name
from exporter_proxy.config.values import Address, Secret, pack_ip

_HOST = re.compile(r"[A-Za-z0-9_.-]{1,253}")
# A host's name or address, in brackets if it has colons, and a port, as Prometheus takes it.
_TARGET = re.compile(r"(?:[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


class ListenAddress(Kind[Address]):
    """``host:port``; an IPv6 address stands in brackets.

    Args:
        port: The usual one, for the examples in messages.
    """

    def __init__(self, port: int) -> None:
        self.expected = f'an address and a port, such as "127.0.0.1:{port}" or "[::1]:{port}"'

    def convert(self, value: object) -> Address:
        """See :meth:`Kind.convert`."""
        if not isinstance(value, str):
            raise UnfitError
        host, _, port = value.rpartition(":")
        if not re.fullmatch("-?(?:[0-9]{1,5}|[1-9][0-9]{5,9})", port):
            raise UnfitError
        if not 0 <= int(port) <= 65535:
            raise UnfitError("ports go from 0 to 65535")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
            # A scope ("%eth0") is the resolver's to judge.
            if not pack_ip(socket.AF_INET6, host.partition("%")[0]):
                raise UnfitError
        elif not _HOST.fullmatch(host) or (
            # What looks like an IPv4 address must be one; a resolver would take long to say so.
            host.replace(".", "").isdigit() and not pack_ip(socket.AF_INET, host)
        ):
            raise UnfitError
        return Address(host, int(port))


def is_target(address: str) -> bool:
    """Tell whether Prometheus takes ``address`` for a target."""
    return _TARGET.fullmatch(address) is not None


class Target(Kind[str]):
    """Where a target is for Prometheus, or nothing: ``host:port``; the port may be left out."""

    expected = 'an address as Prometheus takes it, such as "sidecar.example:6555", or ""'

    def convert(self, value: object) -> str:
        """See :meth:`Kind.convert`."""
        if isinstance(value, str) and (not value or is_target(value)):
            return value
        raise UnfitError


class Choice(Kind[str]):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self._words = words
        quoted = [f'"{word}"' for word in words]
        *first, last = quoted
        self.expected = f"{', '.join(first)} or {last}" if first else last

    def convert(self, value: object) -> str:
        """See :meth:`Kind.convert`."""
        if isinstance(value, str) and value in self._words:
            return value
        raise UnfitError


class FileMode(Kind[int]):
    """Permissions of a file, in octal."""

    expected = 'permissions in octal, such as "0660" or 0o660'

    def convert(self, value: object) -> int:
        """See :meth:`Kind.convert`.

        A decimal 660 is refused, since as a number it is 0o1224.
        """
        if isinstance(value, str) and re.fullmatch("(?:0o)?[0-7]{3,4}", value):
            value = int(value, 8)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0o777:
            return value
        raise UnfitError


class String(Kind[str]):
    """Any text.

    Args:
        expected: What it stands for, for messages.
        check: Returns the text as the program uses it; raises UnfitError.
    """

    def __init__(
        self, expected: str = "a string", check: Callable[[str], str] = lambda text: text
    ) -> None:
        self.expected = expected
        self._check = check

    def convert(self, value: object) -> str:
        """See :meth:`Kind.convert`."""
        if isinstance(value, str):
            return self._check(value)
        raise UnfitError


def _check_path(text: str) -> str:
    if not text or "\0" in text:
        raise UnfitError
    return text


class Path(String):
    """A path, as the process sees it: relative to the working directory."""

    def __init__(self) -> None:
        super().__init__("the path of a file", _check_path)


class OptionalPath(String):
    """A path, or nothing."""

    def __init__(self) -> None:
        super().__init__('the path of a file, or ""', lambda text: text and _check_path(text))


def _check_socket_path(text: str) -> str:
    # the kernel's sun_path has 108 bytes, the last of them a NUL
    if len(_check_path(text).encode()) > 107:
        raise UnfitError("must be at most 107 bytes long, the kernel's limit for a socket")
    return text


class SocketPath(String):
    """The path of a Unix socket."""

    def __init__(self) -> None:
        super().__init__("the path of a Unix socket", _check_socket_path)


class SecretText(Kind[Secret]):
    """Text that is never shown.

    Args:
        expected: What it stands for, for messages.
        one_line: Whether control characters are refused.
    """

    def __init__(self, expected: str = "a string", *, one_line: bool = False) -> None:
        self.expected = expected
        self._one_line = one_line

    def convert(self, value: object) -> Secret:
        """See :meth:`Kind.convert`."""
        if not isinstance(value, str):
            raise UnfitError
        if self._one_line and re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
            raise UnfitError
        return Secret(value)

    def show(self, value: object) -> str:
        """Return only what ``value`` is: a secret of the wrong form is a secret still."""
        return type_name(value)
