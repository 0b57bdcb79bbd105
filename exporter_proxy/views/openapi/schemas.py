"""What is in documents that the scrape port answers with, as JSON Schema (OpenAPI 3.1)."""

from typing import Any

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """Return a reference to one of ``SCHEMAS``."""
    return {"$ref": f"#/components/schemas/{name}"}


def _kind(name: str, about: str = "", **more: Any) -> Schema:
    return {"type": name, **({"description": about} if about else {}), **more}


def _or_null(name: str, about: str = "", **more: Any) -> Schema:
    return _kind(name, about, **more) | {"type": [name, "null"]}


def _list(items: Schema, about: str = "", *, nullable: bool = False) -> Schema:
    make = _or_null if nullable else _kind
    return make("array", about, items=items)


def _record(**fields: Schema) -> Schema:
    """Return what has all of these fields and no other."""
    return _kind("object", properties=fields, required=[*fields], additionalProperties=False)


STRING, _INTEGER, _BOOLEAN = _kind("string"), _kind("integer", minimum=0), _kind("boolean")
_TIME = _kind("string", "UTC, with nanoseconds", examples=["2022-05-22 23:51:47.971181300 UTC"])
_TIME_OR_NULL = _TIME | {"type": ["string", "null"]}
_INSTANT = _kind("string", "RFC 3339", format="date-time")
_INSTANT_OR_NULL = _INSTANT | {"type": ["string", "null"]}
_LINE = _or_null("integer", "Of the payload; null: not known", minimum=1)
_WHAT = _or_null("string", "What it is about first: a series or a family")
_APP = {
    "app": _kind("string", "Its name"),
    "last_update": _TIME_OR_NULL,
    "last_update_ns": _or_null("integer", "In nanoseconds since the epoch"),
    "source": _kind("string", "The address or socket that took it, or external_poll: host:port"),
    "samples": _INTEGER,
    "bytes": _INTEGER,
    "updates": _kind("integer", "How often it was updated since it was first seen", minimum=0),
    "state": _kind("string", "ok, or what is wrong"),
}
_FAMILY = _record(name=STRING, type=STRING, samples=_INTEGER)
_CONFLICT = _record(
    family=STRING,
    reason=STRING,
    app=_kind("string", "The other app"),
    other=STRING,
    wins=_BOOLEAN,
    held_back=_or_null("string", enum=["this", "other", None]),
    times=_INTEGER,
    effect=STRING,
    remedy=STRING,
)
_PROBLEM = _record(message=STRING, since=_TIME) | {"type": ["object", "null"]}
_FAILURE = _record(message=STRING, time=_INSTANT) | {"type": ["object", "null"]}
_REASONS = _kind("object", "How often, by reason", additionalProperties=_INTEGER)
_TARGET = _record(
    name=STRING,
    app=STRING,
    up=_or_null("boolean"),
    last_success=_INSTANT_OR_NULL,
    last_error=_FAILURE,
    polls=_INTEGER,
    failures=_REASONS,
    duration_seconds=_kind("number"),
)

SCHEMAS: dict[str, Schema] = {
    "Error": _kind("string", "One line", pattern="^error: "),
    "Apps": _record(current_time=_TIME, apps=_list(_record(**_APP))),
    "App": _record(
        current_time=_TIME,
        **_APP | {"source": _or_null("string", "Who writes it")},
        up=_kind("boolean", "Whether its metrics are fresh"),
        problem=_PROBLEM,
        expire_after_seconds=_or_null("number", "Its time to live; null: for ever", minimum=0),
        on_expire=_or_null("string", enum=["drop", "mark", None]),
        expires_in_seconds=_or_null("number", minimum=0),
        expired_since=_TIME_OR_NULL,
        dropped=_TIME_OR_NULL,
        poll=_TARGET | {"type": ["object", "null"], "description": "null: it is not polled"},
        findings=_list(
            _record(reason=STRING, times=_INTEGER, line=_LINE, what=_WHAT),
            "Repairs and warnings; null: payloads are not read",
            nullable=True,
        ),
        quarantined=_list(
            _record(family=STRING, line=_LINE, reason=STRING, message=STRING),
            "What is held back from scrapers; null: payloads are not read",
            nullable=True,
        ),
        conflicts=_list(
            _CONFLICT, "What stands between it and others; null: not read", nullable=True
        ),
        families=_list(_FAMILY, "What it has on the page; null: not read", nullable=True),
    ),
    "Targets": _list(
        _record(
            targets=_list(_kind("string", "host:port")),
            labels=_kind("object", additionalProperties=STRING),
        ),
        "A document for Prometheus's http_sd_configs",
    ),
    "Modules": _record(
        modules=_list(
            _record(
                module=STRING,
                kind=_kind("string", enum=["http", "exec", "file", "directory"]),
                path=_kind("string", "Where it is asked"),
                app=_or_null("string", "That its polls bring; null: it is not polled"),
                interval_seconds=_kind("number", minimum=0),
                params=_list(STRING, "Those that it takes; null: any", nullable=True),
                up=_or_null("boolean", "Whether it last worked; null: it was never asked"),
                last_error=_or_null("string"),
                requests=_INTEGER,
                runs=_INTEGER,
                failures=_REASONS,
                files=_kind(
                    "object",
                    "When each was last changed, in seconds since the epoch",
                    additionalProperties=_kind("number"),
                ),
            )
        )
    ),
    "LintReport": _record(
        format=_kind("string", enum=["text", "openmetrics"]),
        samples=_INTEGER,
        held_back=_BOOLEAN,
        refused=_or_null("string"),
        app=_or_null("string"),
        apps=_or_null("integer"),
        families=_list(_FAMILY),
        findings=_list(
            _record(
                reason=STRING,
                kind=_kind("string", enum=["repair", "warning", "note"]),
                times=_INTEGER,
                line=_LINE,
                meaning=STRING,
                what=_WHAT,
            )
        ),
        quarantined=_list(
            _record(
                family=STRING,
                line=_LINE,
                reason=STRING,
                message=STRING,
                text=STRING,
                lines=_INTEGER,
                meaning=STRING,
            )
        ),
        conflicts=_list(_CONFLICT),
    ),
    "ApiSuccess": _record(status=_kind("string", const="success"), data={}),
    "ApiError": _record(
        status=_kind("string", const="error"), errorType=STRING, error=_kind("string", "One line")
    ),
    "Documents": _kind(
        "object",
        "An app's metrics, by its name",
        minProperties=1,
        propertyNames={"pattern": r"^[!-~]{1,256}$"},
        additionalProperties={"type": ["string", "array"], "items": STRING},
    ),
    "Groups": _record(
        groups=_list(
            _kind(
                "object",
                properties={
                    "labels": _kind(
                        "object",
                        "The key",
                        required=["job"],
                        additionalProperties=STRING,
                        properties={"job": _kind("string", minLength=1)},
                    ),
                    "metrics": {"type": ["string", "array"], "items": STRING},
                    "replace": _BOOLEAN,
                    "ttl": {"type": ["string", "number", "null"]},
                },
                required=["labels"],
                additionalProperties=False,
            )
        )
        | {"minItems": 1}
    ),
    "Health": _record(
        status=_kind("string", enum=["healthy", "degraded", "unhealthy"]),
        complaints=_list(STRING),
        version=STRING,
        current_time=_INSTANT,
        uptime_seconds=_kind("number"),
        ready=_BOOLEAN,
        totals=_kind("object", additionalProperties=_or_null("integer")),
        configuration=_record(
            path=_or_null("string"),
            read=_INSTANT,
            last_reload_successful=_BOOLEAN,
            last_reload=_INSTANT,
            problems=_list(STRING),
        ),
        sources=_list(
            _kind(
                "object",
                properties={
                    "kind": STRING,
                    "name": STRING,
                    "up": _BOOLEAN,
                    "last_success": _INSTANT_OR_NULL,
                    "last_error": _FAILURE,
                    "updates": _INTEGER,
                    "rejected_messages": _REASONS,
                    "open_connections": _INTEGER,
                    "connections": _INTEGER,
                },
                required=["kind", "name", "up", "last_success", "last_error", "updates"],
                additionalProperties=False,
            )
        ),
        targets=_list(_TARGET),
    ),
}
