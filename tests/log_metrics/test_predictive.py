"""Which patterns re may have: those that are decided by the next character."""

import re
import time

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.log_metrics.grok import expand
from exporter_proxy.log_metrics.line_format import LINE, Re2Format
from exporter_proxy.log_metrics.predictive import group_names, literal_text, predictive
from exporter_proxy.log_metrics.regex_syntax import UnjudgedError, parse
from tests.log_metrics.counting import rows

DECIDED = [
    r"(?P<a>[^ ]+) (?P<b>[0-9]+)",
    r"^(?P<a>\w+)=(?P<b>\d+);$",
    r'"(?P<a>[^"]*)" (?P<b>\S+)',
    r"(?:x(?P<a>\d+)|y(?P<b>\d+)|z)?end",
    r"a{2}(?P<a>b{1,3})c",
    r"(?P<a>(?:[a-z]+,)*)[0-9]",
    r"(?P<a>.*)",
    r"a(?P<a>.*?)$",
    r"^(?:(?P<a>[a-y]+):)?(?P<b>\d*)$",
    r"(?P<a>é+)x",
    r"\[(?P<a>[^\]]*)\]\.(?P<b>[+-]?\d)",
]
UNDECIDED = [
    r"(?P<a>.*) (?P<b>\d+)",
    r"(?P<a>.*?)x",
    r"(?:a+)+b",
    r"(?:a|ab)c",
    r"(a*)*",
    r"(?:|a)b",
    r"\w+\d",
    r"(?i)a",
    r"\bword",
    r"a|b$",
    r"^a|b",
    r"(?P<a>x)+",
    r"\pN",
    r"[[:alpha:]]",
    r"[é]",
    r"a{1,2}?",
]


def accelerated(pattern: str) -> bool:
    try:
        predictive(parse(pattern), ("a", "b"))
    except UnjudgedError:
        return False
    return True


@pytest.mark.parametrize("pattern", DECIDED)
def test_decided_by_the_next_character(pattern):
    assert accelerated(pattern)


@pytest.mark.parametrize("pattern", UNDECIDED)
def test_left_to_re2(pattern):
    assert not accelerated(pattern)


def by_re2_alone(pattern: str, text: str) -> list[tuple[str, ...]]:
    """Return what RE2 finds in each line."""
    regex = re2.compile(pattern)
    found = (regex.search(line) for line in text.split("\n")[:-1])
    return [
        tuple((match.group(name) or "") for name in ("a", "b") if name in regex.groupindex)
        for match in found
        if match is not None
    ]


ALPHABET = 'abcdxyz019 ,;=:."[]-é\t\r'


@given(
    st.sampled_from([each for each in [*DECIDED, *UNDECIDED] if "(?P<" in each]),
    st.lists(
        st.text(ALPHABET, max_size=12)
        | st.sampled_from(
            ['"a b" c', "x1end", "y2end", "aabbc", "a,b,1", "ab=1;", "[q].+1", "x: 7"]
        ),
        max_size=8,
    ),
)
def test_finds_what_re2_finds(pattern, lines):
    text = "".join(f"{line}\n" for line in lines)
    line_format = Re2Format(pattern, ("a", "b"))

    found = line_format.find(text)

    assert rows(found, *sorted(line_format.groups)) == by_re2_alone(pattern, text)
    assert found.lines == len(lines)


ATOMS = st.sampled_from(
    ["a", "b", "[ab]", "[^a]", "\\d", "\\w", ".", " ", "\\.", "[a-c]", "(?P<a>x)", "(?P<b>[^ ]*)"]
)


@st.composite
def patterns(draw: st.DrawFn) -> str:
    """Return a pattern that may or may not be decided."""
    inner = st.recursive(
        ATOMS,
        lambda part: (
            st.lists(part, min_size=1, max_size=3).map("".join)
            | st.lists(part, min_size=2, max_size=3).map(lambda each: f"(?:{'|'.join(each)})")
            | st.tuples(part, st.sampled_from(["*", "+", "?", "{2}", "*?", "{1,2}"])).map(
                lambda pair: f"(?:{pair[0]}){pair[1]}"
            )
        ),
        max_leaves=6,
    )
    pattern = draw(inner)
    for name in ("a", "b"):  # each name once
        first, mark, rest = pattern.partition(f"(?P<{name}>")
        pattern = first + mark + rest.replace(f"(?P<{name}>", "(?:")
    return draw(st.sampled_from(["", "^"])) + pattern + draw(st.sampled_from(["", "$"]))


@given(patterns(), st.lists(st.text("abcx1. ", max_size=8), max_size=6))
def test_any_pattern_finds_what_re2_finds(pattern, lines):
    text = "".join(f"{line}\n" for line in lines)
    line_format = Re2Format(pattern, ("a", "b"))

    found = line_format.find(text)

    assert rows(found, *sorted(line_format.groups)) == by_re2_alone(pattern, text)


@given(patterns())
def test_literal_text_is_in_whatever_matches(pattern):
    try:
        literal = literal_text(parse(pattern).node)
    except UnjudgedError:
        return
    regex = re2.compile(pattern)
    for line in ("", "a", "ab", "xx", "a b", "1.", "abcx1. ", "aabb"):
        assert regex.search(line) is None or literal in line


@pytest.mark.parametrize(
    ("pattern", "pumped"),
    [
        (expand("%{COMBINEDAPACHELOG}", {}), '1.1.1.1 - - [22/Nov/2026:10:00:00 +0000] "GET {} HT'),
        (r"^(?P<a>[^ ]+) (?P<b>(?:[a-z]+,)*)[0-9]$", "x {}!"),
        (r"(?P<a>.*) (?P<b>.*) (?P<c>.*)x", "{}"),
    ],
)
def test_hostile_lines_take_time_in_proportion(pattern, pumped):
    """Sixteen times the line takes about sixteen times as long; were it quadratic, 256 times."""
    line_format = Re2Format(pattern, ("a", "b", LINE))

    def seconds(size: int) -> float:
        text = pumped.replace("{}", "a,b a" * size) + "\n"
        return min(_timed(line_format, text) for _ in range(5))

    assert seconds(16 * 4_000) < 80 * max(seconds(4_000), 2e-5)


def _timed(line_format: Re2Format, text: str) -> float:
    start = time.thread_time()
    line_format.find(text)
    return time.thread_time() - start


def test_common_formats_are_decided():
    """Those that most people will write, so that they are fast."""
    for pattern in (
        "%{SYSLOGLINE}",
        "%{COMBINEDAPACHELOG}",
        "%{IP:a} %{WORD:b}",
        "%{TIMESTAMP_ISO8601:a} %{GREEDYDATA:b}",
    ):
        parsed = parse(expand(pattern, {}))
        assert re.compile(predictive(parsed, tuple(group_names(parsed.node)[:2])))
