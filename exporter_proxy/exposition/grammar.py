"""Patterns and small checks that the readers of both formats share.

Text format 0.0.4 and OpenMetrics 1.0. Every pattern for Python's ``re`` is possessive where it
repeats, so that none can backtrack for longer than the line is.
"""

import re
from typing import Final

from exporter_proxy.errors import quote
from exporter_proxy.exposition.model import FamilyType

NAME: Final = rb"[a-zA-Z_:][a-zA-Z0-9_:]*+"
LABEL: Final = rb"[a-zA-Z_][a-zA-Z0-9_]*+"
_PAIR = LABEL + rb'="(?:[^"\\\n]++|\\[\\n"])*+"'
# Labels as every reader takes them; only names may still be doubled or reserved.
LABEL_SET: Final = _PAIR + rb"(?:," + _PAIR + rb")*+"
QUOTED: Final = rb'"((?:[^"\\]++|\\.)*+)"'
# What every reader takes for a finite number, whatever its digits: at most 20 before the point and
# two of exponent can't overflow.
SAFE_VALUE: Final = (
    rb"(?:[+-]?+[0-9]{1,20}+(?:\.[0-9]*+)?+(?:[eE][+-]?+[0-9]{1,2}+)?+|[+-]?+Inf|NaN)"
)

LABEL_PAIRS = re.compile(rb"(" + LABEL + rb')="((?:[^"\\]++|\\.)*+)"', re.DOTALL)
NAME_ALONE = re.compile(NAME)
LABEL_ALONE = re.compile(LABEL)
DECIMAL = re.compile(rb"[+-]?+(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?+[0-9]++)?+")
_GO_SPECIAL = re.compile(rb"(?i:[+-]?+inf(?:inity)?+|nan)")
# The longest number that anything prints is some 330 digits (%f of the largest float).
_LONGEST_NUMBER = 1_000
LONGEST_LINE = 1_048_576
# A line has place for more than a hundred thousand, which would take a tenth of a second to read.
MOST_LABELS = 5_000
"""Of one sample."""
LARGEST_TIMESTAMP = 2**63 - 1

_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_UNESCAPED = {b"n": b"\n", b"\\": b"\\", b'"': b'"'}

TYPES: Final[dict[bytes, FamilyType]] = {
    b"counter": "counter",
    b"gauge": "gauge",
    b"histogram": "histogram",
    b"summary": "summary",
    b"untyped": "untyped",
    b"unknown": "untyped",
    b"gaugehistogram": "gaugehistogram",
    b"info": "info",
    b"stateset": "stateset",
}
SPECIAL: Final[dict[FamilyType, bytes]] = {
    "histogram": b"le",
    "gaugehistogram": b"le",
    "summary": b"quantile",
}
"""The label that tells the samples of a histogram's or summary's series apart."""
OPENMETRICS_TYPES: Final = frozenset({b"gaugehistogram", b"info", b"stateset"})


class LineError(Exception):
    """A line can't be read; ``reason`` is a quarantine of the table of findings."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def check_value(token: bytes) -> bytes:
    """Return a sample's value as every reader takes it.

    Raises:
        LineError: ``bad_value`` or ``value_overflow``.
    """
    if len(token) <= _LONGEST_NUMBER:
        if DECIMAL.fullmatch(token):
            if float(token) in _INFINITE:
                raise LineError("value_overflow", f"value {shown(token)} is too large for a float")
            return token
        special = _SPECIAL.get(token.lower())
        if special is not None:
            return token if token in _CANONICAL else special
    raise LineError("bad_value", f"value {shown(token)} is not a number")


_INFINITE = (float("inf"), float("-inf"))
_CANONICAL = frozenset({b"Inf", b"+Inf", b"-Inf", b"NaN"})
_SPECIAL = {
    sign + word: result
    for word, results in {
        b"inf": (b"+Inf", b"+Inf", b"-Inf"),
        b"infinity": (b"+Inf", b"+Inf", b"-Inf"),
        b"nan": (b"NaN", b"NaN", b"NaN"),
    }.items()
    for sign, result in zip((b"", b"+", b"-"), results, strict=True)
}


def is_go_float(token: bytes) -> bool:
    """Tell whether Go's ParseFloat reads ``token``, as it must a bucket's ``le``."""
    if len(token) > _LONGEST_NUMBER:
        return False
    if DECIMAL.fullmatch(token):
        return float(token) not in _INFINITE
    return _GO_SPECIAL.fullmatch(token) is not None


def unescape(text: bytes) -> bytes:
    r"""Return what ``\\``, ``\"`` and ``\n`` stand for; any other backslash is itself."""
    if b"\\" not in text:
        return text
    if b"\0" in text:
        return _ESCAPED.sub(lambda m: _UNESCAPED.get(m[1], m[0]), text)
    # A text of nothing but escapes would be half a million calls of a function a mebibyte.
    return (
        text.replace(b"\\\\", b"\0")
        .replace(b"\\n", b"\n")
        .replace(b'\\"', b'"')
        .replace(b"\0", b"\\")
    )


def escape(text: bytes) -> bytes:
    """Return ``text`` as it stands between double quotes."""
    return text.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b'"', b'\\"')


def mend_escapes(text: bytes, known: tuple[bytes, ...]) -> bytes:
    r"""Double each backslash that escapes neither a backslash nor one of ``known``.

    What is escaped does not escape: of ``\\d`` the first backslash escapes the second. One at the
    end is left as it is.
    """
    if b"\0" in text:
        return _ESCAPED.sub(lambda m: m[0] if m[1] in (b"\\", *known) else b"\\" + m[0], text)
    text = text.replace(b"\\\\", b"\0")
    end = b"\\" if text.endswith(b"\\") else b""
    text = text.removesuffix(b"\\").replace(b"\\", b"\\\\")
    for character in known:
        text = text.replace(b"\\\\" + character, b"\\" + character)
    return text.replace(b"\0", b"\\\\") + end


def escape_help(text: bytes) -> bytes:
    """Return ``text`` as HELP has it in the text format, where quotes stand for themselves."""
    return text.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")


def shown(text: bytes, limit: int = 60) -> str:
    """Return ``text`` in quotes on one printable line of at most ``limit`` characters."""
    # A character has four bytes at most.
    return quote(text[: 4 * limit + 4].decode(errors="backslashreplace"), limit)
