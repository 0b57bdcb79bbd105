"""What is kept of a payload for other rules."""

import pytest

from exporter_proxy.exposition.model import Exposition
from exporter_proxy.exposition.origin import Origin, pack, payload_of
from exporter_proxy.exposition.reader import read
from exporter_proxy.steps import all_at_once


def written(origin: Origin) -> tuple[bytes, ...]:
    return all_at_once(payload_of(origin))


@pytest.mark.parametrize("payload", [(b"",), (b"x 1\n",), (b"x 1\n" * 1000, b"y 2\n", b"z")])
def test_packed_payload_comes_back_byte_for_byte(payload: tuple[bytes, ...]):
    assert written(all_at_once(pack(payload))) == payload


def test_families_are_written_anew():
    """As they were read, HELP and TYPE where there were any; comments are gone."""
    text = (
        b"# HELP a What \\n it is.\n# TYPE a counter\na 1\n# a comment\n"
        b'b{x="y"} 2 1500\n'
        b'{"my.name"} 3\n'
        b"# TYPE h histogram\n"
        b'h_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n'
        b"c one\n"
    )
    [again] = written(read((text,)))
    assert again == text.replace(b"# a comment\n", b"")


def test_reading_it_again_gives_the_same():
    """Whatever could be read, and what could not."""
    text = b"# TYPE x gauge\nx 1\nx 1\ny{a=1} 2\n# HELP z z\nz NaN\n# TYPE e summary\n"
    first = read((text,))
    again = read(written(first))
    assert [(f.name, f.type, f.samples) for f in first.families] == [
        (f.name, f.type, f.samples) for f in again.families
    ]
    assert [q.text for q in first.quarantined] == [q.text for q in again.quarantined]


def test_large_payload_is_cut_into_pieces():
    text = b"".join(b"family_%d %s\n" % (number, b"1" * 50) for number in range(30_000))
    pieces = written(read((text,)))
    assert len(pieces) > 1
    assert b"".join(pieces) == text
    assert all(piece.endswith(b"\n") for piece in pieces)


def test_nothing():
    assert written(Exposition("text")) == (b"",)
