"""What a soak came to, for people and for programs."""

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from tests.soak.gauges import MIB
from tests.soak.run import Soak

_LOSSES = ("lost", "went back", "torn", "invented")


def figures(soak: Soak) -> dict[str, Any]:
    """Return all figures; times in seconds, sizes in bytes."""
    scraper, gauges, ledger = soak.scraper, soak.gauges, soak.ledger
    early, late = gauges.memory_levels()
    first, last = gauges.last_life()[0], gauges.readings[-1]
    return {
        "seconds": soak.ended,
        "apps": soak.plan.apps,
        "targets": soak.plan.targets,
        "seed": soak.plan.seed,
        "updates": dict(ledger.updates),
        "retries": soak.wires.retries,
        "polls": {"good": soak.targets.good, "failed": soak.targets.faults.total()},
        "scrapes": len(scraper.seconds) + scraper.disturbed,
        "scrapes_while_paused_or_gone": scraper.disturbed,
        "scrape_seconds": {
            "median": scraper.quantile(0.5),
            "p99": scraper.quantile(0.99),
            "worst": scraper.quantile(1),
        },
        "page_bytes": scraper.bytes,
        "disturbances": dict(soak.subject.disturbances),
        "peer_faults": dict(soak.peers.faults),
        "target_faults": dict(soak.targets.faults),
        "lost": sum(ledger.wrong[kind] for kind in _LOSSES),
        "unsaved_at_kills": ledger.unsaved,
        "wrong": dict(ledger.wrong),
        "complaints": ledger.complaints,
        "memory": {
            "after_the_last_start": first.memory,
            "second_quarter": early,
            "last_quarter": late,
            "end": last.memory,
            "most": max(each.memory for each in gauges.readings),
        },
        "descriptors": {
            "at_rest_before": soak.at_rest[0],
            "at_rest_after": soak.at_rest[1],
            "most": max(each.descriptors for each in gauges.readings),
        },
        "memory_each_10_s": [each.memory for each in gauges.readings[::10]],
        "cpu_share": (last.cpu - first.cpu) / max(1.0, last.when - first.when),
        "tester_stalled": gauges.stalled,
        "log_lines": soak.log_levels,
    }


def live(soak: Soak) -> RenderableType:
    """Return how it goes, in one line."""
    ledger, scraper = soak.ledger, soak.scraper
    reading = soak.gauges.readings[-1] if soak.gauges.readings else None
    memory = f"{reading.memory / MIB:.0f} MiB, {reading.descriptors} fds" if reading else ""
    verdict = f"[red]{ledger.wrong.total()} wrong[/]" if ledger.wrong else "[green]nothing lost[/]"
    return Text.from_markup(
        f"{soak.elapsed:5.0f}/{soak.plan.seconds:.0f} s  {ledger.updates.total():,} updates  "
        f"{len(scraper.seconds)} scrapes, median {scraper.quantile(0.5) * 1000:.0f} ms  "
        f"{soak.peers.faults.total() + soak.targets.faults.total():,} faults  {memory}  {verdict}"
    )


def summary(soak: Soak) -> Iterator[RenderableType]:
    """Yield what came of it, part by part."""
    found = figures(soak)
    yield _overview(soak, found)
    yield _counts("misbehaving peers", found["peer_faults"])
    yield _counts("failing targets", found["target_faults"])
    for text in found["complaints"]:
        yield Text(text, style="red")
    if found["wrong"]:
        yield Text(f"wrong: {found['wrong']}", style="bold red")
    else:
        yield Text("nothing was lost, nothing was wrong", style="bold green")


def _overview(soak: Soak, found: dict[str, Any]) -> Table:
    table = Table(title=f"soak of {found['seconds']:.0f} s", show_header=False)
    table.add_column(style="bold")
    table.add_column()
    updates = found["updates"]
    wires = ", ".join(f"{count:,} {wire}" for wire, count in sorted(updates.items()))
    table.add_row("apps", f"{found['apps']:,} push, {found['targets']} are polled")
    table.add_row("updates", f"{sum(updates.values()):,}: {wires}")
    polls = found["polls"]
    table.add_row("polls", f"{polls['good']:,} answered well, {polls['failed']:,} not")
    times = found["scrape_seconds"]
    table.add_row(
        "scrapes",
        f"{found['scrapes']:,} of {found['page_bytes']:,} bytes, "
        f"{found['scrapes_while_paused_or_gone']} of them while it was paused or gone",
    )
    table.add_row(
        "a scrape took",
        ", ".join(f"{name} {value * 1000:.0f} ms" for name, value in times.items())
        + f" (this tester stood still for up to {found['tester_stalled'] * 1000:.0f} ms)",
    )
    faults = sum(found["peer_faults"].values()) + sum(found["target_faults"].values())
    acts = ", ".join(f"{count} times {name}" for name, count in found["disturbances"].items())
    table.add_row("faults", f"{faults:,}; {acts}")
    table.add_row(
        "lost", f"{found['lost'] or 'none'}; {found['unsaved_at_kills']} younger than 1 s at a kill"
    )
    memory = {name: f"{value / MIB:.1f}" for name, value in found["memory"].items()}
    table.add_row(
        "memory (MiB)",
        f"{memory['after_the_last_start']} after the last start, {memory['second_quarter']} in the "
        f"second quarter from then, {memory['last_quarter']} in the last, {memory['end']} at the "
        f"end; at most {memory['most']}",
    )
    descriptors = found["descriptors"]
    table.add_row(
        "descriptors",
        f"{descriptors['at_rest_before']} before, {descriptors['at_rest_after']} after, at most "
        f"{descriptors['most']}",
    )
    table.add_row("CPU", f"{found['cpu_share']:.0%} of a core")
    levels = ", ".join(f"{count} {name}" for name, count in found["log_lines"].items())
    table.add_row("log lines", levels)
    return table


def _counts(title: str, counts: dict[str, int]) -> Table:
    table = Table(title=title, show_header=False)
    for _ in range(2):
        table.add_column()
        table.add_column(justify="right")
    rows = sorted(counts.items(), key=lambda each: -each[1])
    for at in range(0, len(rows), 2):
        cells = [cell for name, count in rows[at : at + 2] for cell in (name, f"{count:,}")]
        table.add_row(*cells)
    return table
