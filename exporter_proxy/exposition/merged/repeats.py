"""The same series twice in what one app has of a family.

Prometheus takes the first of them and says so in its log; parsers of OpenMetrics refuse the page.
"""

from collections.abc import Generator, Sequence

from exporter_proxy.exposition.lines import windows
from exporter_proxy.exposition.merged.family import COMPOUND
from exporter_proxy.exposition.merged.series import (
    Orders,
    keys_of,
    series_of,
    text_of_series,
    times_of,
)
from exporter_proxy.exposition.merged.written import Repeats, is_searched, keep_repeats
from exporter_proxy.exposition.model import Family

# Bytes looked at before the event loop is served: some milliseconds.
_STEP_BYTES = 131_072
_WINDOW_BYTES = _STEP_BYTES // 4
_STEP = 1000
# Series of more samples are spread over sets of so many, as a large set holds the loop when it
# grows, and when it is let go of.
_MANY = 32_768
_IN_A_SET = 4_096
# Hashes of series of which it is known that none is there twice: an update brings new values, and
# seldom other series. So many take some MB.
_MOST_KNOWN = 65_536
_known: set[int] = set()


def repeats_of(cell: Family) -> Generator[None, None, Repeats | None]:
    """Search a cell, once, in steps; the value of the generator is what is there twice."""
    if not is_searched(cell):
        keep_repeats(cell, None if cell.count <= 1 else (yield from _search(cell)))
    repeats: Repeats | None = cell.written.repeats
    return repeats


def _search(cell: Family) -> Generator[None, None, Repeats | None]:
    if len(cell.samples) <= _STEP_BYTES:
        texts: list[bytes] = []
        for window in windows(cell.samples, _WINDOW_BYTES):
            if texts:
                yield
            texts.append(text_of_series(window))
        text = b"".join(texts)
        key = hash(text)
        if key in _known:
            return None
        orders = Orders(quoted=cell.quoted)
        orders.add(text)
        series = text.split(b"\n")
        if not orders.differ and len(set(series)) == len(series):
            if len(_known) >= _MOST_KNOWN:
                _known.clear()
            _known.add(key)
            return None
    elif not (yield from _may_repeat(cell)):
        return None
    return (yield from _take_apart(cell))


def _may_repeat(cell: Family) -> Generator[None, None, bool]:
    """Tell whether a long cell may have a series twice: else it has none."""
    orders = Orders(quoted=cell.quoted)
    many = cell.count > _MANY
    sets: list[set[bytes]] = [set() for _ in range(cell.count // _IN_A_SET if many else 1)]
    count = 0
    for window in windows(cell.samples, _STEP_BYTES):
        text = text_of_series(window)
        orders.add(text)
        series = text.split(b"\n")[:-1]
        count += len(series)
        if len(sets) == 1:
            sets[0].update(series)
        else:
            for each in series:
                sets[hash(each) % len(sets)].add(each)
        yield
    distinct = 0
    while sets:
        distinct += len(sets.pop())
        yield
    return orders.differ or distinct < count


def _take_apart(cell: Family) -> Generator[None, None, Repeats | None]:
    """Look at a cell line by line."""
    lines: list[bytes] = []
    places: dict[bytes, list[int]] = {}
    for window in windows(cell.samples, _WINDOW_BYTES):
        for place, key in enumerate(keys_of(series_of(window)), len(lines)):
            places.setdefault(key, []).append(place)
        lines += window.split(b"\n")[:-1]
        yield
    kept: list[int] = []
    first = len(lines)
    for count, each in enumerate(places.values(), 1):
        shown = each if len(each) == 1 else _shown(cell, lines, each)
        kept += shown
        if len(shown) < len(each):
            first = min(first, each[0])
        if count % _STEP == 0:
            yield
    if len(kept) == len(lines) and kept == sorted(kept):
        return None
    yield
    samples = yield from _pick(lines, kept)
    openmetrics = None
    if cell.openmetrics is not None:
        openmetrics = yield from _pick(cell.openmetrics.split(b"\n"), kept)
    shown_cell = Family(
        cell.name,
        cell.type,
        samples,
        len(kept),
        help=cell.help,
        typed=cell.typed,
        unit=cell.unit,
        openmetrics=openmetrics,
        quoted=cell.quoted,
    )
    series = text_of_series(lines[first]) if first < len(lines) else b""
    return Repeats(shown_cell, len(lines) - len(kept), series)


def _shown(cell: Family, lines: Sequence[bytes], places: Sequence[int]) -> list[int]:
    """Return which of the samples of one series are shown, in their order.

    The first; but samples at different times are points of one series, which OpenMetrics takes in
    the order of time. Not those of a histogram or summary, whose points are whole ones.
    """
    first = [places[0]]
    if cell.type in COMPOUND:
        return first
    times = times_of(lines[place] for place in places)
    by_time: dict[int, int] = {}
    for time, place in zip(times, places, strict=True):
        if time is None:
            return first
        by_time.setdefault(time, place)
    return [by_time[time] for time in sorted(by_time)]


def _pick(lines: Sequence[bytes], kept: Sequence[int]) -> Generator[None, None, bytes]:
    parts = []
    for start in range(0, len(kept), _STEP):
        parts.append(b"\n".join((*map(lines.__getitem__, kept[start : start + _STEP]), b"")))
        yield
    return b"".join(parts)
