"""TCP ports of 127.0.0.1 for tests, none of them for two tests at a time.

A port that is free when it is looked for may be another's when it is bound. So each process that
runs tests has ports of its own, whichever suite it belongs to, and takes one after another: whoever
gets one has it until some hundred others have been given away. All of them are below the range from
which the kernel takes ports for outgoing connections.
"""

import itertools
import socket
from collections.abc import Iterator


class Ports:
    """Ports with as many digits as the first of them.

    Args:
        first: The first of the first block; a process has one block.
        size: How many a block has.
        blocks: How many blocks there are.
    """

    def __init__(self, first: int, size: int, blocks: int) -> None:
        self._first = first
        self._size = size
        self._blocks = blocks
        self._own: Iterator[int] | None = None

    def free(self) -> int:
        """Return one that nobody uses."""
        if self._own is None:
            self._own = itertools.cycle(self._claim())
        for port in itertools.islice(self._own, self._size):
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
                return port
        raise AssertionError("no free port")

    def _claim(self) -> range:
        """Return the block that is this process's until it ends.

        Who has a block has the abstract socket of that name, which the kernel takes back, and which
        is seen by whoever sees the ports.
        """
        for first in range(self._first, self._first + self._blocks * self._size, self._size):
            mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                mark.bind(f"\0exporter-proxy-tests-ports-{first}")
            except OSError:
                mark.close()
                continue
            mark.detach()
            return range(first, first + self._size)
        raise AssertionError("all ports for tests are taken: too many processes run tests")


_FIVE_DIGITS = Ports(10_000, 500, 45)
_FOUR_DIGITS = Ports(1_100, 100, 49)


def free_port() -> int:
    """Return a port that nobody uses, nor will before the test does."""
    return _FIVE_DIGITS.free()


def free_short_port() -> int:
    """Return one with four digits."""
    return _FOUR_DIGITS.free()
