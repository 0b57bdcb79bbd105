"""``make fuzz``: every target for some time, each in a process of its own.

``python -m tests.fuzz [--seconds N] [TARGET …]``
"""

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from tests.fuzz.engines import has_atheris
from tests.fuzz.targets import CORPUS, NAMES
from tests.proxy_process import ROOT

FOLDER = ROOT / ".fuzz"
"""Where inputs that reached something new are kept from one run to the next."""

_RUNS = re.compile(r"^(?:stat::number_of_executed_units|runs):\s+(\d+)", re.MULTILINE)
# Beyond its time: to import, to build the corpus, to end.
_PATIENCE_SECONDS = 90


class Outcome(NamedTuple):
    """What a target's run came to.

    Attributes:
        runs: Inputs that were tried.
        seconds: In how long.
        broken: The end of what was said where a promise was broken, else empty.
        inputs: The files that hold what broke it.
    """

    runs: int
    seconds: float
    broken: str
    inputs: list[Path]


def run(name: str, seconds: int) -> Outcome:
    """Try one target."""
    FOLDER.mkdir(exist_ok=True)
    before = set(FOLDER.glob(f"{name}-*"))
    command = [sys.executable, "-m", "tests.fuzz.engines", name, str(seconds), str(FOLDER)]
    started = time.monotonic()
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds + _PATIENCE_SECONDS,
            check=False,
        )
        output, code = done.stdout + done.stderr, done.returncode
    except subprocess.TimeoutExpired as late:
        output, code = f"did not end\n{late.stderr!r:.2000}", -1
    found = _RUNS.search(output)
    broken = "" if code == 0 and found else output[-4000:]
    return Outcome(
        int(found[1]) if found else 0,
        time.monotonic() - started,
        broken,
        sorted(set(FOLDER.glob(f"{name}-*")) - before),
    )


def main() -> int:
    """Run what is asked for and print the counts; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=int, default=60, help="for each (default: 60)")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.targets) - set(NAMES))
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}")
    console = Console()
    how = "guided by coverage (atheris)" if has_atheris() else "by chance (no atheris here)"
    table = Table(title=f"{arguments.seconds} s each, {how}")
    for heading in ("target", "runs", "runs/s", "broken"):
        table.add_column(heading, justify="left" if heading in ("target", "broken") else "right")
    failed = False
    for name in arguments.targets or NAMES:
        with console.status(name):
            outcome = run(name, arguments.seconds)
        rate = outcome.runs / outcome.seconds
        verdict = "[red]yes[/]" if outcome.broken else "no"
        table.add_row(name, f"{outcome.runs:,}", f"{rate:,.0f}", verdict)
        if outcome.broken:
            failed = True
            console.rule(name)
            console.print(outcome.broken, markup=False, highlight=False)
            for path in outcome.inputs:
                console.print(f"fix it, then keep the input: mv {path} {CORPUS / name}/", style="b")
    console.print(table)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
