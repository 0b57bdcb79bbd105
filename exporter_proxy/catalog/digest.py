"""From a row to what was read of it, in steps: reader, rules, names that every reader takes."""

from collections.abc import Callable, Generator

from exporter_proxy.catalog.app_reading import AppReading
from exporter_proxy.exposition.escaping import DEFAULT_SCHEME, escape_in_steps
from exporter_proxy.exposition.given import Given
from exporter_proxy.exposition.model import Exposition
from exporter_proxy.exposition.origin import Origin, pack
from exporter_proxy.exposition.reader import read_in_steps
from exporter_proxy.exposition.rules import Applied, Rules, apply_in_steps
from exporter_proxy.table import Payload, Row


class Digester:
    """Reads rows. Nothing is changed by that.

    Args:
        wall_ns: The clock that says which timestamps are old.
        given: What the source of a row knows of it besides its payload; None: nothing is known of
            any.
    """

    def __init__(
        self, wall_ns: Callable[[], int], given: Callable[[Row], Given | None] | None
    ) -> None:
        self._wall_ns = wall_ns
        self._given = given

    def digest(self, row: Row, rules: Rules) -> Generator[None, None, AppReading]:
        """Read a row."""
        payload = row.payload
        exposition = yield from self._read(payload)
        applied = yield from self._apply(row, exposition, rules)
        origin: Origin = exposition
        if applied.families is not exposition.families:
            origin = yield from pack(payload)
        escaped = yield from escape_in_steps(applied.families, DEFAULT_SCHEME)
        return AppReading(row, exposition, applied, escaped, rules, origin)

    def digest_again(
        self, row: Row, rules: Rules, origin: Origin
    ) -> Generator[None, None, AppReading]:
        """Apply other rules to what was read of a row."""
        if isinstance(origin, Exposition):
            exposition = origin
        else:
            exposition = yield from self._read((yield from origin.unpack()))
        applied = yield from self._apply(row, exposition, rules)
        if applied.families is exposition.families:
            origin = exposition
        escaped = yield from escape_in_steps(applied.families, DEFAULT_SCHEME)
        return AppReading(row, exposition, applied, escaped, rules, origin)

    def _apply(
        self, row: Row, exposition: Exposition, rules: Rules
    ) -> Generator[None, None, Applied]:
        """Do what the configuration, and the row's source, want done to its families."""
        given = None if self._given is None else self._given(row)
        if given is None:
            return (yield from apply_in_steps(exposition.families, rules))
        applied = yield from apply_in_steps(exposition.families, given.on(rules))
        return applied._replace(findings=(*applied.findings, *given.findings))

    def _read(self, payload: Payload) -> Generator[None, None, Exposition]:
        return (yield from read_in_steps(payload, now_ms=self._wall_ns() // 1_000_000))
