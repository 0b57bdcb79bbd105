"""What a checkpoint file holds: places in files and the counts up to there, never one alone."""

import contextlib
import os
from typing import Protocol

import msgspec

from exporter_proxy.sources.log.follower import LaneRecord

_VERSION = 1
_MAGIC = b"exporter-proxy log checkpoint\n"
_MOST_BYTES = 2**30


class CheckpointError(Exception):
    """A checkpoint can't be read; says why."""


class Checkpoint(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of one section.

    Attributes:
        version: Of this layout.
        path: What the section follows.
        looked_ns: When the files were last looked at, in nanoseconds since the epoch.
        lanes: How far each file was read.
        counts: The state of what counts the lines, up to there.
        cut: How many lines were shortened.
    """

    version: int
    path: bytes
    looked_ns: int
    lanes: list[LaneRecord]
    counts: bytes
    cut: int


class Writer(Protocol):
    """Writes a checkpoint file."""

    def __call__(self, path: str, checkpoint: Checkpoint) -> None:
        """Replace what is there, at once and for good."""


def make(path: str, looked_ns: int, lanes: list[LaneRecord], counts: bytes, cut: int) -> Checkpoint:
    """Return a checkpoint for a section that follows ``path``."""
    return Checkpoint(_VERSION, os.fsencode(path), looked_ns, lanes, counts, cut)


def write_checkpoint(path: str, checkpoint: Checkpoint) -> None:
    """Replace the file at ``path``: it has the old content or the new one, whatever happens.

    Raises:
        OSError: It can't be written; the old one is as it was.
    """
    data = _MAGIC + msgspec.msgpack.encode(checkpoint)
    # One process writes one checkpoint; a leftover of a killed one is overwritten.
    beside = f"{path}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    # Lines of the log are in it.
    descriptor = os.open(beside, flags, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123, a descriptor has no path
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)  # noqa: PTH105, paths stay as the system has them
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(beside)  # noqa: PTH108
        raise
    _sync_folder(os.path.dirname(path) or ".")  # noqa: PTH120


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Not every file system can.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_checkpoint(path: str) -> Checkpoint | None:
    """Return what was kept; None: nothing was.

    Raises:
        CheckpointError: It is none of ours, or damaged.
        OSError: It can't be read.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123, paths stay as the system has them
            data = file.read(_MOST_BYTES)
    except FileNotFoundError:
        return None
    if not data.startswith(_MAGIC):
        raise CheckpointError("is no checkpoint of a log")
    try:
        found = msgspec.msgpack.decode(data[len(_MAGIC) :], type=Checkpoint)
    except msgspec.DecodeError as error:
        raise CheckpointError(f"is damaged: {error}") from error
    if found.version != _VERSION:
        raise CheckpointError(f"has version {found.version}; this program reads {_VERSION}")
    return found
