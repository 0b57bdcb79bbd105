"""Both ways of reading JSON accept the same language, however it is cut into packets."""

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter_proxy.payload.json_reader import JsonReader
from exporter_proxy.payload.json_stream import JsonStream
from tests.payload.reading import Outcome, byte_by_byte, cut, read
from tests.payload.reference import read_all

LIMIT = 10_000

texts = st.text(max_size=12)
values = st.one_of(
    texts,
    st.lists(texts, max_size=4),
    st.fixed_dictionaries(
        {"metrics": texts | st.lists(texts, max_size=3)},
        optional={
            "ttl": st.sampled_from(["5s", "1h30m", "never", "", None, 0, 5, -0.0, 1e9, 1e300, "x"])
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.integers()
        },
    ),
)
valid_documents = st.builds(
    lambda document, indent, ascii_only: json.dumps(
        document, indent=indent, ensure_ascii=ascii_only
    ).encode(errors="replace"),
    st.dictionaries(st.text(min_size=1, max_size=6), values, min_size=1, max_size=3),
    st.sampled_from([None, None, 0, 1]),
    st.booleans(),
)
streams = st.lists(
    st.tuples(st.sampled_from([b"", b"", b"\n", b" \t\r\n"]), valid_documents), max_size=4
).map(lambda parts: b"".join(map(b"".join, parts)))

# What damage is made of: pieces that mean something to JSON, to UTF-8 or to the wire.
TOKENS = [
    *(bytes([byte]) for byte in b'{}[]",:\\ \n\t\r\x00\x0b\x1f-+.eE059\x80\xc3\xe2\xed\xf0\xff'),
    b'"ttl"', b'"metrics"', b'"a"', b'{"a":"b"}', b"}\n{", b"null", b"true", b"5", b"-0", b"NaN",
    b"1e5", b"00", b"1.", b"\\u0000", b"\\ud83d", b"\\ude00", b"\\ud83d\\ude00", b"\\u00", b"\\x",
    b"\\\\", b'\\"', b"\xe2\x82\xac", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80", b"\xc0\x80",
    b"\xef\xbb\xbf", b'"ttl":"5s",', b'"a":"x",', b'"metrics":"y",', b",", b'"',
]  # fmt: skip
edits = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.sampled_from([0, 0, 1, 1, 2, 5]),
        st.sampled_from(TOKENS) | st.binary(max_size=2) | st.just(b""),
    ),
    max_size=4,
)
sizes = st.lists(st.integers(1, 30), max_size=60)


def damage(data: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    """Replace some bytes of ``data`` by others, here and there."""
    for where, length, token in changes:
        at = int(where * (len(data) + 1))
        data = data[:at] + token + data[at + length :]
    return data


def all_outcomes(data: bytes, packet_sizes: list[int]) -> list[Outcome]:
    """Read ``data`` in every way there is."""
    divisions = [[data], byte_by_byte(data), list(cut(data, packet_sizes))]
    readers = [JsonReader, JsonStream]
    return [read(reader(LIMIT), packets) for reader in readers for packets in divisions]


@given(streams, sizes)
@settings(max_examples=150, deadline=None)
def test_valid_documents(data: bytes, packet_sizes: list[int]):
    """Any documents, in packets of any size, come out as they were."""
    expected, complete = read_all(data)
    for outcome in all_outcomes(data, packet_sizes):
        assert outcome.messages == expected
        assert complete == (outcome.reason is None and outcome.buffered == 0)


@given(st.builds(damage, streams, edits), sizes)
@example(b'{"0": {"ttl": n{ull, "metrics": ""}}', [])
@example(b'{"0": {"ttl": 1"x", "metrics": ""}}', [])
@example(b'{"a":{"metrics":"x","ttl":-0}}', [26, 1])
@example(b'{"a":{"metrics":"x","ttl":null}}', [27, 1, 1])
@example(b'{"a":"\\u0000","a":"x"}', [])
@example(b'{"a":{"metrics":"x","ttl":"bad"},"a":"y"}', [])
@example(b'\xef\xbb\xbf{"a":"x"}', [1, 1])
@example(b'\xef\xbb\xbf\xef\xbb\xbf{"a":"x"}', [3])
@example(b'{"a":"x"}\xef\xbb\xbf{"a":"x"}', [9])
@example(b'{"a":"x"}\n{"b":"y"}\n{"c":', [])
@example(b'{"a":["x"]\x0b}', [])
@example(b'{"\\ud800\\\n":""}', [])
@example(b'{"a":"x"}\n\xef', [])
@example(b'{"a":"x"}\n\xef\xbb\xbf{"a":"x"}', [])
@settings(max_examples=600, deadline=None)
def test_nearly_valid_documents(data: bytes, packet_sizes: list[int]):
    """The reference, the native way and the way in pieces agree on what is almost right."""
    expected, complete = read_all(data)
    first, *others = all_outcomes(data, packet_sizes)
    assert first.messages == expected
    assert complete == (first.reason is None and first.buffered == 0)
    for other in others:
        assert other == first


@given(st.lists(st.sampled_from(TOKENS), max_size=25).map(b"".join) | st.binary(max_size=40), sizes)
@settings(max_examples=300, deadline=None)
def test_any_bytes(data: bytes, packet_sizes: list[int]):
    """Whatever comes gives messages or a refusal, the same however it is cut."""
    expected, complete = read_all(data)
    first, *others = all_outcomes(data, packet_sizes)
    assert first.messages == expected
    assert complete == (first.reason is None and first.buffered == 0)
    assert all(other == first for other in others)


@given(st.builds(damage, streams, edits), sizes, st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_limit_does_not_depend_on_packets(data: bytes, packet_sizes: list[int], limit: int):
    """Which documents are too large is a matter of the documents.

    Of one that is too large and wrong, too, either may be found first.
    """
    whole = read(JsonReader(limit), [data])
    for packets in (byte_by_byte(data), cut(data, packet_sizes)):
        outcome = read(JsonReader(limit), packets)
        assert outcome.messages == whole.messages
        assert (outcome.reason is None) == (whole.reason is None)
