"""Lines are counted right, however they are counted."""

from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.log_metrics.newlines import count_newlines


@given(st.lists(st.binary(max_size=50)), st.integers(0, 300))
def test_counts_newlines_whatever_is_around_them(lines: list[bytes], length: int):
    data = b"".join(line + b"x" * length + b"\n" for line in lines) + b"y"

    assert count_newlines(data) == data.count(b"\n")
    assert count_newlines(data * 40) == 40 * data.count(b"\n")
