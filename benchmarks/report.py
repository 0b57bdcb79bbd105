"""What the benchmarks found, and how it is printed."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Console
from rich.table import Table


@dataclass(slots=True)
class Figure:
    """One line of the table.

    Attributes:
        scenario: What was done.
        ours: What it cost the proxy.
        peers: What it cost others, one a line.
        ratio: Ours as a multiple of the peer that the aim names.
        aim: What was aimed at, in words.
        met: Whether it was; None: nothing was aimed at, or the peer is not there.
        breakdown: Where it goes, item by item, printed below the table.
    """

    scenario: str
    ours: str
    peers: Sequence[str] = ()
    ratio: float | None = None
    aim: str = ""
    met: bool | None = None
    breakdown: Sequence[str] = field(default=())


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios of rounds that ran next to each other."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the least value that so many per cent of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def micro(nanoseconds: float) -> str:
    """Show nanoseconds as microseconds or milliseconds."""
    if nanoseconds >= 1e6:
        return f"{nanoseconds / 1e6:.2f} ms"
    return f"{nanoseconds / 1e3:.3g} µs" if nanoseconds < 1e5 else f"{nanoseconds / 1e3:.0f} µs"


def mib(size: float) -> str:
    """Show bytes as MB, as the aims are given."""
    return f"{size / 1e6:.1f} MB"


def show(figures: Sequence[Figure], notes: Sequence[str]) -> None:
    """Print the table, then what explains the misses, then notes."""
    table = Table(box=box.ASCII2, title="exporter-proxy, figures in CPU time of the server")
    for name in ("scenario", "ours", "peers", "ratio", "aim", ""):
        table.add_column(name, justify="right" if name == "ratio" else "left", no_wrap=True)
    for figure in figures:
        table.add_row(
            figure.scenario,
            figure.ours,
            "\n".join(figure.peers) or "-",
            "-" if figure.ratio is None else _ratio(figure.ratio),
            figure.aim or "-",
            {None: "-", True: "met", False: "MISSED"}[figure.met],
            end_section=True,
        )
    console = Console(highlight=False, soft_wrap=True, width=300, markup=False)
    console.print(table)
    for figure in figures:
        if figure.breakdown:
            console.print(f"\n{figure.scenario}:")
            for line in figure.breakdown:
                console.print(f"  {line}")
    for note in notes:
        console.print(f"\n{note}")


def _ratio(ratio: float) -> str:
    return f"1/{1 / ratio:.0f}" if ratio < 0.2 else f"{ratio:.2f}"
