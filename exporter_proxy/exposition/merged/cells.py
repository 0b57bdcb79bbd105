"""What OpenMetrics asks of the samples that one app has of a family, and small changes to them.

Nothing here takes a step of Python for each sample but where samples have to be left out.
"""

import re
from collections.abc import Generator
from typing import Any

import re2

from exporter_proxy.exposition.grammar import LABEL_ALONE
from exporter_proxy.exposition.model import Family

# Lines looked at before the event loop is served.
_STEP = 4096

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
_LABEL = re.compile(rb'([a-zA-Z_][a-zA-Z0-9_]*+)="((?:[^"\\]++|\\.)*+)"')

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


def are_counters(cell: Family) -> bool:
    """Tell whether no value is negative or no number."""
    samples = cell.samples
    if b" -" not in samples and b" NaN" not in samples:
        return True
    return _NO_COUNTER.search(samples) is None


def are_infos(cell: Family) -> bool:
    """Tell whether every value is one; timestamps are not looked for where they can't be.

    Parsers take all of an info family for one metric, of which either all samples or none have a
    timestamp: so it may have none.
    """
    samples = cell.samples
    ones = samples.count(b" 1\n") + samples.count(b" 1.0\n")
    return ones == samples.count(b"\n") and without_exemplars(openmetrics_lines(cell)) == samples


def are_states(cell: Family) -> bool:
    """Tell whether a cell is a stateset: zeros and ones, each metric's samples together."""
    if not LABEL_ALONE.fullmatch(cell.name) or cell.openmetrics is not None:
        return False
    seen: set[tuple[bytes, ...]] = set()
    current = None
    states: set[bytes] = set()
    for line in split_lines(cell.samples):
        sample = SAMPLE.fullmatch(line)
        if sample is None or sample[4] or float(sample[3]) not in {0, 1}:
            return False
        labels = dict(_LABEL.findall(sample[2] or b""))
        state = labels.pop(cell.name, None)
        if state is None:
            return False
        metric = tuple(sorted(name + b"=" + value for name, value in labels.items()))
        if metric != current:
            if metric in seen:
                return False
            seen.add(metric)
            current, states = metric, set()
        if state in states:
            return False
        states.add(state)
    return True
