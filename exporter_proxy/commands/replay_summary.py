"""How a replay went, for a person."""

import sys

from exporter_proxy.commands.replay_load import Load, Results
from exporter_proxy.logs import one_line

_PERCENTILES = (50, 90, 99)
# Below this part of the rate that was asked for, the figures are about the load generator or a
# destination that can't keep up, and that has to be said.
_KEPT_UP = 0.95


def write(results: Results, load: Load) -> None:
    """Write the summary to standard output."""
    for line in lines(results, load):
        sys.stdout.write(one_line(line) + "\n")
    sys.stdout.flush()


def lines(results: Results, load: Load) -> list[str]:
    """Return the lines of the summary."""
    seconds = max(results.seconds, 1e-9)
    size = results.bytes / 1e6
    said = [
        (
            f"{results.taken} pushes taken by {load.route.to.shown} in {results.seconds:.1f} s: "
            f"{results.taken / seconds:.1f} a second, {size / seconds:.2f} MB/s"
        ),
    ]
    if results.failed:
        said.append(f"{results.failed.total()} failed")
        said += [
            f"    {count} times {reason}: {results.examples[reason]}"
            for reason, count in results.failed.most_common()
        ]
    if results.times:
        times = sorted(results.times)
        some = ", ".join(f"p{part} {_ms(_percentile(times, part))}" for part in _PERCENTILES)
        said.append(f"a push took {some}, at most {_ms(times[-1])}")
    if results.interrupted:
        said.append("ended before its time")
    elif (results.taken + results.failed.total()) / seconds < _KEPT_UP * load.rate:
        said.append(
            f"slower than the {load.rate:g} a second that were asked for: times count from the "
            "moment when a push was due; --connections may help"
        )
    return said


def _percentile(times: list[float], part: int) -> float:
    return times[min(len(times) - 1, len(times) * part // 100)]


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"
