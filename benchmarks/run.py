"""Measure the proxy beside others, and print one table.

``make bench``, or ``python benchmarks/run.py [scenario …] [--quick]``. What is measured, how, and
how to read it: README.md.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator

import busy
import changed_pages
import connections
import gateway_pushes
import isolation
import large_scrapes
import latency
import logs
import memory
import one_change
import polls
import pushes
import reader_speed
import scrapes
import startup
import state
from report import Figure, show
from scale import SCALES, Scale
from servers import Bench, stopped_by_signals

SCENARIOS: dict[str, Callable[[Bench, Scale], Iterator[Figure]]] = {
    "pushes": pushes.run,
    "connections": connections.run,
    "gateway_pushes": gateway_pushes.run,
    "scrapes": scrapes.run,
    "polls": polls.run,
    "startup": startup.run,
    "large_scrapes": large_scrapes.run,
    "changed_pages": changed_pages.run,
    "one_change": one_change.run,
    "latency": latency.run,
    "busy": busy.run,
    "isolation": isolation.run,
    "memory": memory.run,
    "state": state.run,
    "reader_speed": reader_speed.run,
    "logs": logs.run,
}


def main() -> int:
    """Run the scenarios that were asked for; return 1 if one could not be run to its end."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "scenario", nargs="*", help=f"which to run: {', '.join(SCENARIOS)} (default: all)"
    )
    parser.add_argument(
        "--quick",
        action="store_const",
        dest="scale",
        const="quick",
        default="full",
        help="fewer rounds: rough figures in about a minute",
    )
    parser.add_argument(
        "--smoke",
        action="store_const",
        dest="scale",
        const="smoke",
        help="so little that the figures mean nothing: does it run at all?",
    )
    options = parser.parse_args()
    unknown = [name for name in options.scenario if name not in SCENARIOS]
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    figures: list[Figure] = []
    failures: list[str] = []
    try:
        with stopped_by_signals():
            for name in options.scenario or SCENARIOS:
                figures += _run(name, SCALES[options.scale], failures)
    except KeyboardInterrupt:
        failures.append("interrupted")
    show(figures, failures)
    return 1 if failures else 0


def _run(name: str, scale: Scale, failures: list[str]) -> list[Figure]:
    """Run one scenario; what goes wrong in it does not cost the others their figures."""
    figures: list[Figure] = []
    started = time.monotonic()
    try:
        with Bench() as bench:
            for figure in SCENARIOS[name](bench, scale):
                figures.append(figure)
                _say(f"{name}: {figure.scenario}: {figure.ours}")
    except Exception as exc:  # noqa: BLE001 - told at the end, with the figures that there are
        failures.append(f"{name} was not run to its end: {type(exc).__name__}: {exc}")
    _say(f"{name}: {time.monotonic() - started:.0f} s")
    return figures


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
