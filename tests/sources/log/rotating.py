"""logrotate, a writer and a reader, interleaved step by step as a schedule has it.

A step is a system call: the others may do theirs before each one of the reader's. What logrotate
3.21 does was taken from ``strace -f logrotate -f``.
"""

import gzip
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Self

from exporter_proxy.sources.log import opening
from exporter_proxy.sources.log.follower import Following
from tests.sources.log.writing import Reader

# What logrotate's BUFSIZ is to its logs, these are to ours.
_COPY_BYTES = 200
_PACK_BYTES = 60
_ROOM = 64

_CALLS = ("stat", "exists", "open", "fstat", "pread", "fdopen")


class Options(NamedTuple):
    """What stands in logrotate's rules."""

    copytruncate: bool = False
    compress: bool = False
    delaycompress: bool = False
    dateext: bool = False


Tell = Callable[[str], None]
"""Is told which system call comes next."""


class Turn(NamedTuple):
    """Others do something before one of the reader's system calls.

    Attributes:
        calls: How many of its calls the reader makes before.
        doings: What they do: ``w`` the writer writes a line, ``o`` it opens the log again if it was
            renamed, ``r`` logrotate takes its next step, ``s`` the reader saves as soon as it can,
            ``k`` it is killed, and begins with what it saved last.
    """

    calls: int
    doings: str


class Killed(BaseException):
    """The reader is no more."""


class World:
    """A log, its writer and its logrotate.

    Args:
        path: Of the log; nothing else is beside it.
        options: How it is rotated.
    """

    def __init__(self, path: Path, options: Options) -> None:
        self.path = path
        self.options = options
        self.written: list[bytes] = []
        self.rotations = 0
        self._writer = self._open()
        self._rotation: Iterator[None] | None = None

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self) -> None:
        number = len(self.written)
        line = b"line %06d %s" % (number, b"x" * (number * 7 % 40))
        os.write(self._writer, line + b"\n")
        self.written.append(line)

    def open_again(self) -> None:
        """Go over to the file at the path, as at a signal."""
        found = self.path.stat() if self.path.exists() else None
        if found is None or found.st_ino != os.fstat(self._writer).st_ino:
            os.close(self._writer)
            self._writer = self._open()

    def rotate(self) -> None:
        """Take the next step of a rotation; begin one if there is none."""
        if self._rotation is None:
            self._rotation = self._steps()
        if next(self._rotation, self) is self:
            self._rotation = None
            self.rotations += 1

    def finish(self) -> None:
        while self._rotation is not None:
            self.rotate()

    def close(self) -> None:
        os.close(self._writer)

    def in_files(self) -> set[bytes]:
        """Return all lines that the log and what was rotated away hold."""
        found: set[bytes] = set()
        for path in self.path.parent.iterdir():
            data = path.read_bytes()
            found.update((gzip.decompress(data) if path.suffix == ".gz" else data).splitlines())
        return found

    def _steps(self) -> Iterator[None]:
        options = self.options
        stamp = f"-20261122-{self.rotations}"
        first = self._named(stamp if options.dateext else ".1")
        if options.delaycompress:
            before = self._named(f"-20261122-{self.rotations - 1}") if options.dateext else first
            yield from self._pack(before)
        if not options.dateext:
            yield from self._shift()
        if options.copytruncate:
            yield from self._copy(first)
        else:
            self.path.rename(first)
            yield
            if not self.path.exists():
                self.path.touch()
            yield
        if options.compress and not options.delaycompress:
            yield from self._pack(first)

    def _named(self, end: str) -> Path:
        return self.path.with_name(self.path.name + end)

    def _shift(self) -> Iterator[None]:
        end = ".gz" if self.options.compress else ""
        for number in range(_ROOM, 0, -1):
            old = self._named(f".{number}{end}")
            if old.exists():
                old.rename(self._named(f".{number + 1}{end}"))
                yield

    def _copy(self, target: Path) -> Iterator[None]:
        source = os.open(self.path, os.O_RDWR)
        copy = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            yield
            while data := os.read(source, _COPY_BYTES):
                yield
                os.write(copy, data)
                yield
            yield
            os.ftruncate(source, 0)
        finally:
            os.close(source)
            os.close(copy)
        yield

    def _pack(self, plain: Path) -> Iterator[None]:
        if not plain.exists():
            return
        packed = plain.with_name(f"{plain.name}.gz")
        source = os.open(plain, os.O_RDONLY)
        # logrotate asks for the times before gzip begins.
        status = os.fstat(source)
        target = os.open(packed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            yield
            pieces = []
            while data := os.read(source, 65536):
                pieces.append(data)
                yield
            data = gzip.compress(b"".join(pieces), compresslevel=1)
            for start in range(0, len(data), max(_PACK_BYTES, len(data) // 2)):
                os.write(target, data[start : start + max(_PACK_BYTES, len(data) // 2)])
                yield
            os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
            yield
        finally:
            os.close(source)
            os.close(target)
        plain.unlink()
        yield


class Interleaving:
    """A reader, and a world that goes on before any of its system calls.

    Args:
        world: Goes on.
        turns: When, and how.
    """

    def __init__(self, world: World, turns: Sequence[Turn]) -> None:
        self.world = world
        self.reader = Reader(Following(str(world.path), from_end=False))
        # What was rotated away before the first look is none of ours.
        self.reader.poll()
        self.reader.save()
        self._is_save_due = False
        self.reader.at_rest = self._save_if_due  # type: ignore[method-assign]
        self._turns = list(turns)[::-1]
        self._wait = self._turns[-1].calls if self._turns else 0
        self._doings = {
            "w": world.write,
            "o": world.open_again,
            "r": world.rotate,
            "s": self._ask_to_save,
            "k": self._kill,
        }

    def _kill(self) -> None:
        raise Killed

    def _ask_to_save(self) -> None:
        self._is_save_due = True

    def _save_if_due(self) -> None:
        if self._is_save_due:
            self._is_save_due = False
            self.reader.save()

    @property
    def is_over(self) -> bool:
        return not self._turns

    def call(self, _name: str = "") -> None:
        """Take note that the reader is about to call the system."""
        if not self._turns:
            return
        if self._wait:
            self._wait -= 1
            return
        turn = self._turns.pop()
        self._wait = self._turns[-1].calls if self._turns else 0
        for doing in turn.doings:
            self._doings[doing]()

    def poll(self) -> None:
        try:
            self.reader.poll()
            # Between two polls, too.
            self.call()
        except Killed:
            self.reader.kill()

    def run(self) -> None:
        """Poll until all is done, and then once all is quiet; check what was counted."""
        try:
            while not self.is_over:
                self.poll()
            self.world.finish()
            self.world.open_again()
            for _ in range(3):
                self.poll()
                self.reader.clock.now += 100
            self._check()
        finally:
            self.reader.follower.close()
            self.world.close()

    def _check(self) -> None:
        counted, written = self.reader.lines, self.world.written
        assert len(set(counted)) == len(counted), "counted twice"
        assert set(counted) <= set(written), "never written"
        missing = sorted(self.world.in_files() - set(counted))
        assert not missing, f"{missing} are in files, and were not counted"


class _Watched:
    """The module ``os``, or its ``path``, that tells of its calls before they are made."""

    def __init__(self, of: Any, tell: Tell) -> None:
        self._of = of
        self._tell = tell

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._of, name)
        if isinstance(found, ModuleType):
            return _Watched(found, self._tell)
        return _told(found, self._tell, name) if name in _CALLS else found

    def scandir(self, path: str) -> "_Entries":
        self._tell("scandir")
        with os.scandir(path) as entries:
            return _Entries(_Entry(each, self._tell) for each in entries)


class _Entry:
    """A name in a directory; what is there is found when it is asked for."""

    def __init__(self, of: "os.DirEntry[str]", tell: Tell) -> None:
        self.name, self.path = of.name, of.path
        self.is_file = of.is_file
        self.stat = _told(of.stat, tell, "lstat")


class _Entries(list[_Entry]):
    """What :func:`os.scandir` returns; small directories are read in one call."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _told(function: Callable[..., Any], tell: Tell, name: str) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        tell(name)
        return function(*arguments, **options)

    return call


def watch(monkeypatch: Any, tell: Tell) -> None:
    """Have ``tell`` called before each system call that the following of logs makes."""
    watched = _Watched(os, tell)
    for name, module in list(sys.modules.items()):
        if name.startswith(opening.__package__ or "") and getattr(module, "os", None) is os:
            monkeypatch.setattr(module, "os", watched)
    read = _told(opening.PackedFile._read, tell, "unpack")
    monkeypatch.setattr(opening.PackedFile, "_read", read)
