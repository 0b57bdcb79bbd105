"""Exposition text of a given number of samples, and the messages that carry it."""

import functools
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SAMPLES_A_FAMILY = 10
# What an app of a large table has.
FAMILIES = 50
SAMPLES_A_LARGE_FAMILY = 20
SAMPLES_AN_APP = FAMILIES * SAMPLES_A_LARGE_FAMILY

SAMPLE_BYTES = 94
"""Of :func:`large_families`, about."""

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


def large_app(app: str, *, variant: int = 0, own: bool = False) -> str:
    """Return 1,000 samples in 50 families, which all apps share or each has for itself.

    Args:
        app: Its name, which is in a label too.
        variant: Another one has other values.
        own: Whether the names of the families are those of this app alone.
    """
    return _large_template(variant, own=own).replace("@", app)


def large_messages(apps: int, *, variant: int = 0, own: bool = False) -> list[bytes]:
    """Return one JSON line an app, each with what :func:`large_app` gives."""
    names = (f"app_{number}" for number in range(apps))
    return [message(name, large_app(name, variant=variant, own=own)) for name in names]


def message(app: str, text: str) -> bytes:
    """Return one JSON line."""
    return json.dumps({app: text}).encode() + b"\n"


def mixed_app(variant: int = 0) -> str:
    """Return 1,000 samples: 30 counters and gauges of 10 samples, 50 histograms of 14."""
    lines = []
    for number in range(30):
        kind = ("counter", "gauge")[number % 2]
        name = f"bench_mixed_{number:02d}_{'total' if kind == 'counter' else 'bytes'}"
        lines += [f"# HELP {name} Some {kind}.", f"# TYPE {name} {kind}"]
        lines += [
            f'{name}{{state="{_STATES[place % 5]}",zone="{place}"}} {place * 17 + variant}.5'
            for place in range(10)
        ]
    bounds = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0"]
    for number in range(50):
        name = f"bench_mixed_{number:02d}_seconds"
        lines += [f"# HELP {name} How long it took.", f"# TYPE {name} histogram"]
        lines += [
            f'{name}_bucket{{method="GET",le="{bound}"}} {place * 3 + variant}'
            for place, bound in enumerate([*bounds, "+Inf"])
        ]
        lines.append(f'{name}_sum{{method="GET"}} {number * 1.25 + variant}')
        lines.append(f'{name}_count{{method="GET"}} {33 + variant}')
    return "\n".join(lines) + "\n"


@functools.cache
def _large_template(variant: int, *, own: bool) -> str:
    """Return the text of an app whose name is ``@``."""
    lines = []
    for family in range(FAMILIES):
        name = f"bench_{'@_' if own else ''}work_{family:04d}_seconds_total"
        lines.append(f"# HELP {name} Time spent on work of kind {family}.")
        lines.append(f"# TYPE {name} counter")
        for place in range(SAMPLES_A_LARGE_FAMILY):
            value = (family * SAMPLES_A_LARGE_FAMILY + place) * 1.0625 + variant
            lines.append(
                f'{name}{{app="@",worker="{place:02d}",state="{_STATES[place % 5]}",'
                f'zone="eu-west-1"}} {value:.4f}'
            )
    return "\n".join(lines) + "\n"


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


def large_families(size: int, variant: int = 0) -> Iterator[bytes]:
    """Yield families of 1,000 samples until they have about ``size`` bytes: 94 a sample.

    Another variant has other values.
    """
    lines = [
        f'{{app="@",worker="{place:04d}",state="{_STATES[place % 5]}",zone="eu-west-1"}} '
        f"{place * 1.0625 + variant:.4f}\n"
        for place in range(1000)
    ]
    left = size
    for number in itertools.count():
        name = f"bench_large_work_{number:06d}_seconds_total"
        head = f"# HELP {name} Time spent on work of kind {number}.\n# TYPE {name} counter\n"
        family = (head + "".join([name + line for line in lines])).encode()
        left -= len(family)
        if left < 0:
            return
        yield family
