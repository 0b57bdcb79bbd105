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

CONTENT_TYPE = "application/vnd.google.protobuf"
Dropped = Literal["native_histogram", "exemplar_in_text"]

_FAMILIES_A_STEP = 64
_SAMPLES_A_STEP = 512
_VARINT_BYTES = 5

_TYPES = ("counter", "gauge", "summary", "untyped", "histogram", "histogram")
# {message: fields as (name, number, type, repeated)}; a type in capitals is a message's.
_SCHEMA: dict[str, tuple[tuple[str, int, str, bool], ...]] = {
    "LabelPair": (("name", 1, "string", False), ("value", 2, "string", False)),
    "Gauge": (("value", 1, "double", False),),
    "Exemplar": (("value", 2, "double", False),),
    "Counter": (("value", 1, "double", False), ("exemplar", 2, "Exemplar", False)),
    "Quantile": (("quantile", 1, "double", False), ("value", 2, "double", False)),
    "Summary": (
        ("sample_count", 1, "uint64", False),
        ("sample_sum", 2, "double", False),
        ("quantile", 3, "Quantile", True),
    ),
    "Untyped": (("value", 1, "double", False),),
    "Bucket": (
        ("cumulative_count", 1, "uint64", False),
        ("cumulative_count_float", 4, "double", False),
        ("upper_bound", 2, "double", False),
        ("exemplar", 3, "Exemplar", False),
    ),
    "BucketSpan": (("offset", 1, "sint32", False), ("length", 2, "uint32", False)),
    "Histogram": (
        ("sample_count", 1, "uint64", False),
        ("sample_count_float", 4, "double", False),
        ("sample_sum", 2, "double", False),
        ("bucket", 3, "Bucket", True),
        ("schema", 5, "sint32", False),
        ("zero_threshold", 6, "double", False),
        ("negative_span", 9, "BucketSpan", True),
        ("positive_span", 12, "BucketSpan", True),
        ("exemplars", 16, "Exemplar", True),
    ),
    "Metric": (
        ("label", 1, "LabelPair", True),
        ("gauge", 2, "Gauge", False),
        ("counter", 3, "Counter", False),
        ("summary", 4, "Summary", False),
        ("untyped", 5, "Untyped", False),
        ("histogram", 7, "Histogram", False),
        ("timestamp_ms", 6, "int64", False),
    ),
    "MetricFamily": (
        ("name", 1, "string", False),
        ("help", 2, "string", False),
        ("type", 3, "int32", False),
        ("metric", 4, "Metric", True),
    ),
}
_PACKAGE = "io.prometheus.client"


class Converted(NamedTuple):
    """What messages say, as text.

    Attributes:
        text: Exposition text.
        dropped: What it can't hold, and how often it was there.
    """

    text: bytes
    dropped: Counter[Dropped]


def convert_in_steps(body: bytes) -> Generator[None, None, Converted]:
    """Convert delimited messages, and yield after some milliseconds.

    A family that comes twice counts as it came last, as in Pushgateway.

    Raises:
        PayloadError: ``malformed_protobuf``.
    """
    read = _message_class()
    families: dict[str, list[str]] = {}
    dropped: Counter[Dropped] = Counter()
    for count, message in enumerate(_messages(body), 1):
        try:
            family = read.FromString(message)
        except Exception as error:
            # DecodeError of the library, or RecursionError.
            raise _bad(f"message {count} is no MetricFamily") from error
        if not family.name:
            raise _bad(f"message {count} has no name")
        families.pop(family.name, None)
        families[family.name] = yield from _lines(family, dropped)
        if count % _FAMILIES_A_STEP == 0:
            yield
    text = "".join(["".join(lines) for lines in families.values()])
    return Converted(text.encode(), dropped)


def _messages(body: bytes) -> Iterator[bytes]:
    """Yield messages, each of which has its length before it as a varint."""
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
        yield body[place : place + length]
        place += length


def _lines(family: Any, dropped: Counter[Dropped]) -> Generator[None, None, list[str]]:
    """Return the lines of a family."""
    if not 0 <= family.type < len(_TYPES):
        raise _bad(f"the type of a metric family is {family.type}")
    kind = _TYPES[family.type]
    name = _name(family.name)
    lines = [f"# HELP {name} {_help(family.help)}\n"] if family.help else []
    lines.append(f"# TYPE {name} {kind}\n")
    for count, metric in enumerate(family.metric, 1):
        lines += _SAMPLES[kind](family.name, metric, dropped)
        if count % _SAMPLES_A_STEP == 0:
            yield
    return lines


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
        yield _sample(
            name, [*labels, _pair("quantile", _number(each.quantile))], each.value, metric
        )
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
        le = _pair("le", _number(bucket.upper_bound))
        value = bucket.cumulative_count_float or bucket.cumulative_count
        yield _sample(name + "_bucket", [*labels, le], value, metric)
    if not infinite:
        yield _sample(name + "_bucket", [*labels, _pair("le", "+Inf")], count, metric)
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


def _labels(metric: Any) -> list[str]:
    return [_pair(each.name, each.value) for each in metric.label]


def _pair(name: str, value: str) -> str:
    shown = value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    # A colon is part of a metric's name, but not of a label's.
    label = f'"{name}"' if ":" in name and _name(name) == name else _name(name)
    return f'{label}="{shown}"'


def _sample(name: str, labels: list[str], value: float, metric: Any) -> str:
    shown = _name(name)
    if shown != name:
        head = f"{{{','.join([shown, *labels])}}}"
    else:
        head = f"{name}{{{','.join(labels)}}}" if labels else name
    stamp = f" {metric.timestamp_ms}" if metric.HasField("timestamp_ms") else ""
    return f"{head} {_number(value)}{stamp}\n"


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else repr(value)


@lru_cache(maxsize=4096)
def _name(name: str) -> str:
    """Return a name as text has it: in quotes, if it has other than letters, digits, ``_:``."""
    plain = name.replace(":", "_")
    if plain.isascii() and plain.isidentifier():
        return name
    shown = name.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    return f'"{shown}"'


def _help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _bad(why: str) -> PayloadError:
    return PayloadError(f"not delimited protobuf: {why}", reason="malformed_protobuf")


@lru_cache(maxsize=1)
def _message_class() -> Any:
    """Return the class of MetricFamily messages; the library is loaded when the first comes."""
    from google.protobuf import (  # noqa: PLC0415
        descriptor_pb2,
        descriptor_pool,
        message_factory,
    )

    file = descriptor_pb2.FileDescriptorProto(
        name="io/prometheus/client/metrics.proto", package=_PACKAGE, syntax="proto2"
    )
    field_type = descriptor_pb2.FieldDescriptorProto
    for message, fields in _SCHEMA.items():
        added = file.message_type.add(name=message)
        for name, number, kind, repeated in fields:
            field = added.field.add(name=name, number=number)
            field.label = field_type.LABEL_REPEATED if repeated else field_type.LABEL_OPTIONAL
            if kind[0].isupper():
                field.type = field_type.TYPE_MESSAGE
                field.type_name = f".{_PACKAGE}.{kind}"
            else:
                field.type = getattr(field_type, f"TYPE_{kind.upper()}")
    # A pool of our own: the application's one may have the schema already.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.MetricFamily"))
