"""Files as writers and rotation treat them, and a reader that keeps every line."""

import gzip
import os
import shutil
from pathlib import Path

from exporter_proxy.sources.log.follower import Follower, Following, LaneRecord


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Log:
    """A log that is written, rotated and packed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written: list[bytes] = []
        self._number = 0
        self._open = b""

    def line(self) -> bytes:
        self._number += 1
        return b"%s %06d %s" % (self.path.name.encode(), self._number, b"x" * (self._number % 40))

    def append(self, lines: int = 1, *, path: Path | None = None) -> None:
        """Write whole lines, also behind the begin of one."""
        if path is None:
            self.finish()
        with (path or self.path).open("ab") as file:
            for _ in range(lines):
                line = self.line()
                file.write(line + b"\n")
                self.written.append(line)

    def _end(self) -> bytes:
        # As much its own as its begin: files that are the same can't be told from each other.
        return b" end %06d" % self._number

    def begin(self) -> None:
        """Write the begin of a line."""
        self.finish()
        self._open = self.line()
        with self.path.open("ab") as file:
            file.write(self._open)

    @property
    def is_open(self) -> bool:
        return bool(self._open)

    def finish(self) -> None:
        """Write the end of a line that was begun."""
        if self._open:
            with self.path.open("ab") as file:
                file.write(self._end() + b"\n")
            self.written.append(self._open + self._end())
            self._open = b""

    def shift(self) -> None:
        """Make room for another x.1."""
        for number in range(30, 0, -1):
            for packed in ("", ".gz"):
                old = self.path.with_name(f"{self.path.name}.{number}{packed}")
                if old.exists():
                    old.rename(self.path.with_name(f"{self.path.name}.{number + 1}{packed}"))

    @property
    def first(self) -> Path:
        return self.path.with_name(f"{self.path.name}.1")

    def rename(self, *, create: bool = True) -> None:
        self.finish()
        if not self.path.exists():
            return
        self.shift()
        self.path.rename(self.first)
        if create:
            self.path.touch()

    def copy(self) -> None:
        self.shift()
        shutil.copyfile(self.path, self.first)

    def truncate(self) -> None:
        os.truncate(self.path, 0)

    def pack(self, number: int) -> None:
        """Pack a rotated file as logrotate does: times stay, the plain one goes last."""
        plain = self.path.with_name(f"{self.path.name}.{number}")
        if not plain.exists():
            return
        packed = plain.with_name(plain.name + ".gz")
        status = plain.stat()
        with plain.open("rb") as source, gzip.open(packed, "wb") as target:
            shutil.copyfileobj(source, target)
        os.utime(packed, ns=(status.st_atime_ns, status.st_mtime_ns))
        plain.unlink()


class Reader:
    """Follows, and keeps lines as a counter would count them."""

    def __init__(self, following: Following, clock: Clock | None = None) -> None:
        self.following = following
        self.clock = clock or Clock()
        self.lines: list[bytes] = []
        self._saved: tuple[list[LaneRecord], int, list[bytes]] | None = None
        self.follower = Follower(following, clock=self.clock)

    def look(self) -> None:
        self.follower.look()
        self.at_rest()

    def at_rest(self) -> None:
        """Do what is done between looks and blocks: nothing, unless a test has something."""

    def read(self) -> None:
        while (block := self.follower.next_block()) is not None:
            assert not block.lines or block.lines.endswith(b"\n")
            self.lines += block.lines.splitlines()
            self.follower.accept(block)
            self.at_rest()

    def poll(self) -> None:
        self.look()
        self.read()
        for _ in range(2):
            if not self.follower.has_truncated:
                return
            self.look()
            self.read()

    def save(self) -> None:
        self._saved = (self.follower.records(), self.follower.looked_ns, list(self.lines))

    def kill(self) -> None:
        """Begin again with what was saved last."""
        self.follower.close()
        self.follower = Follower(self.following, clock=self.clock)
        self.lines = []
        if self._saved is not None:
            records, looked_ns, lines = self._saved
            self.follower.restore(records, looked_ns)
            self.lines = list(lines)
