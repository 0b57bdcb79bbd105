"""A file as a checkpoint has it."""

from typing import Literal

import msgspec

from exporter_proxy.sources.log.mark import Mark
from exporter_proxy.sources.log.opening import Key

Role = Literal["live", "leaving", "copy", "done"]
"""What is expected of a file.

``live``: it is at the path. ``leaving``: it was rotated away, its writer may still write. ``copy``:
it is complete, others have what follows. ``done``: it was read to its end; should it grow, it is
read on.
"""


class Record(msgspec.Struct, frozen=True, array_like=True):
    """A file in a checkpoint.

    Attributes:
        path: Where it was last seen.
        key: Device and inode.
        role: See :data:`Role`.
        offset: Up to where it was read, or unpacked and read.
        head: See :class:`Mark`.
        tail: See :class:`Mark`.
        skipping: The offset is within a line of which enough was taken.
        carry: Begin of a line whose rest is at the begin of this file.
        joins: See :class:`Stream`.
        size: Of the file when it was last looked at.
        mtime_ns: When it was last written, likewise.
        seen: Offset, head and tail of :attr:`Stream.seen`.
    """

    path: bytes
    key: Key
    role: Role
    offset: int
    head: bytes
    tail: bytes
    skipping: bool
    carry: bytes
    joins: bool
    size: int
    mtime_ns: int
    seen: tuple[int, bytes, bytes] = Mark()
