"""What is found quickly is what the strict pattern finds, whatever the lines are."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.log_metrics.line_format import OwnFormat
from exporter_proxy.log_metrics.log_format import log_format_pattern
from exporter_proxy.log_metrics.presets import ACCESS_LINES
from exporter_proxy.log_metrics.quick import quick_source
from tests.log_metrics.counting import rows

COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent"'
)
SOURCES = {**ACCESS_LINES, "own": log_format_pattern(COMBINED)}
LINE = (
    '10.0.0.1 - - [22/May/2022:10:00:00 +0000] "GET /a HTTP/1.1" 200 512 "http://x/" "curl/8" 0.5'
)
PIECES = st.sampled_from(
    [
        LINE,
        LINE,
        '"',
        " ",
        "\\",
        '\\"',
        "\n",
        "GET /",
        "200",
        "0.5",
        "x" * 300,
        " - ",
        LINE[:60],
        LINE[60:],
    ]
)


def strict_rows(source: str, groups: list[str], text: str) -> list[tuple[str, ...]]:
    """Return what the pattern itself finds, line by line."""
    pattern = re.compile(rf"{source}\n")
    found = [pattern.fullmatch(f"{line}\n") for line in text.split("\n")[:-1]]
    return [tuple(match[name] or "" for name in groups) for match in found if match]


@pytest.mark.parametrize("name", SOURCES)
@given(st.lists(PIECES, max_size=40))
def test_finds_what_the_strict_pattern_finds(name: str, pieces: list[str]):
    """Also where quotes, backslashes and line breaks are where they shouldn't be."""
    source = SOURCES[name]
    assert quick_source(source)
    text = "".join(pieces) + "\n"
    groups = re.findall(r"\(\?P<(\w+)>", source)
    line_format = OwnFormat(source, groups)

    for _ in range(2):
        found = line_format.find(text, text.count("\n"))
        assert found == line_format.find(text)
        expected = strict_rows(source, groups, text)
        assert rows(found, *groups) == expected
        assert (found.events, found.lines) == (len(expected), text.count("\n"))


@pytest.mark.parametrize("odd", ["\\", '"', "x", "\n", "x" * 300], ids=repr)
def test_an_odd_line_costs_its_neighbours_nothing(odd: str):
    """What is before and after a line that can't be found quickly is found in its order."""
    text = "".join(
        LINE.replace("512", str(size)) + (odd if size % 700 == 3 else "") + "\n"
        for size in range(3000)
    )
    found = OwnFormat(ACCESS_LINES["nginx"], ["body_bytes_sent"]).find(text)

    expected = strict_rows(ACCESS_LINES["nginx"], ["body_bytes_sent"], text)
    assert rows(found, "body_bytes_sent") == expected
    assert len(expected) == 3000


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize(
    "line", ["", '"', "x", '"GET ', '" 200 1 "', "x" * 150 + '"', LINE[:-10]], ids=repr
)
def test_hostile_lines_cost_little(name: str, line: str):
    """A megabyte of lines that are hard to find the end of takes no more than other lines do."""
    line_format = OwnFormat(SOURCES[name], ["status"])
    text = f"{line}\n" * (2**20 // (len(line) + 1))
    began = time.thread_time()
    line_format.find(text)

    assert time.thread_time() - began < 2
