"""Texts on their way into payloads of bounded pieces."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter_proxy.errors import PayloadError
from exporter_proxy.payload import text
from exporter_proxy.payload.text import PIECE_BYTES, TextBuilder, place_to_cut, whole_text


def test_whole_text_is_one_piece():
    assert whole_text("a", b"x 1\ny 2\n") == (b"x 1\ny 2\n",)


def test_whole_text_holds_no_nul():
    with pytest.raises(PayloadError, match=r'^the metrics of "a" hold a NUL byte$') as caught:
        whole_text("a", b"x\0")
    assert caught.value.reason == "nul_byte"


def test_builder_knows_of_a_nul():
    """Whether it matters is for others to say: the text may be replaced before it counts."""
    builder = TextBuilder()
    builder.add(b"x")
    assert not builder.has_nul
    builder.add(b"\0")
    builder.add(b"y")
    assert builder.has_nul


def test_nothing_is_an_empty_text():
    assert b"".join(TextBuilder().finish()) == b""


def test_long_text_is_cut_at_line_ends():
    """Pieces are about as large as they may be, and end with a line."""
    builder = TextBuilder()
    for number in range(100_000):
        builder.add(b"some_metric{} 12345\nmore %d\n" % number)
    pieces = builder.finish()
    assert len(pieces) > 3
    assert all(PIECE_BYTES <= len(piece) < 1.6 * PIECE_BYTES for piece in pieces[:-1])
    assert all(piece.endswith(b"\n") for piece in pieces)


def test_long_text_is_cut_between_families():
    """One that is cut takes longer to read; a long one is, for want of another place."""
    builder = TextBuilder()
    family = b"# HELP x X.\n# TYPE x counter\n" + b"x 1\n" * 5_000
    text = family * 41 + b"x 2\n" * PIECE_BYTES
    for start in range(0, len(text), 7_000):
        builder.add(text[start : start + 7_000])
    pieces = builder.finish()
    assert b"".join(pieces) == text
    assert sum(piece.startswith(b"# HELP ") for piece in pieces) >= 3
    assert all(piece.startswith((b"# HELP ", b"x 2\n")) for piece in pieces)
    assert max(map(len, pieces)) < 1.6 * PIECE_BYTES


@pytest.mark.parametrize(
    ("part", "size", "place"),
    [
        pytest.param(b"x 1\n# HELP y Y.\n", PIECE_BYTES - 1, 0, id="short"),
        pytest.param(b"x 1\n# HELP y Y.\n", PIECE_BYTES, 4, id="long_enough"),
        pytest.param(b"x 1\nx 2", PIECE_BYTES, 0, id="no_family_begins"),
        pytest.param(b"x 1\nx 2", PIECE_BYTES * 2, 4, id="any_line_then"),
        pytest.param(b"x" * 100, PIECE_BYTES * 9, 0, id="endless_line"),
        pytest.param(b"# HELP y Y.\n", PIECE_BYTES, 0, id="at_its_own_begin"),
    ],
)
def test_place_to_cut(part: bytes, size: int, place: int):
    assert place_to_cut(part, size) == place


@pytest.mark.parametrize(
    ("parts", "text"),
    [([], b""), ([b"x"], b"x\n"), ([b"x\n"], b"x\n"), ([b"\n"], b"\n"), ([b"x\ny"], b"x\ny\n")],
)
def test_end_of_the_last_line(parts: list[bytes], text: bytes):
    """It is added where it is missing."""
    builder = TextBuilder()
    for part in parts:
        builder.add(part)
    builder.end_line()
    assert b"".join(builder.finish()) == text


def test_end_of_the_last_line_after_a_piece():
    """A piece that is cut off already has its end."""
    builder = TextBuilder()
    builder.add(b"x" * PIECE_BYTES + b"\n")
    builder.end_line()
    assert b"".join(builder.finish()) == b"x" * PIECE_BYTES + b"\n"


@given(st.lists(st.sampled_from([b"x", b"\n", b"xy\n", b"\nxy", b"x" * 9, b""]), max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_parts(parts: list[bytes]):
    """Whatever the parts, the pieces are the text, cut at line ends."""
    builder = TextBuilder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "PIECE_BYTES", 8)
        for part in parts:
            builder.add(part)
        pieces = builder.finish()
    assert b"".join(pieces) == b"".join(parts)
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])
