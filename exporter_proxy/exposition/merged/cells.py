"""What OpenMetrics asks of the samples that one app has of a family, and small changes to them.

Nothing here takes a step of Python for each sample but where samples have to be left out.
"""

import re
from collections.abc import Generator
from typing import Any

import re2

from exporter_proxy.exposition.grammar import LABEL_ALONE
from exporter_proxy.exposition.lines import WINDOW, windows
from exporter_proxy.exposition.model import Family

# Lines, or bytes of them, looked at before the event loop is served.
_STEP = 1024
_STEP_BYTES = 65_536

_NAME = rb"[a-zA-Z_:][a-zA-Z0-9_:]*+"
_LABELS = rb'\{(?:[^"}]++|"(?:[^"\\]++|\\.)*+")*+\}'
SERIES = re.compile(_NAME + rb"(?:" + _LABELS + rb")?+")
SAMPLE = re.compile(
    rb"(" + _NAME + rb")(?:\{((?:[^\"}]++|\"(?:[^\"\\]++|\\.)*+\")*+)\})?+ ([^ \n]++)"
    # a timestamp, and an exemplar
    rb"(?: ([^ #\n][^ \n]*+))?+(?: (# [^\n]++))?+"
)
"""A line without its newline: name, labels, value, timestamp, exemplar."""
_EXEMPLAR = re.compile(
    rb"^(" + _NAME + rb"(?:" + _LABELS + rb")?+ [^ \n]++(?: [^ #\n][^ \n]*+)?+) # [^\n]++",
    re.MULTILINE,
)
_LABEL = re.compile(rb'[a-zA-Z_][a-zA-Z0-9_]*+="(?:[^"\\]++|\\.)*+"')
_STATES = frozenset({0.0, 1.0})

_OPTIONS = re2.Options()
_OPTIONS.encoding = re2.Options.Encoding.LATIN1
_OPTIONS.never_capture = True
# A value that no counter has. Labels are stepped over: what is in them may look like one.
_NO_COUNTER: Any = re2.compile(
    rb'(?m)^[a-zA-Z0-9_:]+(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})? (?:NaN|-(?:[0.]*[1-9]|Inf))',
    _OPTIONS,
)


def split_lines(text: bytes) -> list[bytes]:
    """Return lines without their newlines: of line breaks only that ends one."""
    found = text.split(b"\n")
    found.pop()
    return found


def openmetrics_lines(cell: Family) -> bytes:
    """Return a cell's samples as OpenMetrics has them, exemplars included."""
    return cell.samples if cell.openmetrics is None else cell.openmetrics


def without_exemplars(text: bytes) -> bytes:
    """Return samples without their exemplars: the same object if there are none."""
    return _EXEMPLAR.sub(rb"\1", text) if b" # {" in text else text


def by_name(text: bytes) -> Generator[None, None, dict[bytes, bytes]]:
    """Sort samples by their name, in steps; of a series that is given twice, the first counts."""
    found: dict[bytes, dict[bytes, bytes]] = {}
    for count, line in enumerate(split_lines(without_exemplars(text)), 1):
        series = SERIES.match(line)
        assert series is not None  # readers write nothing else
        name, _, _ = series[0].partition(b"{")
        found.setdefault(name, {}).setdefault(series[0], line)
        if not count % _STEP:
            yield
    return {name: b"\n".join((*each.values(), b"")) for name, each in found.items()}


def are_counters(cell: Family) -> Generator[None, None, bool]:
    """Tell, in steps, whether no value is negative or no number."""
    for window in windows(cell.samples, WINDOW // 4):
        if (b" -" in window or b" NaN" in window) and _NO_COUNTER.search(window) is not None:
            return False
        if len(window) < len(cell.samples):
            yield
    return True


def are_infos(cell: Family) -> Generator[None, None, bool]:
    """Tell, in steps, whether every value is one; timestamps are not looked for where none can be.

    Parsers take all of an info family for one metric, of which either all samples or none have a
    timestamp: so it may have none.
    """
    for window in windows(cell.samples, WINDOW // 4):
        ones = window.count(b" 1\n") + window.count(b" 1.0\n")
        if ones != window.count(b"\n"):
            return False
        if len(window) < len(cell.samples):
            yield
    return without_exemplars(openmetrics_lines(cell)) == cell.samples


def are_states(cell: Family) -> Generator[None, None, bool]:
    """Tell, in steps, whether a cell is a stateset: zeros and ones, each metric's samples together.

    No series may be there twice.
    """
    if not LABEL_ALONE.fullmatch(cell.name) or cell.openmetrics is not None:
        return False
    seen: set[tuple[bytes, ...]] = set()
    current = None
    state = cell.name + b"="
    for window in windows(cell.samples, _STEP_BYTES):
        for line in split_lines(window):
            sample = SAMPLE.fullmatch(line)
            if sample is None or sample[4] or float(sample[3]) not in _STATES:
                return False
            labels = _LABEL.findall(sample[2] or b"")
            metric = tuple(sorted(label for label in labels if not label.startswith(state)))
            if len(metric) == len(labels):
                return False
            if metric != current:
                if metric in seen:
                    return False
                seen.add(metric)
                current = metric
        if len(window) < len(cell.samples):
            yield
    return True
