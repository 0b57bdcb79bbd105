"""A page is its payloads, however they are cut into pieces."""

import gzip
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.exposition.page import (
    LONGEST_PIECE,
    MOST_PARTS,
    SHORTEST_CLOSED,
    Piece,
    gzip_chunks,
    joined_chunks,
    lay_out,
)


def payload(app: int, size: int) -> bytes:
    line = b'metric{app="%d"} 1\n' % app
    return (line * (size // len(line) + 1))[-size:]


def by_key(pieces: list[Piece]) -> dict[tuple[int, int], Piece]:
    return {piece.key: piece for piece in pieces}


@given(st.lists(st.tuples(st.binary(max_size=9), st.integers(0, 200_000)), max_size=12))
def test_pieces_are_the_payloads_in_order(drawn: list[tuple[bytes, int]]) -> None:
    """Byte for byte, plain and compressed."""
    parts = [text * times for text, times in drawn]
    pieces = list(lay_out(parts))
    page = b"".join(parts)

    assert b"".join(piece.text() for piece in pieces) == page
    assert sum(piece.size for piece in pieces) == len(page)
    assert gzip.decompress(b"".join(gzip_chunks(pieces))) == page


def test_no_piece_is_long() -> None:
    """Neither of many payloads nor of one that is longer than a piece may be."""
    sizes = [10, 300_000, 700_000, LONGEST_PIECE, 5 * LONGEST_PIECE + 7, 600_000, 600_000]
    pieces = list(lay_out(payload(app, size) for app, size in enumerate(sizes)))

    assert max(piece.size for piece in pieces) <= LONGEST_PIECE


def test_no_piece_has_very_many_payloads() -> None:
    parts = [b"a %d\n" % number for number in range(3 * MOST_PARTS)]
    pieces = list(lay_out(parts))

    assert max(len(piece.parts) for piece in pieces) <= MOST_PARTS
    assert len(pieces) < 10


def test_a_lone_payload_is_not_copied() -> None:
    part = payload(1, 1000)
    (piece,) = lay_out([part, b""])

    assert piece.text() is part


def test_an_empty_page_is_a_gzip_member() -> None:
    assert gzip.decompress(b"".join(gzip_chunks([]))) == b""


def test_gzip_is_one_member() -> None:
    """Some readers stop after the first member."""
    chunks = gzip_chunks(list(lay_out([payload(1, LONGEST_PIECE), payload(2, LONGEST_PIECE)])))

    assert len(chunks) == 4
    assert b"".join(chunks).count(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff") == 1


def test_what_did_not_change_keeps_its_pieces() -> None:
    """With what was compressed of them: a change costs the pieces around it."""
    parts = [payload(app, 10_000) for app in range(1000)]
    before = list(lay_out(parts))
    gzip_chunks(before)
    parts[500] = payload(500, 12_345)
    after = list(lay_out(parts, by_key(before)))

    new = [piece for piece in after if not piece.packed]
    assert 1 <= len(new) <= 2
    assert len(after) - len(new) >= len(before) - 2
    assert gzip.decompress(b"".join(gzip_chunks(after))) == b"".join(parts)


@pytest.mark.parametrize("size", [pytest.param(20, id="small"), pytest.param(5000, id="larger")])
def test_a_payload_more_at_the_front_moves_nothing(size: int) -> None:
    """Pieces find back to where they ended before."""
    parts = [payload(app, size) for app in range(20_000_000 // size // 10)]
    before = list(lay_out(parts))
    gzip_chunks(before)
    after = list(lay_out([payload(-1, 100), *parts], by_key(before)))

    assert sum(not piece.packed for piece in after) <= 2


def test_many_changes_leave_pieces_of_a_fair_size() -> None:
    """Pieces are neither joined without end nor cut ever smaller."""
    parts = [payload(app, 10_000) for app in range(400)]
    pieces = list(lay_out(parts))
    for change in range(0, 400, 3):
        parts[change] = payload(change, 9_000 + change)
        pieces = list(lay_out(parts, by_key(pieces)))

        assert b"".join(piece.text() for piece in pieces) == b"".join(parts)
        assert max(piece.size for piece in pieces) <= LONGEST_PIECE
        assert all(a.size + b.size > SHORTEST_CLOSED for a, b in pairwise(pieces))


def test_slices_of_a_long_payload_are_kept() -> None:
    part = payload(1, 3 * LONGEST_PIECE)
    before = list(lay_out([part]))
    after = list(lay_out([part], by_key(before)))

    assert [id(piece) for piece in before] == [id(piece) for piece in after]


def test_equal_bytes_are_not_the_same_payload() -> None:
    """Comparing them would cost as much as compressing them."""
    before = list(lay_out([payload(1, 500_000), payload(2, 500_000)]))
    after = list(lay_out([payload(1, 500_000), payload(2, 500_000)], by_key(before)))

    assert not set(before) & set(after)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=30), st.integers(1, 30))
def test_joined_chunks_are_even(chunks: list[bytes], size: int) -> None:
    """None is longer than twice the size."""
    joined = list(joined_chunks(chunks, size))

    assert b"".join(joined) == b"".join(chunks)
    assert all(len(each) <= 2 * size for each in joined)
