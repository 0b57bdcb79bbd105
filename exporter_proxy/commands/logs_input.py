"""Logs that are read once: files, packed ones too, and standard input."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from glob import glob
from pathlib import Path

from exporter_proxy.sources.log.names import is_compressed, is_pattern
from exporter_proxy.sources.log.opening import open_log

STDIN = "-"

Read = Callable[[int], bytes]
"""Returns up to so many bytes, none at the end; raises OSError."""


def find(paths: Sequence[str]) -> list[str]:
    """Return the files that paths and patterns name, each once.

    The one that was written longest ago comes first: so do parts of a log that was rotated.
    """
    found: dict[str, None] = {}
    for path in paths:
        # A file that isn't there is kept: opening it says so.
        names = glob(path, recursive=True) if is_pattern(path) else []  # noqa: PTH207, absolute too
        found |= dict.fromkeys(name for name in names if Path(name).is_file()) or {path: None}
    return sorted(found, key=_written)


def _written(path: str) -> float:
    try:
        return Path(path).stat().st_mtime
    except OSError:
        return float("inf")


def size(path: str) -> int | None:
    """Return how many bytes will be read; None: that isn't known."""
    if path == STDIN or is_compressed(path):
        return None
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


@contextmanager
def opened(path: str) -> Iterator[Read]:
    """Open one of them.

    Raises:
        OSError: It can't be opened, or is not a file.
    """
    if path == STDIN:
        yield lambda most: os.read(sys.stdin.fileno(), most)
        return
    file = open_log(path)
    position = 0

    def read(most: int) -> bytes:
        nonlocal position
        data = file.read_at(position, most)
        position += len(data)
        return data

    try:
        yield read
    finally:
        file.close()
