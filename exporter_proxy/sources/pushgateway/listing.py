"""``GET /api/v1/metrics``: all groups and what they hold, in the form that Pushgateway has."""

from collections.abc import Callable, Generator, Iterable
from itertools import islice
from typing import Any

import msgspec

from exporter_proxy.exposition.grammar import unescape
from exporter_proxy.exposition.lines import HEAD, ITEM, windows
from exporter_proxy.exposition.model import Family
from exporter_proxy.exposition.reader import read_in_steps
from exporter_proxy.exposition.rules import Rules, apply_in_steps
from exporter_proxy.sources.pushgateway.go_numbers import go_float, go_time
from exporter_proxy.sources.pushgateway.group import Group
from exporter_proxy.table import Payload

_RULES = Rules()
# The label that tells the samples of one metric apart, and under what name JSON has them.
_PARTS = {
    "histogram": ("le", "buckets"),
    "gaugehistogram": ("le", "buckets"),
    "summary": ("quantile", "quantiles"),
}
_FAMILIES_A_STEP = 20
# Of what is sent at a time.
_PIECE_BYTES = 65_536
# Some milliseconds of samples, and of metrics.
_WINDOW = 4096
_METRICS_A_STEP = 512

_Metrics = dict[tuple[tuple[str, str], ...], dict[str, Any]]


def groups_in_steps(
    groups: Iterable[Group], is_there: Callable[[Group], bool]
) -> Generator[None, None, list[bytes]]:
    """Return all groups as JSON, in steps of some milliseconds.

    Args:
        groups: As they are now; they may change between the steps.
        is_there: Tells whether one still is.

    Returns:
        Pieces, each of some groups with commas between them; one of a large group is long.
    """
    pieces: list[bytes] = []
    some: list[bytes] = []
    size = 0
    for group in groups:
        if is_there(group):
            shown = yield from _group(group)
            some.append(msgspec.json.encode(shown))
            size += len(some[-1])
            if size >= _PIECE_BYTES:
                pieces.append(b",".join(some))
                some, size = [], 0
        yield
    if some:
        pieces.append(b",".join(some))
    return pieces


def _group(group: Group) -> Generator[None, None, dict[str, Any]]:
    shown: dict[str, Any] = {}
    changed_at = max(group.push_time, group.failure_time)
    parts: list[tuple[Payload, float]] = [((group.times(),), changed_at)]
    parts += [(segment.payload, segment.pushed_at) for segment in group.segments]
    rules = group.given.on(_RULES)
    for payload, pushed_at in parts:
        exposition = yield from read_in_steps(payload)
        applied = yield from apply_in_steps(exposition.families, rules)
        for count, family in enumerate(applied.families, 1):
            shown[family.name.decode()] = yield from _family(family, go_time(pushed_at))
            if count % _FAMILIES_A_STEP == 0:
                yield
    shown["labels"] = dict(group.labels)
    shown["last_push_successful"] = group.push_time > group.failure_time
    return shown


def _family(family: Family, pushed_at: str) -> Generator[None, None, dict[str, Any]]:
    shown: dict[str, Any] = {"time_stamp": pushed_at, "type": family.type.upper()}
    if family.help:
        shown["help"] = unescape(family.help).decode()
    shown["metrics"] = yield from _metrics(family)
    return shown


def _metrics(family: Family) -> Generator[None, None, msgspec.Raw]:
    """Return the metrics of a family as a JSON array."""
    part, plural = _PARTS.get(family.type, ("", ""))
    metrics: _Metrics = {}
    written: list[bytes] = []
    for window in windows(family.samples, _WINDOW):
        _add(metrics, window, part, plural)
        # One of many metrics takes more room as objects than as text. The last may go on.
        if not part and len(metrics) > _METRICS_A_STEP:
            written.append(_written(metrics, len(metrics) - 1))
        if len(family.samples) > _WINDOW:
            yield
    while metrics:
        written.append(_written(metrics, _METRICS_A_STEP))
        if metrics:
            yield
    return msgspec.Raw(b"[%b]" % b",".join(written))


def _written(metrics: _Metrics, count: int) -> bytes:
    """Take some metrics, the first ones, and return them as JSON without brackets."""
    some = [metrics.pop(key) for key in tuple(islice(metrics, count))]
    return msgspec.json.encode(some)[1:-1]


def _add(metrics: _Metrics, samples: bytes, part: str, plural: str) -> None:
    for line in samples.split(b"\n")[:-1]:
        name, labels, value = _sample(line)
        number = go_float(float(value))
        special = labels.pop(part, None) if part else None
        key = tuple(sorted(labels.items()))
        metric = metrics.setdefault(key, {"labels": dict(key)})
        if not part:
            metric["value"] = number
        elif special is not None:
            metric.setdefault(plural, {})[go_float(float(special))] = number
        elif name.endswith("sum"):
            metric["sum"] = number
        else:
            metric["count"] = number


def _sample(line: bytes) -> tuple[str, dict[str, str], bytes]:
    """Return the name, the labels and the value of a sample."""
    found = HEAD.match(line)
    assert found is not None
    name, braces = found.groups()
    labels: dict[str, str] = {}
    for item in ITEM.finditer(braces or b""):
        label, rest = item.groups()
        if rest is None:
            name = label
        else:
            labels[_plain(label)] = unescape(rest[2:-1]).decode()
    return _plain(name), labels, line[found.end() :].split()[0]


def _plain(name: bytes) -> str:
    return unescape(name[1:-1] if name.startswith(b'"') else name).decode()
