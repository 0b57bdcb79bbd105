"""A short soak: fewer apps, each disturbance once."""

import asyncio
import io
import json

import pytest
import uvloop
from rich.console import Console

from tests.soak.ledger import Ledger, parts, payload
from tests.soak.plan import Plan
from tests.soak.report import figures, live, summary
from tests.soak.run import Soak, soak
from tests.soak.targets import FAULTS


def test_short_soak():
    """Nothing that arrived is lost, whatever peers and targets do, and nothing grows."""
    told: list[Soak] = []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        done = runner.run(soak(Plan.short(), told.append))
    found = figures(done)
    print(json.dumps(found, indent=2))  # noqa: T201 - pytest shows it where the test failed
    assert not done.ledger.wrong, done.ledger.complaints
    assert found["lost"] == 0
    assert set(found["updates"]) == set(done.plan.names())
    assert found["scrapes"] > 5
    assert sum(found["peer_faults"].values()) > 50
    assert len(found["target_faults"]) > len(FAULTS) // 2
    assert found["disturbances"]["kill -9"] == 1
    console = Console(width=160, record=True, file=io.StringIO())
    for part in (*summary(done), live(told[0])):
        console.print(part)
    text = console.export_text()
    assert "nothing was lost, nothing was wrong" in text
    assert f"{sum(found['updates'].values()):,}" in text


def page_of(*payloads: tuple[str, int]) -> bytes:
    return "".join(payload(app, number) for app, number in payloads).encode()


def arrived(**numbers: int) -> Ledger:
    """Return a ledger of apps that sent, and were told has arrived, so many payloads."""
    ledger = Ledger()
    for app, number in numbers.items():
        for _ in range(number):
            ledger.begin(app)
        ledger.taken(app, number, "json/tcp", 0)
    return ledger


@pytest.mark.parametrize(
    ("page", "wrong"),
    [
        pytest.param(page_of(("a1", 3), ("a2", 1)), {}, id="right"),
        pytest.param(page_of(("a1", 3)), {"lost": 1}, id="gone"),
        pytest.param(page_of(("a1", 2), ("a2", 1)), {"lost": 1}, id="old"),
        pytest.param(page_of(("a1", 4), ("a2", 1)), {"invented": 1}, id="never sent"),
        pytest.param(
            page_of(("a1", 3), ("a2", 1)) + b'soak_value{soak="a2",part="%d"} 1\n' % parts("a2", 1),
            {"torn": 1},
            id="of two payloads",
        ),
    ],
)
def test_ledger_finds_what_is_wrong_with_a_page(page: bytes, wrong: dict[str, int]):
    """A check that can't fail would check nothing."""
    ledger = arrived(a1=3, a2=1)
    ledger.check(page, ledger.moment())

    assert ledger.wrong == wrong


def test_labels_of_the_proxy_and_of_groups_change_nothing():
    ledger = arrived(a1=1)
    line = b'soak_value{job="x{}",soak="a1",part="%d",app="{job=\\"x\\"}"} 1\n'
    shown = ledger.check(b"".join(line % n for n in range(parts("a1", 1))), ledger.moment())

    assert shown == {"a1": 1}
    assert not ledger.wrong


def test_what_a_kill_may_take():
    """What came in the last second may be gone; what came before may not."""
    ledger = arrived(a1=2)
    ledger.killed(since=0.0)

    assert ledger.unsaved == 1
    assert ledger.moment().floor == {"a1": 0}
    assert not ledger.taken("a1", 2, "json/tcp", 0), "the word of one that is dead"
    other = arrived(a1=2)
    other.killed(since=float("inf"))
    assert other.moment().floor == {"a1": 2}


def test_plan_gives_every_app_a_wire():
    names = Plan(apps=1000).names()

    assert sum(map(len, names.values())) == 1000
    assert all(names.values())
