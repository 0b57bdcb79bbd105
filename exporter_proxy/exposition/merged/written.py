"""What was made of a cell for a page, kept with the cell."""

from typing import NamedTuple

from exporter_proxy.exposition.model import Family


class Repeats(NamedTuple):
    """A cell that has some series more than once.

    Attributes:
        shown: The cell as OpenMetrics takes it: each series once, or, with timestamps, once a time.
        times: How many samples were left out for that.
        series: One of them, name and labels; empty: none was, they only had to be moved.
    """

    shown: Family
    times: int
    series: bytes


class Written:
    """What was made of a cell, kept with it.

    Attributes:
        arranged: A histogram's or summary's samples in order; None: they are not valid.
        is_arranged: Whether that is known.
        named: Samples by their name.
        plain: Samples without exemplars.
        repeats: What is there twice; None: nothing.
        is_searched: Whether that is known.
    """

    __slots__ = (
        "arranged",
        "is_arranged",
        "is_searched",
        "named",
        "plain",
        "repeats",
    )

    def __init__(self, *, is_searched: bool = False) -> None:
        self.arranged: bytes | None = None
        self.is_arranged = False
        self.named: dict[bytes, bytes] | None = None
        self.plain: bytes | None = None
        self.repeats: Repeats | None = None
        self.is_searched = is_searched


_DISTINCT = Written(is_searched=True)
"""Kept with all cells of which nothing more is known than that they have no series twice."""


def written_of(cell: Family) -> Written:
    """Return what is kept with a cell, to be changed."""
    written = cell.written
    if written is None or written is _DISTINCT:
        written = cell.written = Written(is_searched=written is not None)
    assert isinstance(written, Written)
    return written


def is_searched(cell: Family) -> bool:
    """Tell whether it is known what a cell has twice."""
    return cell.written is not None and cell.written.is_searched


def keep_repeats(cell: Family, repeats: Repeats | None) -> None:
    """Keep with a cell what it has twice."""
    if repeats is None and (cell.written is None or cell.written is _DISTINCT):
        cell.written = _DISTINCT
        return
    written = written_of(cell)
    written.repeats, written.is_searched = repeats, True
