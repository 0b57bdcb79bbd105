"""What ``/apps`` shows of each app, before it has a form."""

import time
from collections.abc import Generator, Mapping
from typing import NamedTuple

from exporter_proxy.catalog.app_reading import AppReading
from exporter_proxy.exposition.samples import count_samples
from exporter_proxy.table import Ghost, Problem, Row, Snapshot

ROWS_A_STEP = 200

COLUMNS = ("App Name", "Last Update Time (UTC)", "Source", "Samples", "Bytes", "Updates", "State")
NUMBERS = frozenset({"Samples", "Bytes", "Updates"})
"""Columns that are aligned to the right."""

OK = "ok"
_SAMPLES = "samples"


class AppLine(NamedTuple):
    """One line of the table.

    ``updated_ns`` is in nanoseconds since the epoch (UTC); None: the app never had metrics.
    """

    app: str
    updated_ns: int | None
    source: str
    samples: int
    size: int
    updates: int
    state: str

    def cells(self) -> tuple[str, ...]:
        """Return what stands under ``COLUMNS``, each one printable line."""
        return (
            printable(self.app),
            "never" if self.updated_ns is None else show_time(self.updated_ns),
            printable(self.source),
            str(self.samples),
            str(self.size),
            str(self.updates),
            printable(self.state),
        )


def read_lines(
    snapshot: Snapshot,
    problems: Mapping[str, Problem],
    readings: Mapping[str, AppReading],
    *,
    expired: Mapping[str, int],
    ghosts: Mapping[str, Ghost],
) -> Generator[None, None, list[AppLine]]:
    """Return the lines of all rows, then those of apps that have a problem and no row.

    A generator that yields after each step, as counting samples may take long; where payloads are
    read they are counted already.

    Args:
        snapshot: The rows.
        problems: What is wrong with which app.
        readings: What was read of the apps.
        expired: Apps that are marked: since when, in nanoseconds since the epoch.
        ghosts: Apps that were dropped.
    """
    lines: list[AppLine] = []
    apps = set()
    for number, row in enumerate(snapshot.rows):
        reading = readings.get(row.app)
        if reading is None:
            samples = yield from count_once(row)
        else:
            samples = reading.samples
        state = state_of(reading, problems.get(row.app), expired.get(row.app))
        lines.append(
            AppLine(row.app, row.updated_ns, row.source, samples, row.size, row.updates, state)
        )
        apps.add(row.app)
        if number % ROWS_A_STEP == 0:
            yield
    for app, problem in problems.items():
        if app not in apps:
            ghost = ghosts.get(app)
            updated_ns = None if ghost is None else ghost.updated_ns
            lines.append(AppLine(app, updated_ns, problem.source, 0, 0, 0, problem.text))
    return lines


def state_of(reading: AppReading | None, problem: Problem | None, expired_ns: int | None) -> str:
    """Return the state of an app that the table has.

    Args:
        reading: What was read of it; None: payloads are not read.
        problem: What is wrong with it.
        expired_ns: Since when it is marked, in nanoseconds since the epoch; None: it isn't.
    """
    wrong = [] if expired_ns is None else [f"expired since {show_second(expired_ns)}"]
    if problem is not None:
        wrong.append(problem.text)
    if wrong:
        return "; ".join(wrong)
    return OK if reading is None else reading.state


def count_once(row: Row) -> Generator[None, None, int]:
    """Return the number of the row's samples, which is counted once."""
    derived = row.derived
    if derived is None:
        derived = row.derived = {}
    samples = derived.get(_SAMPLES)
    if isinstance(samples, int):
        return samples
    counted = 0
    for part in row.payload:
        for number in count_samples(part):
            counted += number
            yield
    derived[_SAMPLES] = counted
    return counted


def show_time(ns: int) -> str:
    """Return nanoseconds since the epoch as ``2022-05-22 23:51:47.971181300 UTC``."""
    seconds, fraction = divmod(ns, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(seconds))}.{fraction:09d} UTC"


def show_second(ns: int) -> str:
    """Return nanoseconds since the epoch as ``2022-05-22 23:51:47 UTC``."""
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(ns // 1_000_000_000))} UTC"


def printable(text: str) -> str:
    r"""Return ``text`` with escapes such as ``\x1b`` for what moves the cursor or can't be seen."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def unicode_of(text: str) -> str:
    """Return ``text`` with escapes for what is not Unicode, such as parts of a socket's path."""
    return text.encode(errors="backslashreplace").decode()
