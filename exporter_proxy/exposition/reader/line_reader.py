"""One line with a sample, read forgivingly: what :mod:`slow_text` can't take as it stands."""

import re
from typing import NamedTuple

from exporter_proxy.exposition.findings import FindingReason
from exporter_proxy.exposition.grammar import (
    LABEL,
    LABEL_ALONE,
    LABEL_PAIRS,
    LABEL_SET,
    MOST_LABELS,
    NAME,
    NAME_ALONE,
    QUOTED,
    SAFE_VALUE,
    LineError,
    check_value,
    escape,
    mend_escapes,
    shown,
    unescape,
)
from exporter_proxy.exposition.reader.dialect import (
    Dialect,
    in_seconds,
    openmetrics_timestamp,
    text_timestamp,
)

_BLANKS = rb"[ \t]*+"
# A label; or, without what follows its name, a metric name in quotes.
_ITEM = re.compile(
    _BLANKS
    + rb"(?:("
    + LABEL
    + rb")|"
    + QUOTED
    + rb")"
    + _BLANKS
    + rb"(=)?+(?:(?<==)"
    + _BLANKS
    + QUOTED
    + _BLANKS
    + rb")?+([,}])",
    re.DOTALL,
)
# A line that needs no change, but for its timestamp and exemplar.
_USUAL = re.compile(
    rb"(("
    + NAME
    + rb")(?:\{("
    + LABEL_SET
    + rb")\})?+) ("
    + SAFE_VALUE
    + rb")(?: ([0-9][0-9.]*+))?+(?: (#.*+))?+"
)
_USUAL_EXEMPLAR = re.compile(
    rb"# \{(" + LABEL_SET + rb")?+\} (" + SAFE_VALUE + rb")(?: ([0-9][0-9.]*+))?+"
)
_CLOSE = re.compile(_BLANKS + rb"\}")
_BAD_LABEL = re.compile(_BLANKS + rb'([^="{},]*+)=' + _BLANKS + rb'"')
_FIRST_TOKEN = re.compile(rb"[^ \t{]*+")
_TAIL = re.compile(_BLANKS + rb"([^ \t]++)(?:[ \t]++([^ \t#][^ \t]*+))?+" + _BLANKS + rb"(#.*+)?+")
_EXEMPLAR = re.compile(rb"#" + _BLANKS + rb"\{")

# What OpenMetrics allows in names and values of an exemplar's labels together.
_EXEMPLAR_CHARACTERS = 128
LONGEST_GUESS = 256
"""Bytes of a name that is made out of a line that can't be read."""


# Labels in less can't be too many: a name, an equals sign, two quotes and a comma each.
LONGEST_SET = 5 * MOST_LABELS


class Labels(NamedTuple):
    """A label set.

    Attributes:
        pairs: Names as raw UTF-8; values with their escapes.
        metric: The metric name that stands in quotes among the labels, as raw UTF-8.
        end: The position after the closing brace.
    """

    pairs: dict[bytes, bytes]
    metric: bytes | None
    end: int


class Sample(NamedTuple):
    """A sample's line.

    Attributes:
        name: Raw UTF-8.
        labels: Values with their escapes.
        text: The line in the text format.
        openmetrics: The same in OpenMetrics, without exemplar and newline.
        timestamp: In milliseconds.
        exemplar: As OpenMetrics has it, from its ``#`` on.
        quoted: Whether a name needs quotes, if only in the exemplar.
        notes: What had to be done to the line.
    """

    name: bytes
    labels: dict[bytes, bytes]
    text: bytes
    openmetrics: bytes
    timestamp: int | None
    exemplar: bytes | None
    quoted: bool
    notes: list[FindingReason]


def guess_name(line: bytes) -> bytes:
    """Return the metric name that a line seems to have, if it is one that can be shown."""
    line = line.strip(b" \t\r")
    token = _first_token(line)
    if not token and (item := _ITEM.match(line, 1)) and not item[3]:
        token = unescape(item[2] or b"")
    return token if len(token) <= LONGEST_GUESS and _is_text(token) else b""


def read_sample(line: bytes, dialect: Dialect) -> Sample:
    """Read a line, without its newline, that is neither blank nor a comment.

    Raises:
        LineError: With the reason for which its family can't be shown.
    """
    notes: list[FindingReason] = []
    usual = _USUAL.fullmatch(line)
    if usual is not None:
        series, name, listed, value, stamp, tail = usual.groups()
        labels = _usual_labels(listed)
        quoted = False
    else:
        name, labels, value, stamp, tail = _tokens(line, notes)
        series, quoted = write_series(name, labels)
        if quoted:
            notes.append("quoted_names")
    timestamp, text_tail, openmetrics_tail = _timestamp(stamp, dialect, notes)
    exemplar = None
    if tail:
        exemplar, quoted_there = _exemplar(tail, notes)
        if quoted_there and not quoted:
            quoted = True
            notes.append("quoted_names")
    sample = series + b" " + value
    if not notes:
        as_read = sample + (openmetrics_tail if dialect.seconds else text_tail)
        if as_read != (line if exemplar is None else line[: len(as_read)]):
            notes.append("spacing")
    return Sample(
        name,
        labels,
        sample + text_tail + b"\n",
        sample + openmetrics_tail,
        timestamp,
        exemplar,
        quoted,
        notes,
    )


def check_number(listed: bytes) -> None:
    """Look that a set that is well formed does not have too many labels.

    Raises:
        LineError: It has.
    """
    # Counted twice where a value ends with an equals sign.
    count = listed.count(b'="')
    if count > 2 * MOST_LABELS or (
        count > MOST_LABELS and len(LABEL_PAIRS.findall(listed)) > MOST_LABELS
    ):
        raise too_many_labels()


def _usual_labels(listed: bytes | None) -> dict[bytes, bytes]:
    """Return the labels of a set that is well formed, values with their escapes."""
    if listed is None:
        return {}
    if len(listed) > LONGEST_SET:
        check_number(listed)
    pairs = LABEL_PAIRS.findall(listed)
    labels: dict[bytes, bytes] = dict(pairs)
    if len(labels) != len(pairs) or b"__" in listed:
        known: dict[bytes, bytes] = {}
        for name, value in pairs:
            _check_label(name, known)
            known[name] = value
    return labels


def _tokens(
    line: bytes, notes: list[FindingReason]
) -> tuple[bytes, dict[bytes, bytes], bytes, bytes | None, bytes | None]:
    """Return name, labels, value, timestamp and what may be an exemplar."""
    stripped = line.strip(b" \t\r")
    if stripped != line:
        notes.append("outer_blanks")
    name, labels, end = _name_and_labels(stripped, notes)
    tail = _TAIL.fullmatch(stripped, end)
    if tail is None and stripped[end:].strip(b" \t"):
        raise LineError("trailing_text", f"{shown(stripped[end:])} is not a value and a timestamp")
    if tail is None or tail[1].startswith(b"#"):
        raise LineError("missing_value", "a sample has no value")
    value = check_value(tail[1])
    if value != tail[1]:
        notes.append("number_spelling")
    return name, labels, value, tail[2], tail[3]


def _name_and_labels(
    line: bytes, notes: list[FindingReason]
) -> tuple[bytes, dict[bytes, bytes], int]:
    name = _first_token(line)
    end = len(name)
    if name and not NAME_ALONE.fullmatch(name):
        raise LineError("bad_name", f"{shown(name)} is not a metric name")
    # there may be blanks between the name and the brace, or no brace at all
    brace = len(line) - len(line[end:].lstrip(b" \t"))
    if line[brace : brace + 1] != b"{":
        return name, {}, end
    labels = read_labels(line, brace + 1, notes)
    if labels.metric is not None:
        if name:
            raise LineError("bad_labels", f"a second name {shown(labels.metric)} among the labels")
        name = labels.metric
    if not name:
        raise LineError("missing_name", "labels without a metric name")
    return name, labels.pairs, labels.end


def read_labels(line: bytes, position: int, notes: list[FindingReason]) -> Labels:
    """Read a label set whose brace is before ``position``.

    Raises:
        LineError: The set can't be read, or no reader would take it.
    """
    pairs: dict[bytes, bytes] = {}
    metric: bytes | None = None
    closed = _CLOSE.match(line, position)
    while closed is None:
        item = _ITEM.match(line, position)
        if item is None:
            raise _bad_item(line, position)
        plain, quoted, equals, value, separator = item.groups()
        position = item.end()
        if not equals or value is None:
            if equals or plain is not None or metric is not None or not quoted:
                raise LineError("bad_labels", f"no label value in {shown(item[0])}")
            metric = unescape(quoted)
        else:
            name = plain if plain is not None else unescape(quoted)
            _check_label(name, pairs)
            if len(pairs) >= MOST_LABELS:
                raise too_many_labels()
            pairs[name] = _mend(value, notes)
        if separator == b"}":
            return Labels(pairs, metric, position)
        closed = _CLOSE.match(line, position)
        if closed is not None:
            notes.append("trailing_comma")
    return Labels(pairs, metric, closed.end())


def too_many_labels() -> LineError:
    """Return the error for a sample with more labels than are read."""
    return LineError("bad_labels", f"a sample has more than {MOST_LABELS} labels")


def _bad_item(line: bytes, position: int) -> LineError:
    bad = _BAD_LABEL.match(line, position)
    if bad is not None and not LABEL_ALONE.fullmatch(name := bad[1].strip(b" \t")):
        return LineError("bad_label_name", f"{shown(name)} is not a label name")
    return LineError("bad_labels", f"no label can be read from {shown(line[position:])}")


def _check_label(name: bytes, pairs: dict[bytes, bytes]) -> None:
    if not name:
        raise LineError("bad_label_name", "a label name is empty")
    if name.startswith(b"__"):
        raise LineError("reserved_label", f"label name {shown(name)} is reserved")
    if name in pairs:
        raise LineError("duplicate_label", f"label {shown(name)} is given twice")


def _mend(value: bytes, notes: list[FindingReason]) -> bytes:
    mended = mend_escapes(value, (b"n", b'"')) if b"\\" in value else value
    if mended != value:
        notes.append("unknown_escape")
    return mended


def _timestamp(
    token: bytes | None, dialect: Dialect, notes: list[FindingReason]
) -> tuple[int | None, bytes, bytes]:
    """Return milliseconds, and what follows the value in the text format and in OpenMetrics."""
    if token is None:
        return None, b"", b""
    if not dialect.seconds:
        timestamp = text_timestamp(token)
        return timestamp, b" %d" % timestamp, b" " + in_seconds(timestamp)
    timestamp, milliseconds = openmetrics_timestamp(token)
    if milliseconds:
        notes.append("timestamp_in_milliseconds")
        token = in_seconds(timestamp)
    return timestamp, b" %d" % timestamp, b" " + token


def _exemplar(text: bytes, notes: list[FindingReason]) -> tuple[bytes | None, bool]:
    """Return an exemplar as OpenMetrics has it, and whether a name in it needs quotes.

    None if it can't be read.

    Raises:
        LineError: It does not look like one at all.
    """
    start = _EXEMPLAR.match(text)
    if start is None:
        raise LineError("trailing_text", f"{shown(text)} follows a sample")
    try:
        return _read_exemplar(text, start.end())
    except LineError:
        notes.append("bad_exemplar")
        return None, False


def _read_exemplar(text: bytes, position: int) -> tuple[bytes, bool]:
    usual = _USUAL_EXEMPLAR.fullmatch(text)
    if usual is not None and (usual[3] is None or not openmetrics_timestamp(usual[3])[1]):
        _check_length(_usual_labels(usual[1]))
        return text, False
    labels = read_labels(text, position, [])
    tail = _TAIL.fullmatch(text, labels.end)
    if tail is None or tail[3] or labels.metric is not None:
        raise LineError("trailing_text", "not the value and timestamp of an exemplar")
    _check_length(labels.pairs)
    items, quoted = _write_labels(labels.pairs)
    written = b"# {" + b",".join(items) + b"} " + check_value(tail[1])
    if tail[2] is not None:
        timestamp, milliseconds = openmetrics_timestamp(tail[2])
        written += b" " + (in_seconds(timestamp) if milliseconds else tail[2])
    return written, quoted


def _check_length(labels: dict[bytes, bytes]) -> None:
    written = b"".join([name + unescape(value) for name, value in labels.items()])
    if len(written) > _EXEMPLAR_CHARACTERS and len(written.decode()) > _EXEMPLAR_CHARACTERS:
        raise LineError("bad_labels", "an exemplar's labels are too long")


def write_series(name: bytes, labels: dict[bytes, bytes]) -> tuple[bytes, bool]:
    """Return a series as both formats write it, and whether a name needs quotes."""
    items, quoted = _write_labels(labels)
    if not NAME_ALONE.fullmatch(name):
        return b'{"' + b",".join([escape(name) + b'"', *items]) + b"}", True
    return (name + b"{" + b",".join(items) + b"}" if items else name), quoted


def _write_labels(labels: dict[bytes, bytes]) -> tuple[list[bytes], bool]:
    items = []
    quoted = False
    for name, value in labels.items():
        if LABEL_ALONE.fullmatch(name):
            items.append(name + b'="' + value + b'"')
        else:
            quoted = True
            items.append(b'"' + escape(name) + b'"="' + value + b'"')
    return items, quoted


def _first_token(line: bytes) -> bytes:
    match = _FIRST_TOKEN.match(line)
    assert match is not None  # it may be empty
    return match[0]


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in name
