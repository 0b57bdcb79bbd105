"""Payloads that are looked into before they count."""

from collections.abc import Generator

import pytest

from exporter_proxy.sources.checking import unreadable_line


def result(steps: Generator[None, None, str | None]) -> tuple[str | None, int]:
    """Run a check to its end; return what it found, and in how many steps."""
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value, count
        count += 1


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param((), id="nothing"),
        pytest.param((b"# TYPE x gauge\nx 1\n",), id="clean"),
        pytest.param((b"x 1\r\ny 2",), id="repaired"),
        pytest.param((b"x 1\n", b"y 2\n# EOF\n"), id="pieces"),
    ],
)
def test_nothing_is_wrong(payload: tuple[bytes, ...]):
    assert result(unreadable_line(payload))[0] is None


@pytest.mark.parametrize(
    ("payload", "line"),
    [
        ((b"x 1\ny one\n",), "line 2: "),
        ((b"x 1\n", b"y 2\nz {\n"), "line 3: "),
        ((b"y one\nx one\n",), "line 1: "),
    ],
)
def test_first_line_that_can_not_be_read(payload: tuple[bytes, ...], line: str):
    """It is told by its number, counted from 1 over all pieces."""
    fault, _ = result(unreadable_line(payload))
    assert fault is not None
    assert fault.startswith(line)
    assert fault.removeprefix(line)


def test_large_payload_is_looked_at_in_steps():
    piece = b"".join(b'some_metric{number="%d"} 1\n' % number for number in range(30_000))
    fault, steps = result(unreadable_line((piece, piece.replace(b"some", b"more"))))
    assert fault is None
    assert steps >= 4
