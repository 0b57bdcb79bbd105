"""A module that is a directory of files, each of them an app of its own."""

import os
import time
from collections.abc import Callable, Generator, Mapping
from fnmatch import fnmatchcase

from exporter_proxy.config import ModuleConfig
from exporter_proxy.errors import ModuleError, PayloadError, quote
from exporter_proxy.exposition.escaping import DEFAULT_SCHEME, escape_in_steps
from exporter_proxy.exposition.merged import Layout, MergedIndex, TextWriter
from exporter_proxy.exposition.reader import read_in_steps
from exporter_proxy.modules import Answer, Ask
from exporter_proxy.payload.names import check_name
from exporter_proxy.sources.module.apart import OneApart
from exporter_proxy.sources.module.kind import Outcome
from exporter_proxy.sources.module.params import Params
from exporter_proxy.sources.module.textfile import Content, Textfile, ages, check_age
from exporter_proxy.table import Payload
from exporter_proxy.turns import turns_of_loop

Found = Mapping[str, Content | ModuleError]
"""What is in each file, by its name, in the order of names."""


class Directory:
    """Files of a directory, each read again when it has changed. Its methods block.

    Args:
        path: The directory.
        pattern: Of the names of files, as a shell has it.
        max_files: How many there may be.
        max_size: Bytes that are read of each.
    """

    def __init__(self, path: str, pattern: str, max_files: int, max_size: int) -> None:
        self._path = path
        self._pattern = pattern
        self._max_files = max_files
        self._max_size = max_size
        self._files: dict[str, Textfile] = {}

    def read(self) -> Found:
        """Return what is there now; one bad file costs no other.

        Raises:
            ModuleError: ``unreadable_file``, ``too_many_files``: of the directory itself.
        """
        try:
            names = sorted(name for name in os.listdir(self._path) if self._wants(name))  # noqa: PTH208 - names
        except OSError as exc:
            why = exc.strerror or "can't be read"
            raise ModuleError(f"{quote(self._path, 200)}: {why}", reason="unreadable_file") from exc
        if len(names) > self._max_files:
            raise ModuleError(
                f"{quote(self._path, 200)}: {len(names)} files (max_files {self._max_files})",
                reason="too_many_files",
            )
        known = self._files
        self._files = {name: known.get(name) or self._file(name) for name in names}
        found: dict[str, Content | ModuleError] = {}
        for name, file in self._files.items():
            try:
                found[name] = file.read()
            except ModuleError as exc:
                if file.modified is None and not os.path.lexists(os.path.join(self._path, name)):  # noqa: PTH118 - as above
                    # It was taken away in this moment.
                    continue
                found[name] = exc
        return found

    def ages(self) -> dict[str, float]:
        """Return when files were last changed, in seconds since the epoch, by name."""
        known = ((name, file.modified) for name, file in self._files.items())
        return {name: modified for name, modified in known if modified is not None}

    def _wants(self, name: str) -> bool:
        # As in a shell, what is hidden is not meant by a mere asterisk.
        return (name[0] != "." or self._pattern[0] == ".") and fnmatchcase(name, self._pattern)

    def _file(self, name: str) -> Textfile:
        return Textfile(os.path.join(self._path, name), self._max_size)  # noqa: PTH118 - as above


class DirectoryModule:
    """Reads a directory.

    Args:
        config: The module.
        files: Gets when each file was last changed, by its name.
        wall: The time of day, in seconds since the epoch.
    """

    def __init__(
        self,
        config: ModuleConfig,
        files: dict[str, float],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._ages = files
        self._wall = wall
        assert config.path is not None
        self._directory = Directory(
            config.path, config.files, config.max_files, config.max_body_size
        )
        self._reading = OneApart(self._directory.read)
        self._params = Params({})

    async def fetch(self, ask: Ask, timeout: float) -> Answer:  # noqa: ASYNC109 - see OneApart
        """See :meth:`Kind.fetch`: all files on one page, without those that can't be read."""
        self._params.check(ask.params)
        outcomes = await self._outcomes(timeout)
        readable = {name: each.payload for name, each in outcomes.items() if each.error is None}
        page, quarantined = await _merge(readable)
        errors = [
            ModuleError(str(each.error), reason=each.error.reason, part=name)
            for name, each in outcomes.items()
            if each.error is not None
        ]
        payload = (*page, ages(self._config.name, self._ages))
        return Answer(payload, errors=(*errors, *quarantined))

    async def poll(self) -> Mapping[str, Outcome]:
        """See :meth:`Kind.poll`."""
        outcomes = await self._outcomes(self._config.timeout)
        prefix = self._config.app_name
        apps: dict[str, Outcome] = {}
        for name, outcome in outcomes.items():
            try:
                apps[check_name(f"{prefix}: {name}")] = outcome
            except PayloadError as exc:
                # It can't be an app; the module says so.
                error = ModuleError(str(exc), reason="unreadable_file")
                apps[f"{prefix}: {quote(name, 100)}"] = Outcome(error=error, part=name)
        return apps

    async def close(self, grace_seconds: float) -> None:
        """See :meth:`Kind.close`; nothing is under way that could be ended."""

    async def _outcomes(self, timeout: float) -> Mapping[str, Outcome]:  # noqa: ASYNC109 - as above
        found = await self._reading.call(timeout)
        self._ages.clear()
        self._ages.update(self._directory.ages())
        now = self._wall()
        return {
            name: self._outcome(content, now)._replace(part=name) for name, content in found.items()
        }

    def _outcome(self, content: Content | ModuleError, now: float) -> Outcome:
        if isinstance(content, ModuleError):
            return Outcome(error=content)
        try:
            check_age(content.modified, self._config.max_age, now)
        except ModuleError as exc:
            return Outcome(error=exc)
        return Outcome(content.payload, changed=content.changed)


async def _merge(payloads: Mapping[str, Payload]) -> tuple[Payload, list[ModuleError]]:
    """Return one page of several files, each family once; and why what is left out of which."""
    turns = turns_of_loop()
    page: list[bytes] = []
    errors: list[ModuleError] = []
    for _ in _lay_out(payloads, page, errors):
        await turns.turn()
    return tuple(page), errors


def _lay_out(
    payloads: Mapping[str, Payload], page: list[bytes], errors: list[ModuleError]
) -> Generator[None, None, None]:
    """Do that in steps."""
    index = MergedIndex()
    layout = Layout(index, TextWriter(index))
    for number, (name, payload) in enumerate(payloads.items()):
        exposition = yield from read_in_steps(payload)
        if exposition.quarantined:
            first = min(exposition.quarantined, key=lambda family: family.line)
            message = f"line {first.line}: {first.message}"
            errors.append(ModuleError(message, reason="invalid_metrics", part=name))
        escaped = yield from escape_in_steps(exposition.families, DEFAULT_SCHEME)
        yield from index.set_app_in_steps(number, escaped.families)
    for piece in (yield from layout.refresh()):
        page += piece.texts()
