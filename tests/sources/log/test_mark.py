"""A mark says the same of a place however it was come to."""

from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.sources.log.mark import Mark, mark_at


@given(st.lists(st.binary(max_size=200) | st.binary(min_size=250, max_size=300), max_size=8))
def test_moves_add_up_to_what_the_file_says(pieces: list[bytes]):
    data = b"".join(pieces)
    mark = Mark()
    for piece in pieces:
        assert mark.moved(memoryview(piece)) == mark.moved(piece)
        mark = mark.moved(piece)

    assert mark == mark_at(len(data), lambda offset, count: data[offset : offset + count])
