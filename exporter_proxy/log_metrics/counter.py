"""What counts the lines of one ``[[log]]`` section: the seam to whoever reads the files."""

from collections.abc import Sequence
from decimal import Decimal
from threading import Lock
from typing import Any, Protocol

import msgspec

from exporter_proxy.log_metrics.families import Family, Labels
from exporter_proxy.log_metrics.newlines import count_newlines

_VERSION = 1


class StateError(Exception):
    """A state was made by another version or for another configuration, or is damaged."""


class Reader(Protocol):
    """Knows a kind of lines, and counts them in families of its own.

    Attributes:
        unread_values: Numbers in matched lines that couldn't be read.
    """

    unread_values: int

    @property
    def families(self) -> Sequence[Family[Any]]:
        """Return what is counted, in the order in which it is shown."""

    def read(self, text: str, stream: str, lines: int) -> int:
        r"""Count so many lines, each ending in ``\n``; return how many of them are known."""

    def settle(self) -> None:
        """Count what was read and is not in the families yet, nor in ``unread_values``."""

    def memory(self) -> dict[str, dict[str, str]]:
        """Return what is remembered between lines: {stream: {key: value}}."""

    def remember(self, memory: dict[str, dict[str, str]]) -> None:
        """Take the place of what is remembered; what can't be used is passed over."""


class _State(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    version: int
    fingerprint: str
    lines: int
    matched: int
    unread_values: int
    overflowed: list[int]
    series: list[list[tuple[Labels, int | float | str | list[int | float | str]]]]
    memory: dict[str, dict[str, str]]


class LineCounter:
    """Counts what lines say, for one ``[[log]]`` section; all of its files together.

    Not safe for threads: calls of one counter come one after another, from whichever thread; but
    what it tells, such as its exposition and its state, may be asked for by several at once.

    Args:
        reader: Knows the lines.
        fingerprint: Of all that the counts depend on, so that those of another configuration are
            not taken for these.

    Attributes:
        lines: How many lines were fed.
        matched: Those that the format, the preset or a metric knows.
        fingerprint: As given.
    """

    def __init__(self, reader: Reader, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self.lines = 0
        self.matched = 0
        self._reader = reader
        self._settling = Lock()

    @property
    def unmatched(self) -> int:
        """How many lines nothing was known about."""
        return self.lines - self.matched

    @property
    def unread_values(self) -> int:
        """How many numbers in matched lines couldn't be read; they count for nothing."""
        self._settle()
        return self._reader.unread_values

    @property
    def overflowed(self) -> int:
        """How many events went to a metric's overflow series."""
        self._settle()
        return sum(family.overflowed for family in self._reader.families)

    def feed(self, block: bytes | memoryview, stream: str = "", lines: int | None = None) -> None:
        r"""Count whole lines.

        How lines are cut into blocks changes nothing but which of several new label sets of some
        thousand lines get the last places before the overflow series. The call holds the
        interpreter lock for about half a microsecond a line, more where RE2 must be asked: 64 KiB
        take half a millisecond to three; empty lines take as long as any.

        Args:
            block: Lines, each ending in ``\n``; any bytes. UTF-8 that isn't is replaced. ``\r``
                before ``\n`` is left out.
            stream: Which file the lines are from: where several lines belong together, such as
                those of one transfer, they are looked for within one stream. Files that follow one
                another by rotation are one.
            lines: How many there are; None: to be counted.
        """
        text = str(block, "utf-8", "replace")
        if not text.endswith("\n"):
            if not text:
                return
            text += "\n"
            lines = None
        # of one character, since those are searched for a hundred times faster than two
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        if lines is None:
            lines = count_newlines(text.encode())
        self.lines += lines
        self.matched += self._reader.read(text, stream, lines)

    def _settle(self) -> None:
        with self._settling:
            self._reader.settle()

    def exposition(self) -> bytes:
        """Return the metrics as text format 0.0.4, families in a fixed order, with HELP and TYPE.

        Families without series have HELP and TYPE alone.
        """
        self._settle()
        return b"".join(family.exposition() for family in self._reader.families)

    def state(self) -> bytes:
        """Return everything that :meth:`restore` needs to go on counting from here."""
        self._settle()
        families = self._reader.families
        return msgspec.msgpack.encode(
            _State(
                _VERSION,
                self.fingerprint,
                self.lines,
                self.matched,
                self._reader.unread_values,
                [family.overflowed for family in families],
                [_encodable(family.state()) for family in families],
                self._reader.memory(),
            )
        )

    def restore(self, state: bytes) -> None:
        """Continue from what another counter of the same section returned by :meth:`state`.

        Raises:
            StateError: It can't be used; says why. The counter is then fit for nothing but to be
                thrown away, unless nothing of the state could be read.
        """
        self._settle()
        try:
            found = msgspec.msgpack.decode(state, type=_State)
        except msgspec.DecodeError as exc:
            raise StateError(f"the state is damaged: {exc}") from exc
        if (found.version, found.fingerprint) != (_VERSION, self.fingerprint):
            raise StateError("the state is that of another configuration or version")
        try:
            for family, series, overflowed in zip(
                self._reader.families, found.series, found.overflowed, strict=True
            ):
                family.restore(series)
                family.overflowed = overflowed
        except ValueError as exc:
            raise StateError(f"the state is damaged: {exc}") from exc
        self.lines, self.matched = found.lines, found.matched
        self._reader.unread_values = found.unread_values
        self._reader.remember(found.memory)


def _encodable(series: list[tuple[Labels, Any]]) -> list[tuple[Labels, Any]]:
    """Return ``series`` with numbers that msgpack doesn't have as text: large and exact ones."""
    return [
        (labels, [_fit(item) for item in value] if isinstance(value, list) else _fit(value))
        for labels, value in series
    ]


def _fit(value: float | Decimal) -> int | float | str:
    if isinstance(value, Decimal):
        return str(value)
    return str(value) if isinstance(value, int) and value.bit_length() > 63 else value
