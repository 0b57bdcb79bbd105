"""Long work in steps: done at once, and texts joined without a long step."""

from collections.abc import Generator, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.steps import JOINED_BYTES, all_at_once, joined, let_go


def test_all_at_once() -> None:
    def steps() -> Generator[None, None, int]:
        yield
        yield
        return 3

    assert all_at_once(steps()) == 3


@given(st.lists(st.binary()))
def test_joined(parts: list[bytes]) -> None:
    assert all_at_once(joined(iter(parts))) == b"".join(parts)


@pytest.mark.parametrize(
    ("size", "count"),
    [
        (100, 100_000),
        (0, 100_000),
        (JOINED_BYTES - 1, 5),
        (JOINED_BYTES, 5),
        (10 * JOINED_BYTES, 2),
    ],
)
def test_no_step_joins_much(size: int, count: int) -> None:
    """Neither many parts nor long ones."""
    taken: list[int] = [0]

    def parts() -> Iterator[bytes]:
        for _ in range(count):
            taken[-1] += 1
            yield b"x" * size

    steps = joined(parts())
    taken.extend(0 for _ in steps)

    assert max(taken) * min(size, JOINED_BYTES) < 2 * JOINED_BYTES
    assert max(taken) <= 4_096
    assert len(taken) > size * count // JOINED_BYTES // 2


def test_let_go() -> None:
    """Some thousand at a time, and all in the end."""
    items = list(range(10_001))
    sizes = [len(items)]
    sizes.extend(len(items) for _ in let_go(items))

    assert items == []
    assert max(before - now for before, now in pairwise(sizes)) <= 2_000
    assert all_at_once(let_go([])) is None
