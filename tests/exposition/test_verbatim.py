"""Payloads are served byte for byte, but so that another can follow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.exposition.verbatim import close_text


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        pytest.param(b"", b"", id="nothing"),
        pytest.param(b"a 1\n", b"a 1\n", id="closed"),
        pytest.param(b"a 1", b"a 1\n", id="no final newline"),
        pytest.param(b"a 1\n# EOF\n", b"a 1\n", id="OpenMetrics"),
        pytest.param(b"a 1\n# EOF", b"a 1\n", id="OpenMetrics, no final newline"),
        pytest.param(b"# EOF\n", b"", id="only an end"),
        pytest.param(b"a 1 # EOF\n", b"a 1 # EOF\n", id="the end of a line"),
        pytest.param(b"# EOF\na 1\n", b"# EOF\na 1\n", id="not at the end"),
        pytest.param(b"a 1\r\n# EOF\r\n", b"a 1\r\n# EOF\r\n", id="carriage returns"),
        pytest.param(b'"1a  1 1000",\n\n', b'"1a  1 1000",\n\n', id="untidy"),
    ],
)
def test_adds_a_newline_and_leaves_out_the_end(text: bytes, closed: bytes) -> None:
    """Nothing else changes."""
    assert close_text(text) == closed


@given(st.binary())
def test_changes_only_the_end(text: bytes) -> None:
    """Whatever comes stays in place, and the next payload begins a line."""
    closed = close_text(text)

    assert text.startswith(closed) or closed == text + b"\n"
    assert closed == b"" or closed.endswith(b"\n")


def test_closed_text_is_the_same_object() -> None:
    """What needs no change is not copied: the page knows payloads by identity."""
    text = b"a 1\n" * 1000

    assert close_text(text) is text
