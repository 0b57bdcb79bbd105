"""Documents as they come in packets, cut anywhere."""

import json
from collections.abc import Callable

import pytest

from exporter_proxy.payload import json_reader
from exporter_proxy.payload.json_reader import JsonReader
from exporter_proxy.payload.json_stream import JsonStream
from exporter_proxy.payload.message import Progress
from tests.payload.reading import (
    MIB,
    Given,
    Outcome,
    byte_by_byte,
    given,
    read,
    refusal,
)

LIMIT = MIB

BACKSLASH_U0000 = b"\\u0000"

ACCEPTED = [
    pytest.param(b'{"a":"x 1\\n"}', [[Given("a", b"x 1\n", None)]], id="text"),
    pytest.param(b'{"a":"x 1"}', [[Given("a", b"x 1", None)]], id="no_newline_is_added_here"),
    pytest.param(b'{"a":""}', [[Given("a", b"", None)]], id="empty_text"),
    pytest.param(b'{"a":[]}', [[Given("a", b"", None)]], id="no_lines"),
    pytest.param(b'{"a":["x 1"]}', [[Given("a", b"x 1\n", None)]], id="one_line"),
    pytest.param(
        b'{"a":["# TYPE x gauge","x 1"]}',
        [[Given("a", b"# TYPE x gauge\nx 1\n", None)]],
        id="lines",
    ),
    pytest.param(b'{"a":["x 1",""]}', [[Given("a", b"x 1\n", None)]], id="last_line_empty"),
    pytest.param(b'{"a":["x 1\\n"]}', [[Given("a", b"x 1\n", None)]], id="line_with_its_newline"),
    pytest.param(b'{"a":[""]}', [[Given("a", b"", None)]], id="one_empty_line"),
    pytest.param(
        b'{"a":{"metrics":["x 1","y 2"]}}', [[Given("a", b"x 1\ny 2\n", None)]], id="lines_option"
    ),
    pytest.param(b'{"a":["","",""]}', [[Given("a", b"\n\n", None)]], id="empty_lines"),
    pytest.param(
        b'{"a":"x 1","b":["y 1"]}',
        [[Given("a", b"x 1", None), Given("b", b"y 1\n", None)]],
        id="several_apps",
    ),
    pytest.param(
        b'{"a":"x 1"}{"b":"y 1"}{"a":"x 2"}',
        [[Given("a", b"x 1", None)], [Given("b", b"y 1", None)], [Given("a", b"x 2", None)]],
        id="documents_side_by_side",
    ),
    pytest.param(
        b' \t\r\n{"a":"x 1"}\n\n {"b":"y 1"}\r\n',
        [[Given("a", b"x 1", None)], [Given("b", b"y 1", None)]],
        id="blanks_between_documents",
    ),
    pytest.param(b'\xef\xbb\xbf \n{"a":"x 1"}', [[Given("a", b"x 1", None)]], id="byte_order_mark"),
    pytest.param(
        b'{\n  "a" : [\r\n\t"x 1" ,\n "x 2"\n ] ,\n "b" : { "metrics" : "y 1" } \n}\n',
        [[Given("a", b"x 1\nx 2\n", None), Given("b", b"y 1", None)]],
        id="pretty_printed",
    ),
    pytest.param(
        b'{"a":{"metrics":"x 1","ttl":"30s"},"b":{"ttl":5,"metrics":["y 1"]}}',
        [[Given("a", b"x 1", 30.0), Given("b", b"y 1\n", 5.0)]],
        id="options",
    ),
    pytest.param(
        b'{"a":{"metrics":"x","ttl":null},"b":{"metrics":"x","ttl":0},"c":{"metrics":"x","ttl":""}'
        b',"d":{"metrics":"x"}}',
        [[Given(app, b"x", None) for app in "abcd"]],
        id="no_ttl_asked_for",
    ),
    pytest.param(
        b'{"a":{"metrics":"x","ttl":-0},"b":{"metrics":"x","ttl":-0.0e1 }}',
        [[Given(app, b"x", None) for app in "ab"]],
        id="minus_nothing",
    ),
    pytest.param(
        b'{"a":{"metrics":"x","ttl":1e2},"b":{"metrics":"x","ttl":"never"}}',
        [[Given("a", b"x", 100.0), Given("b", b"x", float("inf"))]],
        id="odd_ttls",
    ),
    pytest.param(
        b'{"a":{"metrics":"x","ttl":0.' + b"0" * 5000 + b"}}",
        [[Given("a", b"x", None)]],
        id="long_number",
    ),
    pytest.param(
        b'{"b":"x","a":"old","b":"y"}',
        [[Given("b", b"y", None), Given("a", b"old", None)]],
        id="last_of_a_name_given_twice",
    ),
    pytest.param(
        b'{"a":{"metrics":"x","ttl":"soon"},"a":"y"}',
        [[Given("a", b"y", None)]],
        id="ttl_that_is_replaced_is_not_judged",
    ),
    pytest.param(
        b'{"a":{"metrics":"x","ttl":"soon","metrics":"y","ttl":7}}',
        [[Given("a", b"y", 7.0)]],
        id="last_of_an_option_given_twice",
    ),
    pytest.param(
        b'{"a\\"\\\\\\/\\u00e9\\ud83d\\ude00":"\\b\\f\\n\\r\\t\\"\\\\\\/\\u20ac\\uD83D\\uDE00"}',
        [[Given('a"\\/é😀', '\b\f\n\r\t"\\/€😀'.encode(), None)]],
        id="escapes",
    ),
    pytest.param(
        '{"é€😀":["é","€","😀"]}'.encode(),
        [[Given("é€😀", "é\n€\n😀\n".encode(), None)]],
        id="utf8",
    ),
    pytest.param(
        b'{"a":{"m\\u0065trics":"x","\\u0074tl":"\\u0035s"}}',
        [[Given("a", b"x", 5.0)]],
        id="escapes_in_options",
    ),
    pytest.param(
        b'{"a":"\\\\u0000"}', [[Given("a", BACKSLASH_U0000, None)]], id="backslash_before_u0000"
    ),
    pytest.param(b"", [], id="nothing"),
    pytest.param(b" \r\n\t ", [], id="blanks_alone"),
    pytest.param(b"\xef\xbb\xbf", [], id="byte_order_mark_alone"),
]

REFUSED = [
    pytest.param(b"}" * 100, "malformed_json: malformed JSON: expected a JSON object", id="braces"),
    pytest.param(b"[]", "malformed_json: malformed JSON: expected a JSON object", id="array"),
    pytest.param(b'"a"', "malformed_json: malformed JSON: expected a JSON object", id="string"),
    pytest.param(
        b"hello",
        'malformed_json: malformed JSON: expected a JSON object, found "hello"; exposition text '
        'has to be wrapped: {"<app>": "<exposition text>"}',
        id="words",
    ),
    pytest.param(
        b"# HELP x X\nx 1\n",
        'malformed_json: malformed JSON: expected a JSON object, found "# HELP x X\\nx 1\\n"; '
        'exposition text has to be wrapped: {"<app>": "<exposition text>"}',
        id="exposition",
    ),
    pytest.param(b"{a:1}", "malformed_json: malformed JSON: expected an app's name", id="no_quote"),
    pytest.param(
        b'{"a":"x",}', "malformed_json: malformed JSON: expected an app's name", id="comma_at_end"
    ),
    pytest.param(b'{"a" "x"}', 'malformed_json: malformed JSON: expected ":"', id="no_colon"),
    pytest.param(
        b'{"a":"x" "b":"y"}', 'malformed_json: malformed JSON: expected "," or "}"', id="no_comma"
    ),
    pytest.param(
        b'{"a":["x" "y"]}', 'malformed_json: malformed JSON: expected "," or "]"', id="no_comma_in"
    ),
    pytest.param(
        b'{"a":["x",]}',
        "malformed_json: malformed JSON: expected text or an array of lines",
        id="comma_at_the_end_of_lines",
    ),
    pytest.param(
        b'{"a":x}',
        "malformed_json: malformed JSON: expected text or an array of lines",
        id="no_value",
    ),
    pytest.param(
        b'{"a":"x\ny"}',
        "malformed_json: malformed JSON: expected no control character",
        id="raw_newline",
    ),
    pytest.param(
        b'{"a\ny":"x"}',
        "malformed_json: malformed JSON: expected no control character",
        id="raw_newline_in_name",
    ),
    pytest.param(
        b'{"a":"\\x41"}',
        "malformed_json: malformed JSON: expected no control character and no unknown escape",
        id="unknown_escape",
    ),
    pytest.param(
        b'{"\\x41":"a"}',
        "malformed_json: malformed JSON: expected no control character and no unknown escape",
        id="escape_in_name",
    ),
    pytest.param(
        b'{"a":{"metrics":"x","ttl":5x}}',
        "malformed_json: malformed JSON: expected a time to live",
        id="no_number",
    ),
    pytest.param(
        b'{"a":{"metrics":"x","ttl":007}}',
        "malformed_json: malformed JSON: expected a time to live",
        id="leading_zero",
    ),
    pytest.param(
        b'{"a":{"metrics":"x","ttl":true}}',
        'bad_ttl: the ttl of "a" is true, expected seconds or a duration such as "30s", or "never"',
        id="ttl_true",
    ),
    pytest.param(
        b'{"a":{"metrics":"x","ttl":1e999}}',
        'malformed_json: malformed JSON: expected a time to live, found "1e999"',
        id="ttl_out_of_range",
    ),
    pytest.param(
        b'{"a":{"metrics":"x","ttl":[5]}}',
        'bad_ttl: the ttl of "a" is an array, expected seconds or a duration such as "30s", or '
        '"never"',
        id="ttl_array",
    ),
    pytest.param(
        b'{"a":{"ttl":{"s":5},"metrics":"x"}}',
        'bad_ttl: the ttl of "a" is an object, expected seconds or a duration such as "30s"',
        id="ttl_object",
    ),
    pytest.param(
        b'{"a":{"metrics":"x","ttl":false}}',
        'bad_ttl: the ttl of "a" is false, expected seconds or a duration such as "30s"',
        id="ttl_false",
    ),
    pytest.param(
        b"{}", 'empty_message: the object is empty, expected {"<app>": "<metrics>"}', id="empty"
    ),
    pytest.param(b'{"":"x"}', "bad_name: an app's name must not be empty", id="empty_name"),
    pytest.param(b'{"  ":"x"}', "bad_name: an app's name must not be empty", id="blank_name"),
    pytest.param(
        b'{"a\\nb":"x"}',
        'bad_name: the app\'s name "a\\nb" has a control character in it: U+000A',
        id="control_in_name",
    ),
    pytest.param(
        b'{"a\\u0000":"x"}',
        'bad_name: the app\'s name "a\\x00" has a control character in it: U+0000',
        id="nul_in_name",
    ),
    pytest.param(
        b'{"' + b"a" * 257 + b'":"x"}',
        f'bad_name: the app\'s name "{"a" * 30}…" has 257 characters, expected at most 256',
        id="long_name",
    ),
    pytest.param(
        b'{"":{"metrics":"x","ttl":"soon"}}',
        "bad_name: an app's name must not be empty",
        id="name_is_judged_before_ttl",
    ),
    pytest.param(
        b'{"a":7}',
        'not_text: the metrics of "a" are a number, expected text or an array of lines',
        id="number",
    ),
    pytest.param(
        b'{"a":-7}',
        'not_text: the metrics of "a" are a number, expected text or an array of lines',
        id="negative_number",
    ),
    pytest.param(
        b'{"a":null}',
        'not_text: the metrics of "a" are null, expected text or an array of lines',
        id="null",
    ),
    pytest.param(
        b'{"a":true}',
        'not_text: the metrics of "a" are true, expected text or an array of lines',
        id="true",
    ),
    pytest.param(
        b'{"a":false}',
        'not_text: the metrics of "a" are false, expected text or an array of lines',
        id="false",
    ),
    pytest.param(
        b'{"a":["x",1]}',
        'not_text: the metrics of "a": line 2 is a number, expected text',
        id="number_in_lines",
    ),
    pytest.param(
        b'{"a":["x",null]}',
        'not_text: the metrics of "a": line 2 is null, expected text',
        id="null_in_lines",
    ),
    pytest.param(
        b'{"b":["x","y"],"a":{"metrics":[true]}}',
        'not_text: the metrics of "a": line 1 is true, expected text',
        id="true_in_the_first_line",
    ),
    pytest.param(
        b'{"a":["x","y"],"a":5}',
        'not_text: the metrics of "a" are a number, expected text or an array of lines',
        id="number_after_lines",
    ),
    pytest.param(
        b'{"a":{"x":"1"}}',
        'not_text: the metrics of "a": unknown option "x", expected text, an array of lines, or '
        '{"metrics": …, "ttl": …}',
        id="object_of_another_form",
    ),
    pytest.param(
        b'{"a":{"ttl":"5s"}}',
        'not_text: the metrics of "a": the option "metrics" is missing',
        id="ttl_alone",
    ),
    pytest.param(
        b'{"a":{}}', 'not_text: the metrics of "a": the option "metrics" is missing', id="no_option"
    ),
    pytest.param(
        b'{"a":{"metrics":null}}',
        'not_text: the metrics of "a" are null, expected text or an array of lines',
        id="null_option",
    ),
    pytest.param(
        b'{"a":[["x"]]}',
        'nested_too_deep: the metrics of "a" are nested too deep, expected text or an array of '
        "lines",
        id="array_in_array",
    ),
    pytest.param(
        b'{"a":{"metrics":{"metrics":"x"}}}',
        'nested_too_deep: the metrics of "a" are nested too deep, expected text or an array of '
        "lines",
        id="object_in_object",
    ),
    pytest.param(
        b'{"a":' + b"[" * 100_000,
        'nested_too_deep: the metrics of "a" are nested too deep, expected text or an array of '
        "lines",
        id="arrays_100000_deep",
    ),
    pytest.param(
        b'{"a":' * 100_000,
        'not_text: the metrics of "a": unknown option "a", expected text, an array of lines, or '
        '{"metrics": …, "ttl": …}',
        id="objects_100000_deep",
    ),
    pytest.param(
        b'{"a":"x\\u0000y"}', 'nul_byte: the metrics of "a" hold a NUL byte', id="escaped_nul"
    ),
    pytest.param(
        b'{"a":["x","\\u0000"]}', 'nul_byte: the metrics of "a" hold a NUL byte', id="nul_in_line"
    ),
    pytest.param(
        b'{"a":"x","a":"\\u0000"}',
        'nul_byte: the metrics of "a" hold a NUL byte',
        id="nul_in_metrics_that_replace_others",
    ),
    pytest.param(b'{"a":"x\x00"}', "nul_byte: the message holds a NUL byte", id="raw_nul"),
    pytest.param(
        b'{"a":"\xff\xfe"}',
        "invalid_utf8: the message is not UTF-8: invalid start byte",
        id="invalid_utf8",
    ),
    pytest.param(
        b'{"a":["ok","\xe2\x82"]}',
        "invalid_utf8: the message is not UTF-8: ",
        id="cut_character",
    ),
    pytest.param(
        b'{"a":"\xed\xa0\x80"}',
        "invalid_utf8: the message is not UTF-8: ",
        id="surrogate_in_utf8",
    ),
    pytest.param(
        b'{"\xff":"x"}',
        "invalid_utf8: the message is not UTF-8: invalid start byte",
        id="invalid_utf8_name",
    ),
    pytest.param(
        b'{"a":"\\ud800"}',
        'invalid_utf8: the metrics of "a": a lone surrogate, "\\ud800"',
        id="lone_surrogate",
    ),
    pytest.param(
        b'{"a":"\\ud800\\n"}',
        'invalid_utf8: the metrics of "a": a lone surrogate, "\\ud800"',
        id="surrogate_and_another_escape",
    ),
    pytest.param(
        b'{"a":["\\udfff"]}',
        'invalid_utf8: the metrics of "a": a lone surrogate, "\\udfff"',
        id="low_surrogate",
    ),
    pytest.param(
        b'{"\\ud800":"x"}', "invalid_utf8: an app's name: a lone surrogate", id="surrogate_name"
    ),
    pytest.param(
        b'{"a":{"metrics":"x","ttl":"soon"}}',
        'bad_ttl: the ttl of "a" is "soon", expected seconds or a duration such as "30s"',
        id="ttl_word",
    ),
    pytest.param(
        b'{"a":{"metrics":"x","ttl":-1}}',
        'bad_ttl: the ttl of "a" is -1, expected seconds or a duration such as "30s", or "never"',
        id="ttl_negative",
    ),
]


@pytest.mark.parametrize(("data", "messages"), ACCEPTED)
def test_reads(data: bytes, messages: list[list[Given]]):
    """Whole, byte by byte, and with more behind it."""
    assert read(JsonReader(LIMIT), [data]) == Outcome(messages)
    assert read(JsonReader(LIMIT), byte_by_byte(data)) == Outcome(messages)
    tail = b' {"z":"'
    whole = read(JsonReader(LIMIT), [data + tail])
    assert whole == Outcome(messages, None, len(tail) - 1)
    assert read(JsonReader(LIMIT), byte_by_byte(data + tail)) == whole
    assert read(JsonReader(LIMIT), [data, tail]) == whole


@pytest.mark.parametrize(("data", "line"), REFUSED)
def test_refuses(data: bytes, line: str):
    """With its line, for the same reason byte by byte, and without touching what came before."""
    assert refusal(JsonReader(LIMIT), data).startswith(line)
    reason = line.partition(":")[0]
    assert read(JsonReader(LIMIT), byte_by_byte(data[:2000])).reason in (reason, None)
    before = b'{"before":"x 1"}'
    outcome = Outcome([[Given("before", b"x 1", None)]], reason)
    assert read(JsonReader(LIMIT), [before + data + before]) == outcome
    assert read(JsonReader(LIMIT), [before, data]) == outcome
    if len(data) < 10_000:
        assert read(JsonReader(LIMIT), byte_by_byte(before + data)) == outcome


@pytest.mark.parametrize("divide", [lambda data: [data], byte_by_byte], ids=["whole", "bytes"])
def test_comma_between_documents(divide):
    """The first document counts; what follows it is none."""
    outcome = read(JsonReader(LIMIT), divide(b'{"a":"x"},{"b":"y"}'))
    assert outcome == Outcome([[Given("a", b"x", None)]], "malformed_json")


@pytest.mark.parametrize("end", range(1, 60))
def test_cut_document_is_buffered(end: int):
    """What is missing its end is neither a message nor refused, wherever it is cut."""
    data = b'{"a\\"b":["x \\ud83d\\ude00","\xe2\x82\xac"],"b":{"metrics":"","ttl":null}}'
    assert len(data) > 60
    assert read(JsonReader(LIMIT), [data[:end]]) == Outcome([], None, end)
    assert read(JsonReader(LIMIT), byte_by_byte(data[:end])) == Outcome([], None, end)


def test_document_as_long_as_the_limit():
    """Blanks around a document are not counted; one byte more is refused."""
    data = b'{"a":"' + b"x" * 92 + b'"}'
    assert len(data) == 100
    blanks = b" " * 500
    for packets in ([data], [blanks, data, blanks], byte_by_byte(blanks + data + blanks)):
        assert read(JsonReader(100), packets) == Outcome([[Given("a", b"x" * 92, None)]])
    for packets in ([blanks + data + data], [data[:50], data[50:] + data]):
        assert len(read(JsonReader(100), packets).messages) == 2
    longer = data.replace(b"x", b"xx", 1)
    for packets in ([longer], [blanks + longer], byte_by_byte(longer)):
        assert read(JsonReader(100), packets) == Outcome([], "message_too_large")
    assert (
        refusal(JsonReader(100), longer)
        == "message_too_large: the message exceeds 100 bytes (receiver.max_message_size)"
    )


@pytest.mark.parametrize(
    ("front", "line"),
    [
        (
            b'{"',
            "bad_name: an app's name of more than 3074 bytes, expected at most 256 characters",
        ),
        (
            b'{"a":{"',
            "not_text: an option's name of more than 3074 bytes, expected at most 256 characters",
        ),
        (
            b'{"a":{"ttl":"',
            "bad_ttl: a time to live of more than 3074 bytes, expected at most 256 characters",
        ),
    ],
)
def test_endless_name_is_refused_before_it_ends(front: bytes, line: str):
    """What is kept until it is complete has a limit of its own."""
    data = front + b"x" * 4000
    assert refusal(JsonReader(LIMIT), data) == line
    assert read(JsonReader(LIMIT), byte_by_byte(data)).reason == line.partition(":")[0]


def test_too_large_is_refused_before_it_ends():
    """A document without end is refused by its size; nothing waits for its last byte."""
    reader = JsonReader(1000)
    outcome = read(reader, [b'{"a":"', *[b"x" * 100] * 20])
    assert outcome == Outcome([], "message_too_large")
    assert reader.buffered <= 1100


def test_blanks_do_not_pile_up():
    """Blanks between documents are forgotten at once."""
    reader = JsonReader(1000)
    for _ in range(50):
        reader.feed(b" \n" * 1000)
        assert reader.next_message() is None
        assert reader.buffered == 0


@pytest.mark.parametrize("ascii_only", [True, False])
def test_large_document_in_pieces(ascii_only: bool):  # noqa: FBT001
    """A payload of some mebibytes comes in pieces cut at line ends, and is what was sent."""
    line = 'some_metric{label="a \\ value",other="é€😀"} 1234.5'
    lines = [f"{line} {number}" for number in range(60_000)]
    document = json.dumps({"big": lines}, ensure_ascii=ascii_only).encode()
    assert len(document) > 3 * MIB
    reader = JsonReader(64 * MIB)
    packets = [document[at : at + 65_536] for at in range(0, len(document), 65_536)]
    for packet in packets[:-1]:
        reader.feed(packet)
        assert reader.next_message() is None
    reader.feed(packets[-1])
    message = reader.next_message()
    assert message is not None
    [push] = message
    assert b"".join(push.payload) == "\n".join([*lines, ""]).encode()
    assert len(push.payload) > 2
    assert all(piece.endswith(b"\n") for piece in push.payload)
    assert max(map(len, push.payload)) < 2 * MIB
    assert reader.buffered == 0


def turns(reader: JsonReader | JsonStream, data: bytes) -> tuple[int, list[Given]]:
    """Return how often others are served before ``data`` is read, and what it is read as."""
    reader.feed(data)
    count = 0
    while isinstance(message := reader.next_message(), Progress):
        count += 1
    assert message is not None
    return count, given(message)


@pytest.mark.parametrize("reader", [JsonReader, JsonStream])
def test_document_of_many_members_is_read_in_steps(reader: Callable[[int], JsonReader]):
    """The number of steps grows with that of members: none takes longer than another."""
    few, some = turns(reader(LIMIT), json.dumps({f"a{n}": "x" for n in range(2_000)}).encode())
    many, all_ = turns(reader(LIMIT), json.dumps({f"a{n}": "x" for n in range(20_000)}).encode())
    assert some == [Given(f"a{n}", b"x", None) for n in range(2_000)]
    assert all_ == [Given(f"a{n}", b"x", None) for n in range(20_000)]
    assert few >= 4
    assert many >= 9 * few


def test_refusal_in_a_late_step():
    """A document of many members is refused for the last of them."""
    document = dict.fromkeys((f"a{n}" for n in range(1_200)), "x")
    bad = json.dumps(document | {"a1199": "x\0"}).encode()
    assert refusal(JsonReader(LIMIT), bad) == ('nul_byte: the metrics of "a1199" hold a NUL byte')
    assert refusal(JsonReader(LIMIT), json.dumps(document | {"": "x"}).encode()).startswith(
        "bad_name: "
    )


def test_document_of_more_apps_than_there_is_room_for():
    """Is refused before it ends; a name that is given again is no other app."""
    data = b"{" + b",".join(b'"a%d":"x"' % number for number in range(12))
    line = "too_many_apps: the table is full: 10 apps (exporter.max_apps)"
    assert refusal(JsonReader(LIMIT, max_apps=10), data) == line
    again = b"{" + b",".join(b'"a%d":"x"' % (number % 10) for number in range(30)) + b"}"
    assert len(read(JsonStream(LIMIT, max_apps=10), [again]).messages[0]) == 10


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count the bytes that each way of reading is given."""
    counts = {"whole": 0, "pieces": 0}

    def counting(name: str, function: Callable[..., object]) -> Callable[..., object]:
        def count(*arguments: object) -> object:
            counts[name] += len(arguments[-1])
            return function(*arguments)

        return count

    monkeypatch.setattr(
        json_reader, "_decode_documents", counting("whole", json_reader._decode_documents)
    )
    monkeypatch.setattr(JsonStream, "feed", counting("pieces", JsonStream.feed))
    return counts


@pytest.mark.parametrize("size", [1, 7, 100, 1000, 65_536])
def test_no_byte_is_read_more_than_twice(handed_over: dict[str, int], size: int):
    """However documents are cut, each way of reading sees each byte at most once."""
    data = b"".join(b'{"app %d":["x 1","y %d"]}\n' % (n, n) for n in range(2000))
    packets = [data[at : at + size] for at in range(0, len(data), size)]
    assert len(read(JsonReader(LIMIT), packets).messages) == 2000
    assert handed_over["whole"] <= len(data)
    # What follows a document that was cut goes from the one way to the other.
    assert handed_over["pieces"] <= 2 * len(data)


def test_lines_in_large_packets_are_decoded_whole(handed_over: dict[str, int]):
    """Only the documents that packets cut are read in pieces."""
    data = b'{"app":["x 1","y 2"]}\n' * 10_000
    packets = [data[at : at + 65_536] for at in range(0, len(data), 65_536)]
    assert len(read(JsonReader(LIMIT), packets).messages) == 10_000
    assert handed_over["pieces"] < len(data) * 1.2


@pytest.mark.parametrize("form", ['"%s"', '["%s"]', '["x","%s","y"]', '{"metrics":"%s"}'])
def test_nothing_is_kept_to_be_looked_at_again(form: str):
    """Of a document that comes byte by byte no more than a cut escape waits in the input."""
    data = ('{"a":' + form % ("x" * 2000 + "é€😀\\ud83d\\ude00\\n" * 100) + "}").encode()
    stream = JsonStream(LIMIT)
    longest = 0
    for packet in byte_by_byte(data):
        stream.feed(packet)
        longest = max(longest, len(stream._input))
        message = stream.next_message()
    assert message is not None
    assert longest <= 12


def test_64_mib_of_braces_are_refused_at_the_first_packet(handed_over: dict[str, int]):
    """What can't begin a document is not collected."""
    packet = b"}" * 65_536
    assert read(JsonReader(64 * MIB), [packet] * 1024) == Outcome([], "malformed_json")
    assert handed_over == {"whole": 65_536, "pieces": 65_536}
