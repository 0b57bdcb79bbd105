"""Exposition text of a given number of samples, and the messages that carry it."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SAMPLES_A_FAMILY = 10

_STATES = ("idle", "active", "waiting", "blocked", "failed")


def exposition(samples: int, app: str = "app") -> str:
    """Return text of about 94 bytes a sample: families of ten samples with two or three labels."""
    lines = []
    for number in range(samples):
        family, place = divmod(number, SAMPLES_A_FAMILY)
        name = f"bench_work_{family:04d}_seconds_total"
        if place == 0:
            lines.append(f"# HELP {name} Time spent on work of kind {family}.")
            lines.append(f"# TYPE {name} counter")
        state = _STATES[place % len(_STATES)]
        lines.append(
            f'{name}{{app="{app}",worker="{place:02d}",state="{state}",zone="eu-west-1"}}'
            f" {number * 1.0625:.4f}"
        )
    return "\n".join(lines) + "\n"


def json_messages(samples: int, apps: int) -> list[bytes]:
    """Return one JSON line an app."""
    return [
        json.dumps({f"app_{number}": exposition(samples, f"app_{number}")}).encode() + b"\n"
        for number in range(apps)
    ]


def capnp_messages(samples: int, apps: int) -> list[bytes]:
    """Return one Cap'n Proto message an app, in the standard stream framing."""
    schema = capnp_schema()
    messages = []
    for number in range(apps):
        message = schema.InboundMetrics.new_message()
        message.appName = f"app_{number}"
        message.data = exposition(samples, f"app_{number}")
        messages.append(message.to_bytes())
    return messages


def capnp_schema() -> Any:
    """Return the wire schema; pycapnp has no types for it."""
    import capnp  # noqa: PLC0415 - most of the benchmarks do without

    capnp.remove_import_hook()
    return capnp.load(str(ROOT / "schemas" / "metric_data.capnp"))
