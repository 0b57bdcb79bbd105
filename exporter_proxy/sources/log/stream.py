"""One file, read from where it was left: the same whatever it is called by now."""

from exporter_proxy.sources.log.mark import HEAD_BYTES, Mark, mark_at
from exporter_proxy.sources.log.names import is_compressed
from exporter_proxy.sources.log.opening import Key, LogFile, open_known
from exporter_proxy.sources.log.record import Record, Role

NOWHERE: Key = (0, 0)
"""The key of a file that is not there any more."""


class Stream:
    """A file that is, or was, followed.

    Args:
        path: Where it is.
        key: What file it is.
        role: See :data:`Role`.
        mark: Up to where it was read.
        skipping: That is within a line of which enough was taken.
        joins: What stands after its last newline is the begin of the first line of the next file:
            both are parts of what one writer appended to a file that was copied and truncated.

    Attributes:
        carry: Begin of a line whose rest is at the begin of this file.
        size: Of the file when it was last looked at.
        mtime_ns: When it was last written, likewise.
        links: How many names it has, likewise.
        grew_at: When it was last seen to have grown.
        seen: The end of what was there when it was last looked at, and as long as nothing is read
            of it what it is known by.
        present: The same, but of what is there now, should it have been truncated.
        truncated: It no longer has what it is known by.
        lost: It can't be found any more.
        restored: It comes from a checkpoint, and was not looked at since.
    """

    __slots__ = (
        "carry",
        "file",
        "grew_at",
        "joins",
        "key",
        "links",
        "lost",
        "mark",
        "mtime_ns",
        "path",
        "present",
        "restored",
        "role",
        "seen",
        "size",
        "skipping",
        "truncated",
    )

    def __init__(
        self,
        path: str,
        key: Key,
        role: Role,
        mark: Mark = Mark(),  # noqa: B008, a constant
        *,
        skipping: bool = False,
        joins: bool = False,
    ) -> None:
        self.path = path
        self.key = key
        self.role = role
        self.mark = mark
        self.skipping = skipping
        self.joins = joins
        self.carry = b""
        self.seen = self.present = Mark()
        self.file: LogFile | None = None
        self.size = mark.offset
        self.mtime_ns = -1
        self.links = 1
        self.grew_at = 0.0
        self.truncated = False
        self.lost = False
        self.restored = False

    @classmethod
    def of(cls, record: Record) -> "Stream":
        """Return the file of a record, which has yet to be found."""
        mark = Mark(record.offset, record.head, record.tail)
        path = record.path.decode("utf-8", "surrogateescape")
        stream = cls(path, record.key, record.role, mark, skipping=record.skipping)
        stream.joins, stream.carry = record.joins, record.carry
        stream.size, stream.mtime_ns = record.size, record.mtime_ns
        stream.seen = Mark(*record.seen)
        stream.restored = True
        return stream

    def record(self) -> Record:
        """Return what a checkpoint has of it."""
        mark = self.mark
        return Record(
            self.path.encode("utf-8", "surrogateescape"),
            self.key,
            self.role,
            mark.offset,
            mark.head,
            mark.tail,
            self.skipping,
            self.carry,
            self.joins,
            # To be looked at again: what became of it was not found yet.
            -1 if self.truncated else self.size,
            self.mtime_ns,
            Mark() if mark.offset else self.seen,
        )

    @property
    def known(self) -> Mark:
        """What it is known by: what was read of it, or else what was seen."""
        return self.mark if self.mark.offset else self.seen

    @property
    def unread(self) -> int:
        """Bytes behind the end of the file, as it was when last looked at."""
        if self.role == "done" or is_compressed(self.path):
            return 0
        return max(0, self.size - self.mark.offset)

    def open(self) -> bool:
        """Open it where it was last seen; tell whether it is still there.

        Raises:
            OSError: It can't be opened.
        """
        if self.file is not None:
            return True
        try:
            self.file = open_known(self.path, self.key)
        except FileNotFoundError:
            return False
        return True

    def close(self) -> None:
        """Close it; it can be opened again. Idempotent."""
        if self.file is not None:
            self.file.close()
            self.file = None

    def end(self) -> None:
        """Take note that it was read to its end."""
        self.role = "done"
        self.close()

    def disown(self) -> None:
        """Take note that the file is not there any more, whatever has its number now."""
        self.close()
        self.key = NOWHERE
        self.truncated = False
        self.lost = self.role != "done"

    def check(self, now: float, path: str) -> None:
        """See whether it grew, was truncated, or is another file by now.

        Args:
            now: The time.
            path: Where its writer writes.

        Raises:
            OSError: It can't be opened or read.
        """
        opened = self.file is None
        if not self.open():
            self.lost = self.role != "done"
            return
        assert self.file is not None
        status = self.file.status()
        self.links = status.st_nlink
        if status.st_size > self.size or self.restored:
            self.grew_at = now
        before = max(self.size, self.known.offset)
        changed = (status.st_size, status.st_mtime_ns) != (self.size, self.mtime_ns)
        self.size, self.mtime_ns = status.st_size, status.st_mtime_ns
        if changed or opened:
            # Of a packed file the size says nothing.
            is_shorter = not is_compressed(self.path) and self.size < before
            # Of an empty one nothing is gone: others tell what became of it.
            if self.known.offset and (is_shorter or not self.known.is_in(self.file.read_at)):
                self.truncated = True
            self.see()
        if self.truncated and (self.role != "live" or (opened and self.path != path)):
            # Its number was given to another file.
            self.disown()
        elif self.role == "done":
            if self.truncated or self.size <= self.mark.offset:
                self.truncated = False
                self.close()
            else:
                # Its writer was late to notice the rotation.
                self.role = "leaving"
                self.grew_at = now

    def begin_at(self, offset: int, file: LogFile) -> None:
        """Go on at a place that was not read up to; within a line: behind it."""
        self.mark = mark_at(offset, file.read_at)
        self.skipping = bool(self.mark.tail) and not self.mark.tail.endswith(b"\n")

    def see(self) -> None:
        """Take note of what is there; of a file that was truncated, beside what was."""
        assert self.file is not None
        if is_compressed(self.path):
            return
        self.present = mark_at(self.size, self.file.read_at)
        if self.present.offset < self.size:
            # It was truncated since it was asked for its size.
            self.size = self.present.offset
            self.truncated = self.truncated or bool(self.known.offset)
        if not self.truncated:
            self.seen = self.present

    def begin_anew(self) -> None:
        """Go on at the begin of the file."""
        self.mark = Mark()
        self.seen = self.present
        self.skipping = self.truncated = False
        self.carry = b""

    def is_shortened(self) -> bool:
        """Tell whether it lost its end alone: it has less of the same, as after a power cut."""
        assert self.file is not None
        known = self.known
        if self.size >= known.offset:
            return known.is_in(self.file.read_at)
        head = known.head
        has_head = len(head) == min(HEAD_BYTES, known.offset)
        return has_head and bool(self.size) and self.file.read_at(0, len(head)) == head

    def begins_as_seen(self, data: bytes) -> bool:
        """Tell whether a file of which nothing was read begins with what was seen of it."""
        seen = self.seen
        if not data.startswith(seen.head):
            return False
        # In what is read at once, not one after another: it may change in between.
        is_within = seen.offset <= len(data)
        return not is_within or seen.is_in(lambda offset, count: data[offset : offset + count])
