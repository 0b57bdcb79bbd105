"""Whatever logrotate does between any two system calls of the reader: each line counts once.

Schedules are those of a few seeds; after a change, have it try thousands of others.
"""

from random import Random

import pytest

from tests.sources.log.rotating import Interleaving, Options, Turn, World, watch

SEEDS = 50
OPTIONS = [
    pytest.param(Options(), id="rename"),
    pytest.param(Options(compress=True), id="rename-packed"),
    pytest.param(Options(compress=True, delaycompress=True), id="rename-packed-later"),
    pytest.param(Options(compress=True, delaycompress=True, dateext=True), id="rename-by-date"),
    pytest.param(Options(copytruncate=True), id="copytruncate"),
    pytest.param(Options(copytruncate=True, compress=True), id="copytruncate-packed"),
    pytest.param(
        Options(copytruncate=True, compress=True, delaycompress=True),
        id="copytruncate-packed-later",
    ),
    pytest.param(
        Options(copytruncate=True, compress=True, dateext=True), id="copytruncate-by-date"
    ),
]


def schedule(random: Random, doings: dict[str, float]) -> list[Turn]:
    """Return turns of all sizes, some of which are mostly writing, some mostly rotation."""
    turns = []
    for _ in range(random.randint(1, 25)):
        writing = random.random()
        weights = [writing, 1 - writing, *doings.values()]
        count = random.choice([1, 2, 3, 5, 8, 15, 30])
        some = "".join(random.choices(["w", "r", *doings], weights, k=count))
        turns.append(Turn(random.choice([0, 0, 1, 2, 3, 5, 8, 13, 20, 30, 50]), some))
    return turns


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(
    "doings",
    [pytest.param({"o": 0.15}, id=""), pytest.param({"o": 0.15, "k": 0.05, "s": 0.1}, id="kills")],
)
def test_each_line_that_a_file_holds_counts_once(options, doings, tmp_path):
    for seed in range(SEEDS):
        turns = schedule(Random(seed), doings)
        folder = tmp_path / str(seed)
        folder.mkdir()
        interleaving = Interleaving(World(folder / "x.log", options), turns)
        with pytest.MonkeyPatch.context() as patch:
            watch(patch, interleaving.call)
            try:
                interleaving.run()
            except AssertionError as error:
                error.add_note(f"seed {seed}: {turns}")
                raise
