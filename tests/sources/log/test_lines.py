"""Bytes of a file, cut anywhere, become the same lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.sources.log.lines import MOST_LINES, cut_lines, slice_end


def cut_all(data: bytes, limit: int, size: int) -> tuple[bytes, int]:
    """Feed ``size`` more bytes at a time, and the end."""
    lines, cut, used, skipping = b"", 0, 0, False
    for end in [*range(size, len(data), size), len(data)]:
        found = cut_lines(data[used:end], limit, skipping=skipping)
        assert found == cut_lines(data[:end], limit, start=used, skipping=skipping)
        lines, cut = lines + found.lines, cut + found.cut
        used, skipping = used + found.used, found.skipping
    found = cut_lines(data[used:], limit, skipping=skipping, final=True)
    return lines + found.lines, cut + found.cut


@pytest.mark.parametrize(
    ("data", "lines", "cut"),
    [
        (b"", b"", 0),
        (b"a\nb\n", b"a\nb\n", 0),
        (b"a\nb", b"a\nb\n", 0),
        (b"12345678\n", b"12345678\n", 0),
        (b"123456789\n", b"12345678\n", 1),
        (b"123456789", b"12345678\n", 1),
        (b"a\n123456789abcdefghijklmnop\nb\n", b"a\n12345678\nb\n", 1),
        (b"\n\n123456789\n\n123456789\n\n", b"\n\n12345678\n\n12345678\n\n", 2),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_cuts(data, lines, cut, size):
    assert cut_all(data, 8, size) == (lines, cut)


def test_leaves_out_nul_bytes():
    """Before a line, as a truncated file has them, and within one."""
    assert cut_lines(b"\0" * 100 + b"ab\nc\0d\n", 8, skipping=False).lines == b"ab\ncd\n"
    assert cut_lines(b"\0" * 100, 8, skipping=False) == (b"", 100, False, 0)


@given(
    st.lists(st.integers(0, 40).map(lambda size: b"x" * size), max_size=30),
    st.integers(1, 60),
    st.integers(8, 30),
    st.binary(max_size=3).filter(lambda end: b"\n" not in end and b"\0" not in end),
)
def test_neither_the_size_of_reads_nor_long_lines_matter(texts, size, limit, end):
    data = b"".join(text + b"\n" for text in texts) + end
    expected = [text[:limit] for text in (*texts, *([end] if end else []))]
    lines, cut = cut_all(data, limit, size)

    assert lines.split(b"\n")[:-1] == expected
    assert cut == sum(len(text) > limit for text in (*texts, end))


def test_a_line_without_end_takes_linear_time():
    """What was skipped isn't looked at again."""
    found = cut_lines(b"x" * 2**20, 1000, skipping=False)

    assert (found.used, found.skipping, found.cut) == (2**20, True, 1)
    assert cut_lines(b"y" * 2**20, 1000, skipping=True) == (b"", 2**20, True, 0)
    assert cut_lines(b"y\nz\n", 1000, skipping=True) == (b"z\n", 4, False, 0)


@given(
    st.lists(st.sampled_from([b"\n", b"a\n", b"b" * 50 + b"\n"]), min_size=1, max_size=200),
    st.integers(1, 300),
    st.integers(1, 20),
)
def test_slices_are_bounded(lines: list[bytes], size: int, most: int) -> None:
    """In bytes and in lines, however short these are; together they are all there is."""
    data = b"".join(lines)
    start = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("exporter_proxy.sources.log.lines.MOST_LINES", most)
        while start < len(data):
            end, count = slice_end(data, start, size)
            assert count == data.count(b"\n", start, end)
            assert end > start
            assert data[end - 1 : end] == b"\n"
            assert end - start <= size or count == 1
            assert count <= most
            start = end
    assert start == len(data)


def test_slice_of_empty_lines() -> None:
    """Which cost as much each as any."""
    assert MOST_LINES // 2 <= slice_end(b"\n" * 1_000_000, 5, 1 << 20)[0] - 5 <= MOST_LINES
