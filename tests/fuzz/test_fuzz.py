"""A short run of every target, with the same inputs each time."""

import subprocess
import sys
from itertools import islice

import pytest

from tests.fuzz.mutation import inputs
from tests.fuzz.targets import CORPUS, NAMES, load
from tests.proxy_process import ROOT

RUNS = {
    "json_wire": 3000,
    "capnp_wire": 8000,
    "detection": 10_000,
    "exposition": 1000,
    "pages": 200,
    "config_file": 8000,
    "web_config": 700,
    "receiver": 500,
    "scrape_port": 500,
    "poll_answer": 1500,
    "state_file": 3000,
}
"""About a second each."""


@pytest.mark.parametrize("name", NAMES)
def test_short_run(name: str):
    """What was found before, and mutations of it, breaks nothing."""
    target = load(name)
    with target.open() as check:
        for data in islice(inputs(target.seeds, target.tokens), RUNS[name] + len(target.seeds)):
            try:
                check(data)
            except BaseException as error:
                error.add_note(f"the input: {data!r:.3000}")
                raise


def test_every_target_has_a_corpus():
    """And every folder is that of a target: none is forgotten."""
    assert sorted(NAMES) == sorted(path.name for path in CORPUS.iterdir())
    assert set(RUNS) == set(NAMES)


def test_inputs_are_the_same_every_time():
    once, again = (list(islice(inputs([b"abc"], [b"{"]), 200)) for _ in range(2))

    assert once == again
    assert len(set(once)) > 100


def test_long_run_counts(tmp_path):
    """What `make fuzz` does, for a moment: it says how many inputs there were."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--seconds", "1", "detection"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = [line for line in done.stdout.splitlines() if "detection" in line]
    assert int(row.split()[3].replace(",", "")) > 1000


def test_unknown_target_is_named():
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "detektion"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert "no such target: detektion" in done.stderr
