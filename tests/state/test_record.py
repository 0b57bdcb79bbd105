"""Records: what is written is read, by older and newer versions too."""

import pytest

from exporter_proxy.state.record import Record, Trouble, decode, encode

FULL = Record("here", 5, 7, 1.5, "mark", 6, 8, 9, Trouble("there", "is down", 3, is_refusal=True))


@pytest.mark.parametrize("record", [Record("here", 5), FULL])
def test_what_is_written_is_read(record: Record):
    assert decode(encode(record)) == record


def test_keys_that_are_not_known_are_ignored():
    """A newer version may have written them."""
    assert decode(b'{"source":"s","updated_ns":1,"budget":[1]}') == Record("s", 1)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"source":1,"updated_ns":1}', b'{"source":"s"', b"\xff"]
)
def test_what_is_no_record_is_told(data: bytes):
    with pytest.raises(ValueError, match=r"."):
        decode(data)


def test_paths_that_are_not_utf8_are_written_as_escapes():
    """A socket's path may be such a one."""
    record = Record("/run/\udcff.sock", 1, problem=Trouble("\udcfe", "at \udcfd", 2))
    assert decode(encode(record)) == Record(
        "/run/\\udcff.sock", 1, problem=Trouble("\\udcfe", "at \\udcfd", 2)
    )
