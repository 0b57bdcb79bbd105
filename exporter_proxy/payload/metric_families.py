"""Delimited protobuf messages ``io.prometheus.client.MetricFamily`` as text format 0.0.4.

The schema is that of Prometheus's client_model (metrics.proto). Text has neither exemplars nor
native histograms: of a histogram that has both kinds of buckets the classic ones are kept.
"""

import math
from collections import Counter
from collections.abc import Generator, Iterator
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.compression import body_too_large
from exporter_proxy.payload.metric_family_schema import message_class
from exporter_proxy.payload.protobuf_fields import PIECE_BYTES, TooLongError, merge_in_steps
from exporter_proxy.steps import joined

CONTENT_TYPE = "application/vnd.google.protobuf"
Dropped = Literal["native_histogram", "exemplar_in_text"]

LONGEST_TEXT = 1_048_576
"""Bytes of a name, a value or a HELP text, and of all labels of a metric: the longest line that is
read of text."""
MOST_LABELS = 5_000
"""Of a metric, as of text."""
MOST_FAMILIES = 50_000
"""Of a body, as of text."""
STEP_BYTES = 32_768
"""Bytes of messages and of lines between two points at which others may be served; one message or
line may be longer."""
STEP_LINES = 512
STEP_FAMILIES = 128
"""Lines and families between two such points."""
_VARINT_BYTES = 5
# What is remembered of a name.
_SHORT_NAME = 256

_TYPES = ("counter", "gauge", "summary", "untyped", "histogram", "histogram")


class Converted(NamedTuple):
    """What messages say, as text.

    Attributes:
        text: Exposition text.
        dropped: What it can't hold, and how often it was there.
    """

    text: bytes
    dropped: Counter[Dropped]


def convert_in_steps(body: bytes, limit: int) -> Generator[None, None, Converted]:
    """Convert delimited messages, and yield after a millisecond or two.

    A family that comes twice counts as it came last, as in Pushgateway.

    Args:
        body: The messages.
        limit: Bytes that the text may have, which may be many times as long: each bucket of a
            histogram has all its labels.

    Raises:
        PayloadError: ``malformed_protobuf``, ``invalid_metrics``: there is more in it than is read,
            or ``message_too_large``.
    """
    families: dict[str, list[bytes]] = {}
    dropped: Counter[Dropped] = Counter()
    size = done = 0
    for count, (start, end) in enumerate(_messages(body), 1):
        family = yield from _parse(body, start, end, count)
        name = _text(family.name)
        if not name:
            raise _bad(f"message {count} has no name")
        size -= sum(map(len, families.pop(name, ())))
        parts = families[name] = []
        if len(families) > MOST_FAMILIES:
            raise _too_much(f"more than {MOST_FAMILIES} metric families")
        done += end - start
        for number, part in enumerate(_lines(family, name, dropped)):
            if number or done >= STEP_BYTES:
                # What follows the first part took a step to make.
                done = 0
                yield
            parts.append(part)
            size += len(part)
            done += len(part)
            if size > limit:
                raise body_too_large(limit)
        if count % STEP_FAMILIES == 0:
            yield
    text = yield from joined(part for parts in families.values() for part in parts)
    while families:
        families.popitem()
        if len(families) % STEP_FAMILIES == 0:
            yield
    return Converted(text, dropped)


def _parse(body: bytes, start: int, end: int, count: int) -> Generator[None, None, Any]:
    """Return a message as the library has it."""
    family = message_class()()
    try:
        if end - start > PIECE_BYTES:
            yield from merge_in_steps(family, body, start, end, LONGEST_TEXT)
        else:
            family.MergeFromString(body[start:end])
    except TooLongError as error:
        raise _too_long() from error
    except Exception as error:
        # DecodeError of the library, or RecursionError.
        raise _bad(f"message {count} is no MetricFamily") from error
    return family


def _messages(body: bytes) -> Iterator[tuple[int, int]]:
    """Yield where messages begin and end, each of which has its length before it as a varint."""
    place = 0
    while place < len(body):
        length = shift = 0
        for _ in range(_VARINT_BYTES):
            if place >= len(body):
                raise _bad("cut off")
            byte = body[place]
            place += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        else:
            raise _bad("a length is too large")
        if place + length > len(body):
            raise _bad("cut off")
        yield place, place + length
        place += length


def _lines(family: Any, name: str, dropped: Counter[Dropped]) -> Iterator[bytes]:
    """Yield the lines of a family, at most :data:`STEP_LINES` or some :data:`STEP_BYTES` each."""
    if not 0 <= family.type < len(_TYPES):
        raise _bad(f"the type of a metric family is {family.type}")
    kind = _TYPES[family.type]
    shown = _name(name)
    lines = [f"# HELP {shown} {_help(family.help)}\n"] if family.help else []
    lines.append(f"# TYPE {shown} {kind}\n")
    size = sum(map(len, lines))
    for metric in family.metric:
        for line in _SAMPLES[kind](name, metric, dropped):
            lines.append(line)
            size += len(line)
            if size >= STEP_BYTES or len(lines) >= STEP_LINES:
                yield "".join(lines).encode()
                lines, size = [], 0
    yield "".join(lines).encode()


def _simple(kind: str) -> Any:
    def samples(name: str, metric: Any, dropped: Counter[Dropped]) -> Iterator[str]:
        value = getattr(metric, kind)
        if kind == "counter" and value.HasField("exemplar"):
            dropped["exemplar_in_text"] += 1
        yield _sample(name, _labels(metric), value.value, metric)

    return samples


def _summary(name: str, metric: Any, _dropped: Counter[Dropped]) -> Iterator[str]:
    labels, summary = _labels(metric), metric.summary
    for each in summary.quantile:
        quantile = _with(labels, _pair("quantile", _number(each.quantile)))
        yield _sample(name, quantile, each.value, metric)
    yield _sample(name + "_sum", labels, summary.sample_sum, metric)
    yield _sample(name + "_count", labels, summary.sample_count, metric)


def _histogram(name: str, metric: Any, dropped: Counter[Dropped]) -> Iterator[str]:
    labels, histogram = _labels(metric), metric.histogram
    count = histogram.sample_count_float or histogram.sample_count
    infinite = False
    for bucket in histogram.bucket:
        infinite = infinite or bucket.upper_bound == math.inf
        if bucket.HasField("exemplar"):
            dropped["exemplar_in_text"] += 1
        le = _with(labels, _pair("le", _number(bucket.upper_bound)))
        value = bucket.cumulative_count_float or bucket.cumulative_count
        yield _sample(name + "_bucket", le, value, metric)
    if not infinite:
        yield _sample(name + "_bucket", _with(labels, _pair("le", "+Inf")), count, metric)
    yield _sample(name + "_sum", labels, histogram.sample_sum, metric)
    yield _sample(name + "_count", labels, count, metric)
    if histogram.positive_span or histogram.negative_span or histogram.zero_threshold:
        dropped["native_histogram"] += 1
    dropped["exemplar_in_text"] += len(histogram.exemplars)


_SAMPLES = {
    "counter": _simple("counter"),
    "gauge": _simple("gauge"),
    "histogram": _histogram,
    "summary": _summary,
    "untyped": _simple("untyped"),
}


def _labels(metric: Any) -> str:
    """Return a metric's labels as they stand in braces."""
    labels = metric.label
    if len(labels) > MOST_LABELS:
        raise _too_much(f"a metric of more than {MOST_LABELS} labels")
    pairs: list[str] = []
    size = 0
    for each in labels:
        pairs.append(_pair(each.name, each.value))
        size += len(pairs[-1])
        if size > LONGEST_TEXT:
            raise _too_long()
    return ",".join(pairs)


def _with(labels: str, pair: str) -> str:
    return f"{labels},{pair}" if labels else pair


def _pair(name: str, value: str) -> str:
    shown = _escaped(value)
    # A colon is part of a metric's name, but not of a label's.
    label = f'"{name}"' if ":" in _text(name) and _name(name) == name else _name(_text(name))
    return f'{label}="{shown}"'


def _sample(name: str, labels: str, value: float, metric: Any) -> str:
    shown = _name(name)
    if shown != name:
        head = f"{{{_with(shown, labels) if labels else shown}}}"
    else:
        head = f"{name}{{{labels}}}" if labels else name
    stamp = f" {metric.timestamp_ms}" if metric.HasField("timestamp_ms") else ""
    return f"{head} {_number(value)}{stamp}\n"


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else repr(value)


def _name(name: str) -> str:
    """Return a name as text has it: in quotes, if it has other than letters, digits, ``_:``."""
    return _short_name(name) if len(name) <= _SHORT_NAME else _quoted(name)


def _quoted(name: str) -> str:
    plain = name.replace(":", "_")
    if plain.isascii() and plain.isidentifier():
        return name
    return f'"{_escaped(name)}"'


_short_name = lru_cache(maxsize=4096)(_quoted)


def _escaped(text: str) -> str:
    """Return a text as it stands between double quotes."""
    return _help(text).replace('"', '\\"')


def _help(text: str) -> str:
    if len(_text(text)) + text.count("\\") > LONGEST_TEXT:
        raise _too_long()
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _text(text: str | bytes) -> str:
    """Return a text of a message, which the library gives as bytes where it is not UTF-8."""
    if isinstance(text, bytes):
        raise _bad("a name or value is not UTF-8")
    return text


def _too_long() -> PayloadError:
    return _too_much(f"a line of more than {LONGEST_TEXT} bytes")


def _too_much(what: str) -> PayloadError:
    return PayloadError(f"delimited protobuf: {what}", reason="invalid_metrics")


def _bad(why: str) -> PayloadError:
    return PayloadError(f"not delimited protobuf: {why}", reason="malformed_protobuf")
