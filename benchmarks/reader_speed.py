"""Reading payloads, in this process, beside the parser of prometheus-client."""

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import TypeVar

import payloads
from prometheus_client.parser import text_string_to_metric_families
from report import Figure, median_ratio
from scale import Scale
from servers import Bench

from exporter_proxy.exposition.reader import read

_Text = TypeVar("_Text", str, bytes)

_AIM = 40
# Payloads a round; the parser gets fewer.
_PAYLOADS = 40
_NOW_MS = 1_700_000_000_000


def run(_: Bench, scale: Scale) -> Iterator[Figure]:
    """Yield a figure for plain counters, and one for a mix with histograms."""
    plain = [payloads.large_app(f"app_{number}") for number in range(_PAYLOADS)]
    mixed = [payloads.mixed_app(number) for number in range(_PAYLOADS)]
    for name, texts in (("counters", plain), ("counters, gauges and histograms", mixed)):
        yield _figure(name, texts, scale)


def _figure(name: str, texts: list[str], scale: Scale) -> Figure:
    data = [text.encode() for text in texts]
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(scale.rounds + 1):
        # Both once more in the first round, uncounted.
        mine, samples = _time(_read, data)
        other, parsed = _time(_parse, texts[:2])
        if samples * 2 != parsed * len(data):
            raise RuntimeError(f"{samples} samples read, {parsed} of two payloads parsed")
        if number:
            ours.append(mine / samples)
            theirs.append(other / parsed)
    ratio = median_ratio(ours, theirs)
    return Figure(
        f"reading payloads of {payloads.SAMPLES_AN_APP:,} samples, {name}",
        f"{1e9 / median(ours):,.0f} samples/s",
        [f"{1e9 / median(theirs):,.0f} samples/s prometheus-client"],
        ratio,
        f"at least {_AIM} times as many",
        ratio <= 1 / _AIM,
    )


def _read(payload: bytes) -> int:
    return sum(family.count for family in read((payload,), now_ms=_NOW_MS).families)


def _parse(payload: str) -> int:
    return sum(len(family.samples) for family in text_string_to_metric_families(payload))


def _time(work: Callable[[_Text], int], texts: list[_Text]) -> tuple[float, int]:
    """Return the nanoseconds of CPU time, and how many samples there were."""
    started = time.thread_time_ns()
    samples = sum(map(work, texts))
    return time.thread_time_ns() - started, samples
