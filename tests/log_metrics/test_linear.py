"""Patterns of ours for re can't backtrack: by their form, and by the clock."""

import re
import time

import pytest

from exporter_proxy.log_metrics.log_format import log_format_pattern
from exporter_proxy.log_metrics.presets import ACCESS_LINES, SSHD_LINE
from exporter_proxy.log_metrics.rsyncd.lines import row_finder
from exporter_proxy.log_metrics.rsyncd.transfer_line import DEFAULT, transfer_pattern
from tests.log_metrics.counting import counter

COMBINED = '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_x"'
SOURCES = {
    "rsyncd": row_finder(transfer_pattern(DEFAULT, "")).__self__.pattern,
    "rsyncd format": transfer_pattern("%t|%p|%o|%-5m|%f %l", ""),
    "sshd": SSHD_LINE,
    **ACCESS_LINES,
    "nginx format": log_format_pattern(COMBINED),
    "apache format": log_format_pattern('%h %l %u %t "%r" %>s %b "%{Referer}i" %D'),
}
_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(\*|\?(?![:P=!<>])|\+|\{[0-9]*(?:,[0-9]*)?\})(\+)?|.",
    re.DOTALL,
)


def loose(source: str) -> list[str]:
    """Return the quantifiers that leave a choice and aren't possessive, with what follows them."""
    found = []
    for match in _TOKEN.finditer(source):
        quantifier, possessive = match[1], match[2]
        before = source[match.start() - 1] if match.start() else ""
        if quantifier is None or (quantifier == "?" and before == "("):
            continue
        is_fixed = quantifier.startswith("{") and "," not in quantifier
        if not possessive and not is_fixed:
            found.append(source[match.start() - 5 : match.end() + 10])
    return found


def test_the_check_sees_what_is_not_possessive():
    assert len(loose(r"a*b")) == 1
    assert loose(r"[*+?]{2}\*(?:x)(?P<a>y)(?=z)a++b*+c?+d{1,2}+") == []
    assert len(loose(r"[^*]+ a{1,2} b? (?:c)*")) == 4


@pytest.mark.parametrize("name", SOURCES)
def test_every_quantifier_is_possessive(name):
    """What was matched is never given back: each repetition goes over a character once."""
    assert loose(SOURCES[name]) == []


PUMPS = [
    "{}",
    "2026/11/22 10:07:11 [7] {}",
    "2026/11/22 10:07:11 [7] rsync on {}",
    "2026/11/22 10:07:11 [7] sent {}",
    "2026/11/22 10:07:11 [7] send h [::1] {}",
    "Nov 22 10:00:00 host sshd[7]: {}",
    "Nov 22 10:00:00 {}",
    "[ {}",
    '::1 - - [x] "{}',
    '::1 - - [x] "GET / HTTP/1.1" 200 5 "{}',
]


@pytest.mark.parametrize("preset", ["rsyncd", "nginx", "apache", "sshd"])
@pytest.mark.parametrize("unit", ["1", " ", "a", "[", '"', "\\", ",1", "/", "::", "\\x", " [1] "])
def test_hostile_lines_take_time_in_proportion(preset, unit):
    """Sixteen times the line takes about sixteen times as long; were it quadratic, 256 times."""

    def seconds(size: int) -> float:
        block = "".join(pump.replace("{}", unit * size) + "\n" for pump in PUMPS).encode()
        return min(_timed(preset, block) for _ in range(3))

    assert seconds(16 * 1_000) < 100 * max(seconds(1_000), 2e-5)


def test_many_short_lines_that_begin_like_others_take_time_in_proportion():
    """Quiet lines are gone over together: not again for each of them."""
    line = "2026/11/22 10:07:11 [7] building file list\n"

    def seconds(lines: int) -> float:
        block = (line * lines + "2026/11/22 10:07:11 [7] x\n").encode()
        return min(_timed("rsyncd", block) for _ in range(3))

    assert seconds(16 * 500) < 100 * max(seconds(500), 2e-5)


def _timed(preset: str, block: bytes) -> float:
    counted = counter(preset=preset)
    start = time.thread_time()
    counted.feed(block)
    return time.thread_time() - start
