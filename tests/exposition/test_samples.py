"""Samples are the lines that are neither blank nor comments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.exposition.samples import WINDOW, count_samples


def count(text: bytes) -> int:
    return sum(count_samples(text))


def slow_count(text: bytes) -> int:
    lines = (line.strip(b" \t\r") for line in text.split(b"\n"))
    return sum(1 for line in lines if line and not line.startswith(b"#"))


@pytest.mark.parametrize(
    ("text", "samples"),
    [
        pytest.param(b"", 0, id="nothing"),
        pytest.param(b"a 1\nb 2\n", 2, id="samples"),
        pytest.param(b"a 1\nb 2", 2, id="no final newline"),
        pytest.param(b"# TYPE a gauge\na 1\n# EOF", 1, id="comments"),
        pytest.param(b"\n\n\na 1\n\n \t\n  # x\n  b 2\n\r\n", 2, id="blanks"),
        pytest.param(b"#\n#\n", 0, id="only comments"),
    ],
)
def test_counts(text: bytes, samples: int) -> None:
    assert count(text) == samples


@given(st.text(alphabet="a# \t\r\n").map(str.encode))
def test_counts_as_a_loop_would(text: bytes) -> None:
    assert count(text) == slow_count(text)


def test_long_text_is_counted_in_windows() -> None:
    """The event loop can be served between windows; no line is lost at their edges."""
    text = b'# HELP a b\na{b="c"} 1\n\n' * 120_000
    windows = list(count_samples(text))

    assert sum(windows) == 120_000
    assert len(windows) == -(-len(text) // WINDOW)


def test_one_long_line_is_one_window() -> None:
    assert list(count_samples(b"a" * (3 * WINDOW) + b"\nb 1\n")) == [1, 1]
