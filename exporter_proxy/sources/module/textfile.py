"""A module that is a file: what another program leaves there, by rename."""

import os
import stat
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from exporter_proxy.config import ModuleConfig
from exporter_proxy.errors import ModuleError, PollError, quote
from exporter_proxy.exposition.series import family, sample
from exporter_proxy.exposition.verbatim import close_text
from exporter_proxy.modules import Answer, Ask, unicode_of
from exporter_proxy.repeats import span
from exporter_proxy.sources.module.apart import OneApart
from exporter_proxy.sources.module.kind import Outcome, of_poll
from exporter_proxy.sources.module.params import Params
from exporter_proxy.sources.poll.body import Body
from exporter_proxy.table import Payload

_READ_BYTES = 1_048_576
_TRIES = 3


class Content(NamedTuple):
    """What a file holds.

    Attributes:
        payload: Its text, checked.
        modified: When it was last changed, in seconds since the epoch.
        changed: Whether that is another than the last time.
    """

    payload: Payload
    modified: float
    changed: bool


class Textfile:
    """A file, read again when it has changed. Its methods block.

    Args:
        path: Where it is.
        max_size: Bytes that are read.
    """

    def __init__(self, path: str, max_size: int) -> None:
        self._path = path
        self._max_size = max_size
        self._seen: tuple[int, ...] | None = None
        self._payload: Payload = ()
        self.modified: float | None = None

    def read(self) -> Content:
        """Return what the file holds now.

        Raises:
            ModuleError: ``unreadable_file``, ``body_too_large``, ``invalid_utf8`` or ``nul_byte``.
        """
        try:
            status = os.stat(self._path)  # noqa: PTH116 - half the cost of a Path
            signature = _signature(status)
            self.modified = status.st_mtime
            if signature == self._seen:
                return Content(self._payload, status.st_mtime, changed=False)
            # Until it was read to its end, it is not known.
            self._seen = None
            return self._read_anew()
        except OSError as exc:
            self._seen, self.modified = None, None
            why = exc.strerror or "can't be read"
            raise ModuleError(f"{quote(self._path, 200)}: {why}", reason="unreadable_file") from exc
        except PollError as exc:
            raise of_poll(exc) from exc

    def _read_anew(self) -> Content:
        """Read until the file stays the same meanwhile: a writer may not have heard of rename."""
        for _ in range(_TRIES):
            # Opening a FIFO would wait for its writer.
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no Path
                before = os.fstat(descriptor)
                if not stat.S_ISREG(before.st_mode):
                    raise ModuleError(
                        f"{quote(self._path, 200)}: not a regular file", reason="unreadable_file"
                    )
                body = Body(self._max_size, what=quote(self._path, 200))
                while data := file.read(_READ_BYTES):
                    for _ in body.feed(data):
                        pass
                after = os.fstat(descriptor)
            if _signature(before) == _signature(after):
                self._payload = body.close()
                self._seen, self.modified = _signature(after), after.st_mtime
                return Content(self._payload, after.st_mtime, changed=True)
        raise ModuleError(
            f"{quote(self._path, 200)}: changes while it is read: write another file and rename it",
            reason="unreadable_file",
        )


def _signature(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def check_age(modified: float, max_age: float, now: float) -> None:
    """Refuse a file that was not changed for too long.

    Raises:
        ModuleError: ``too_old``.
    """
    if now - modified > max_age:
        raise ModuleError(
            f"not written since {_moment(modified)} (max_age {span(max_age)})", reason="too_old"
        )


def _moment(seconds: float) -> str:
    """Return a time as text that stays the same however often the file is looked at."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OSError, OverflowError, ValueError):
        # Files may say they are of any year.
        return f"{seconds:.0f} s of Unix time"


def ages(module: str, files: Mapping[str, float]) -> bytes:
    """Return the series that tell when files were last changed, as self-metrics have them."""
    name = "exporter_proxy_module_file_mtime_seconds"
    return b"".join(
        [
            family(name, "gauge", "When the file of the module was last changed, in Unix time."),
            *(
                sample(name, [("module", module), ("file", unicode_of(file))], modified)
                for file, modified in files.items()
            ),
        ]
    )


class FileModule:
    """Reads a file.

    Args:
        config: The module.
        files: Gets when it was last changed, by its name.
        wall: The time of day, in seconds since the epoch.
    """

    def __init__(
        self,
        config: ModuleConfig,
        files: dict[str, float],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._files = files
        self._wall = wall
        assert config.path is not None
        self._path = config.path
        self._file = Textfile(config.path, config.max_body_size)
        self._reading = OneApart(self._file.read)
        self._params = Params({})

    async def fetch(self, ask: Ask, timeout: float) -> Answer:  # noqa: ASYNC109 - see OneApart
        """See :meth:`Kind.fetch`; the page tells the file's age, too."""
        self._params.check(ask.params)
        content = await self._read(timeout)
        *most, last = content.payload or (b"",)
        payload = (*most, close_text(last), ages(self._config.name, self._files))
        return Answer(payload, modified=content.modified)

    async def poll(self) -> Mapping[str, Outcome]:
        """See :meth:`Kind.poll`."""
        content = await self._read(self._config.timeout)
        return {self._config.app_name: Outcome(content.payload, changed=content.changed)}

    async def close(self, grace_seconds: float) -> None:
        """See :meth:`Kind.close`; nothing is under way that could be ended."""

    async def _read(self, timeout: float) -> Content:  # noqa: ASYNC109 - as above
        files = self._files
        try:
            content = await self._reading.call(timeout)
        finally:
            files.clear()
            if self._file.modified is not None:
                files[self._path] = self._file.modified
        check_age(content.modified, self._config.max_age, self._wall())
        return content
