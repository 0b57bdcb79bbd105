"""Budgets: at the limit and one beyond it, on a clock moved by hand."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.budgets import Budget, Limit, Rates, check_size
from exporter_proxy.errors import PayloadError

LINES = b'# TYPE x gauge\n# a comment\nx{a="1"} 1\n\n  \nx{a="2"} 2\n'


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return seconds."""
        return self.now


def refusal(payload: tuple[bytes, ...], **limits: float) -> tuple[str, str] | None:
    """Return reason and text of a refusal; None: within the budget."""
    budget = Budget(**{name: Limit(value, f"key.{name}") for name, value in limits.items()})
    try:
        for _ in check_size(payload, budget):
            pass
    except PayloadError as error:
        return error.reason, str(error)
    return None


@pytest.mark.parametrize(
    ("payload", "samples"),
    [
        pytest.param((LINES,), 2, id="comments and blanks are none"),
        pytest.param((LINES, LINES, b"x 1"), 5, id="pieces, and no newline at the end"),
        pytest.param((b"x 1\nx 2",), 2, id="no newline"),
    ],
)
def test_samples(payload, samples):
    assert refusal(payload, samples=samples) is None
    assert refusal(payload, samples=samples - 1) == (
        "app_over_samples",
        f"more than {samples - 1} samples (key.samples)",
    )


def test_bytes():
    assert refusal((b"x 1\n", b"y 1"), bytes=7) is None
    assert refusal((b"x 1\n", b"y 1"), bytes=6) == (
        "app_over_bytes",
        "more than 6 bytes (key.bytes)",
    )


def test_nothing_is_within_any_budget():
    assert refusal((), samples=1, bytes=1) is None


def test_no_limit():
    assert not Budget()
    assert refusal((LINES,) * 100) is None
    assert all(Budget(**{name: Limit(1, "k")}) for name in ("samples", "bytes", "rate"))


def test_counts_in_steps_and_only_as_far_as_it_has_to():
    """What has few lines is not looked at twice; what has many only up to the limit."""
    piece = b"x 1\n" * 250_000
    payload = (piece,) * 32
    few = sum(1 for _ in check_size(payload, Budget(samples=Limit(10**9, "k"))))
    all_of_it = sum(1 for _ in check_size(payload, Budget(samples=Limit(8_000_001, "k"))))
    steps = 0
    looking = check_size(payload, Budget(samples=Limit(1_000_000, "k")))
    with contextlib.suppress(PayloadError):
        for _ in looking:
            steps += 1
    assert looking.gi_frame is None
    assert few == 4
    assert all_of_it >= 4
    assert 4 <= steps < 12


@given(st.lists(st.sampled_from([b"x 1\n", b"# y\n", b"\n", b" \n"])), st.integers(0, 20))
def test_refused_if_and_only_if_there_are_more(lines: list[bytes], most: int):
    samples = lines.count(b"x 1\n")
    assert (refusal((b"".join(lines),), samples=most) is not None) == (samples > most)


@pytest.mark.parametrize(
    ("rate", "burst"),
    [(1, 10), (0.5, 5), (0.1, 2), (0.001, 2), (100, 1000)],
)
def test_burst_then_one_at_a_time(rate: float, burst: int):
    """Ten seconds' worth, at least two, at once; from then on one each interval."""
    clock, limit = Clock(), Limit(rate, "key")
    rates = Rates(clock)
    told = set()

    def update() -> bool:
        try:
            rates.check("a", limit)
        except PayloadError as error:
            told.add((error.reason, str(error)))
            return False
        rates.take("a", limit)
        return True

    assert [update() for _ in range(burst + 1)] == [True] * burst + [False]
    for _ in range(3):
        clock.now += 0.99 / rate
        assert not update()
        clock.now += 0.01 / rate
        assert update()
        assert not update()
    clock.now += 3600 * 24 * 365
    assert [update() for _ in range(burst + 1)] == [True] * burst + [False]
    assert told == {("app_over_rate", f"more than {rate:g} updates a second (key)")}


def test_a_refusal_costs_nothing():
    """Who asks again and again is in time when its turn has come."""
    clock, limit = Clock(), Limit(0.1, "key")
    rates = Rates(clock)
    for _ in range(2):
        rates.check("a", limit)
        rates.take("a", limit)
    for _ in range(9):
        clock.now += 1
        with pytest.raises(PayloadError):
            rates.check("a", limit)
    clock.now += 1
    rates.check("a", limit)


def test_apps_have_nothing_to_do_with_each_other():
    clock, limit = Clock(), Limit(0.1, "key")
    rates = Rates(clock)
    for _ in range(2):
        rates.take("a", limit)
    with pytest.raises(PayloadError):
        rates.check("a", limit)
    rates.check("b", limit)


def test_apps_that_were_silent_are_forgotten():
    """Names that come once and never again take no room, also behind one that stays long."""
    clock = Clock()
    rates = Rates(clock)
    rates.take("slow", Limit(1e-6, "key"))
    for number in range(10_000):
        rates.take(f"{number}", Limit(1, "key"))
        clock.now += 0.1
    # Those of the last second are known, and as many again that nobody has come by yet.
    assert len(rates) < 50
