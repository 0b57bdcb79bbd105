"""What counts the lines of one ``[[log]]`` section: the seam to whoever reads the files."""

from typing import Protocol


class StateError(Exception):
    """A state was made by another version or for another configuration, or is damaged."""


class LineCounter(Protocol):
    """Counts what lines say, for one ``[[log]]`` section; all of its files together.

    Not safe for threads: calls of one counter come one after another, from whichever thread.

    Attributes:
        lines: How many lines were fed.
        matched: Those that the format, the preset or a metric knows.
        unmatched: The others.
        unread_values: Numbers in matched lines that couldn't be read; they count for nothing.
        overflowed: Events that went to a metric's overflow series.
    """

    lines: int
    matched: int
    unmatched: int
    unread_values: int
    overflowed: int

    def feed(self, block: bytes, stream: str = "") -> None:
        r"""Count whole lines.

        How lines are cut into blocks changes nothing. The call holds the interpreter lock for about
        a microsecond a line (more where RE2 must be asked): 64 KiB take about a millisecond.

        Args:
            block: Lines, each ending in ``\n``; any bytes. UTF-8 that isn't is replaced.
            stream: Which file the lines are from: where several lines belong together, such as
                those of one transfer, they are looked for within one stream. Files that follow one
                another by rotation are one.
        """

    def exposition(self) -> bytes:
        """Return the metrics as text format 0.0.4, families in a fixed order, with HELP and TYPE.

        Families without series have HELP and TYPE alone.
        """

    def state(self) -> bytes:
        """Return everything that :meth:`restore` needs to go on counting from here."""

    def restore(self, state: bytes) -> None:
        """Continue from what another counter of the same section returned by :meth:`state`.

        Raises:
            StateError: It can't be used; says why; the counter is as it was before.
        """
