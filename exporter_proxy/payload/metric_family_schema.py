"""The schema of ``io.prometheus.client.MetricFamily``: that of Prometheus's client_model.

What text can't hold is left out, as far as nothing has to be said of it.
"""

from functools import lru_cache
from typing import Any

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


@lru_cache(maxsize=1)
def message_class() -> Any:
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
