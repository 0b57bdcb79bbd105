"""One app's metrics as a message on a wire."""

import math
from typing import Literal

from msgspec import json

Wire = Literal["json", "capnp"]
_TTL_NEVER = 0xFFFF_FFFF


def message(wire: Wire, app: str, metrics: str, ttl: float | None) -> bytes:
    """Return the message that replaces all that ``app`` has.

    Args:
        wire: What the receiver understands.
        app: A name that passed ``check_name``.
        metrics: Exposition text.
        ttl: Time to live in seconds, infinite for ever; None: the receiver's.
    """
    return _json(app, metrics, ttl) if wire == "json" else _capnp(app, metrics, ttl)


def ttl_text(ttl: float) -> str:
    """Return a time to live as wires and headers have it."""
    return "never" if math.isinf(ttl) else f"{ttl:.15g}s"


def _json(app: str, metrics: str, ttl: float | None) -> bytes:
    value = metrics if ttl is None else {"metrics": metrics, "ttl": _json_ttl(ttl)}
    return json.encode({app: value}) + b"\n"


def _json_ttl(ttl: float) -> str | float:
    return "never" if math.isinf(ttl) else ttl


def _capnp(app: str, metrics: str, ttl: float | None) -> bytes:
    # Its library takes a while to load.
    from exporter_proxy.payload.capnp_schema import SCHEMA  # noqa: PLC0415

    seconds = 0 if ttl is None else _TTL_NEVER if math.isinf(ttl) else max(1, math.ceil(ttl))
    built = SCHEMA.InboundMetrics.new_message(appName=app, data=metrics, ttlSeconds=seconds)
    data: bytes = built.to_bytes()
    return data
