"""For each finding a payload that has it, and what is read from it.

A payload's other findings are ignored. Families are given by name, with their samples.
"""

from typing import NamedTuple


class Case(NamedTuple):
    """A payload, where its finding is and how often, and the families that can be shown."""

    payload: bytes
    line: int
    families: dict[bytes, bytes]
    count: int = 1


OTHER = b"other 1\n"
KEPT = {b"other": OTHER}


def _bad(lines: bytes, line: int = 1) -> Case:
    """Return a payload of which nothing can be shown but the family ``other``, at its end."""
    return Case(lines + OTHER, line, KEPT)


REPAIRS = {
    "bad_exemplar": Case(
        b"# TYPE a counter\na_total 1 # {x=1} 1\n# EOF\n", 2, {b"a_total": b"a_total 1\n"}
    ),
    "bad_help": Case(b"# HELP 2 things to know\na 1\n", 1, {b"a": b"a 1\n"}),
    "bad_unit": Case(b"# TYPE a gauge\n# UNIT a seconds\na 1\n# EOF\n", 2, {b"a": b"a 1\n"}),
    "byte_order_mark": Case(b"\xef\xbb\xbfa 1\n", 1, {b"a": b"a 1\n"}),
    "carriage_returns": Case(b"a 1\nb 2\r\nb 3\r\n", 2, {b"a": b"a 1\n", b"b": b"b 2\nb 3\n"}, 2),
    "counter_without_total": Case(b"# TYPE a counter\na 1\n# EOF\n", 2, {b"a": b"a 1\n"}),
    "early_eof": Case(b"a 1\n# EOF\nb 1\n# EOF\n", 2, {b"a": b"a 1\n", b"b": b"b 1\n"}),
    "late_metadata": Case(b"a 1\n# TYPE a gauge\n# HELP a Late.\n", 2, {b"a": b"a 1\n"}, 2),
    "metadata_spacing": Case(
        b"#TYPE a gauge\n  # HELP a Text.\n# TYPE b gauge \na 1\n",
        1,
        {b"a": b"a 1\n", b"b": b""},
        3,
    ),
    "missing_eof": Case(b"# TYPE a info\na_info 1\n", 2, {b"a_info": b"a_info 1\n"}),
    "number_spelling": Case(
        b"a inf\na -nan\na +Infinity\na -INF\n", 1, {b"a": b"a +Inf\na NaN\na +Inf\na -Inf\n"}, 4
    ),
    "outer_blanks": Case(b" a 1\n\ta 2\t\n", 1, {b"a": b"a 1\na 2\n"}, 2),
    "repeated_help": Case(b"# HELP a First.\n# HELP a Second.\na 1\n", 2, {b"a": b"a 1\n"}),
    "repeated_type": Case(
        b"# TYPE a gauge\na 1\n# TYPE a counter\na 2\n", 3, {b"a": b"a 1\na 2\n"}
    ),
    "repeated_unit": Case(
        b"# UNIT a_seconds seconds\n# UNIT a_seconds seconds\na_seconds 1\n# EOF\n",
        2,
        {b"a_seconds": b"a_seconds 1\n"},
    ),
    "scattered_samples": Case(
        b"a 1\nb 1\na 2\nb 2\n", 3, {b"a": b"a 1\na 2\n", b"b": b"b 1\nb 2\n"}, 2
    ),
    "timestamp_in_milliseconds": Case(
        b"a 1 1700000000123\n# EOF\n", 1, {b"a": b"a 1 1700000000123\n"}
    ),
    "type_missing": Case(b"# TYPE a\na 1\n", 1, {b"a": b"a 1\n"}),
    "type_spelling": Case(
        b"# TYPE a Gauge\na 1\n# TYPE b unknown\nb 1\n", 1, {b"a": b"a 1\n", b"b": b"b 1\n"}, 2
    ),
    "unknown_escape": Case(
        b'# HELP a C:\\dir\\\na{path="C:\\dir\\\\n\\n\\""} 1\n',
        1,
        {b"a": b'a{path="C:\\\\dir\\\\n\\n\\""} 1\n'},
        2,
    ),
}

TEXT_REPAIRS = {
    "exemplar_in_text": Case(b'a 1 # {x="1"} 1\n', 1, {b"a": b"a 1\n"}),
    "openmetrics_in_text": Case(
        b"# TYPE a info\n# UNIT b_seconds seconds\na_info 1\nb_seconds 1\n",
        1,
        {b"a_info": b"a_info 1\n", b"b_seconds": b"b_seconds 1\n"},
        2,
    ),
}

WARNINGS = {
    "misplaced_sample": Case(
        b'# TYPE a histogram\na 1\na_bucket 1\n# TYPE b summary\nb 1\nb{quantile="1"} 1\n',
        2,
        {b"a": b"a 1\na_bucket 1\n", b"b": b'b 1\nb{quantile="1"} 1\n'},
        3,
    ),
    "old_timestamp": Case(
        b"a 1 1699999700000\na 1 1699999699999\n",
        2,
        {b"a": b"a 1 1699999700000\na 1 1699999699999\n"},
    ),
}

NOTES = {
    "blank_lines": Case(b"\na 1\n \t\n\nb 1\n", 1, {b"a": b"a 1\n", b"b": b"b 1\n"}, 3),
    "comments": Case(
        b"#\n# HELPS a b\na 1\n  # text\n# EOF\nb 1\n", 1, {b"a": b"a 1\n", b"b": b"b 1\n"}, 4
    ),
    "missing_newline": Case(b"a 1\na 2", 2, {b"a": b"a 1\na 2\n"}),
    "quoted_names": Case(
        b'# TYPE "a.b" gauge\n{"a.b"} 1\nc{"d.e"="f"} 1\n{"g",h="i"} 1\n',
        1,
        {b"a.b": b'{"a.b"} 1\n', b"c": b'c{"d.e"="f"} 1\n', b"g": b'g{h="i"} 1\n'},
        3,
    ),
    "samples_without_type": Case(b"a 1\na 2\nb 1\n", 1, {b"a": b"a 1\na 2\n", b"b": b"b 1\n"}, 2),
    "spacing": Case(
        b'a { b = "c" , d="e" }  1\t2\na{}  1\na{b="c"}1\n',
        1,
        {b"a": b'a{b="c",d="e"} 1 2\na 1\na{b="c"} 1\n'},
        3,
    ),
    "trailing_comma": Case(b'a{b="c",} 1\n', 1, {b"a": b'a{b="c"} 1\n'}),
}

QUARANTINES = {
    "bad_bucket": [
        _bad(b'# TYPE a histogram\na_bucket{le="x"} 1\n', 2),
        _bad(b'# TYPE a histogram\na_bucket{le="1"} 1\na_bucket{b="c",le=""} 1\n', 3),
        _bad(b'# TYPE a histogram\na_sum{le="1e400"} 1\n', 2),
    ],
    "bad_label_name": [
        _bad(b'a{b-c="d"} 1\n'),
        _bad(b'a{b:c="d"} 1\n'),
        _bad(b'a{1b="d"} 1\n'),
        _bad(b'a{""="d"} 1\n'),
    ],
    "bad_labels": [
        _bad(b"a{ 1\n"),
        _bad(b"a{b=c} 1\n"),
        _bad(b'a{b="c} 1\n'),
        _bad(b'a{b="c" 1\n'),
        _bad(b'a{b="c"d="e"} 1\n'),
        _bad(b'a{b="c",,d="e"} 1\n'),
        _bad(b'a{,b="c"} 1\n'),
        _bad(b"a{b} 1\n"),
        _bad(b'a{"b"} 1\n'),
        _bad(b'{"a","b"} 1\n'),
    ],
    "bad_name": [
        _bad(b"a.b 1\n"),
        _bad(b"1a 1\n"),
        _bad("\u00e9 1\n".encode()),
        _bad(b"# TYPE a.b gauge\n"),
        _bad(b"<html>\n"),
    ],
    "bad_quantile": [_bad(b'# TYPE a summary\na{quantile="half"} 1\n', 2)],
    "bad_timestamp": [
        _bad(b"a 1 x\n"),
        _bad(b"a 1 1.5\n"),
        _bad(b"a 1 -1\n"),
        _bad(b"a 1 9223372036854775808\n"),
    ],
    "bad_type": [_bad(b"# TYPE a number\na 1\n"), _bad(b"# TYPE a gauge counter\na 1\n")],
    "bad_value": [
        _bad(b"a x\n"),
        _bad(b"a 0x10\n"),
        _bad(b"a 1_000\n"),
        _bad(b"a 1,5\n"),
        _bad(b"a 1e\n"),
        _bad(b"a " + b"1" * 2000 + b"\n"),
    ],
    "duplicate_label": [_bad(b'a{b="c",b="d"} 1\n'), _bad(b'a{b="c" ,"b"="d"} 1\n')],
    "invalid_utf8": [
        _bad(b'a{b="\xff"} 1\n'),
        _bad(b"# HELP a \xff\na 1\n"),
        _bad(b"a\xff 1\n"),
    ],
    "line_too_long": [_bad(b'a{b="' + b"x" * 1_048_576 + b'"} 1\n')],
    "missing_name": [_bad(b'{b="c"} 1\n'), _bad(b"{} 1\n")],
    "missing_value": [_bad(b"a\n"), _bad(b'a{b="c"} \n'), _bad(b"a # 1\n")],
    "nul_byte": [_bad(b'a{b="\0"} 1\n'), _bad(b"# TYPE a gauge\na 1\0\n", 2)],
    "reserved_label": [_bad(b'a{__name__="b"} 1\n'), _bad(b'a{ __b="c"} 1\n')],
    "suffix_clash": [
        Case(
            b"# TYPE a summary\na_count 1\n# TYPE a_count gauge\na_count 2\n" + OTHER,
            3,
            {b"a": b"a_count 1\n", b"other": OTHER},
        ),
        Case(
            b"# TYPE a_bucket gauge\na_bucket 2\n# TYPE a histogram\na_count 1\n" + OTHER,
            3,
            {b"a_bucket": b"a_bucket 2\n", b"other": OTHER},
        ),
    ],
    "too_many": [
        Case(
            b"".join(b"bad%d x\n" % number for number in range(1002)) + OTHER,
            1001,
            KEPT,
        )
    ],
    "too_many_families": [
        Case(b"".join(b"f%d 1\n" % number for number in range(50_600)), 1, {}),
    ],
    "trailing_text": [_bad(b"a 1 2 3\n"), _bad(b"a 1 # text\n"), _bad(b"a 1 2 # text\n")],
    "value_overflow": [_bad(b"a 1e400\n"), _bad(b"a -1e309\n")],
}
