"""``make soak``: ``python -m tests.soak [--seconds N] [--apps N] …``."""

import argparse
import asyncio
import dataclasses
import json
import sys
from pathlib import Path

import uvloop
from rich.console import Console
from rich.live import Live

from tests.soak.plan import Plan
from tests.soak.report import figures, live, summary
from tests.soak.run import Soak, soak


def main() -> int:
    """Run a soak and print what came of it; 1 if anything was wrong."""
    default = Plan()
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--seconds", type=float, default=default.seconds)
    parser.add_argument("--apps", type=int, default=default.apps)
    parser.add_argument("--targets", type=int, default=default.targets)
    parser.add_argument("--rate", type=float, default=default.rate, help="pushes a second")
    parser.add_argument("--peers", type=int, default=default.peers, help="that misbehave at a time")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--json", type=Path, help="write the figures to a file, too")
    arguments = parser.parse_args()
    values = {key: value for key, value in vars(arguments).items() if key != "json"}
    plan = dataclasses.replace(default, **values)
    console = Console()
    with Live(console=console, refresh_per_second=2, transient=True) as shown:

        def tell(one: Soak) -> None:
            shown.update(live(one))

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            done = runner.run(soak(plan, tell if console.is_terminal else lambda _: None))
    for part in summary(done):
        console.print(part)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures(done), indent=2) + "\n", encoding="utf-8")
    return 1 if done.ledger.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
