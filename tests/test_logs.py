"""How log lines look."""

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy import logs
from tests.proxy_process import ROOT
from tests.terminal import Terminal

TIME = 1795327200.1239  # 2026-11-22T06:00:00Z and a little


def record(message: str, *args: object, exc_info: object = None) -> logging.LogRecord:
    """Return a record of a known time."""
    made = logging.LogRecord(
        "exporter_proxy.proxy", logging.INFO, __file__, 1, message, args, exc_info
    )
    made.created = TIME
    return made


def raised(raiser: Callable[[], object]) -> object:
    """Return what a log call with ``exc_info`` would carry."""
    try:
        raiser()
    except Exception:  # noqa: BLE001 - whatever the test raises
        return sys.exc_info()
    raise AssertionError("nothing was raised")


def test_text_line():
    """UTC with milliseconds, level, logger, message."""
    line = logs.TextFormatter().format(record("listening: address=%s", "[::1]:6555"))

    assert line == (
        "2026-11-22T06:00:00.123Z INFO exporter_proxy.proxy listening: address=[::1]:6555"
    )


def test_json_line():
    """The same as an object; no exception, no key for it."""
    line = logs.JsonFormatter().format(record("listening: address=%s", "é"))

    assert json.loads(line) == {
        "time": "2026-11-22T06:00:00.123Z",
        "level": "INFO",
        "logger": "exporter_proxy.proxy",
        "message": "listening: address=é",
    }
    assert line.isascii()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", r"a\nb"),
        ("a\r\n\tb", r"a\r\n\tb"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x85\u2028\u2029", r"\x85\u2028\u2029"),
        ("\u202eright to left", r"\u202eright to left"),
        ("\ud800", r"\ud800"),
        ("dépôt 温度", "dépôt 温度"),
    ],
)
def test_escapes_what_is_not_printable(text, shown):
    """Other scripts stay readable."""
    assert shown == logs.one_line(text)


def test_traceback_follows_indented():
    """Also where its message holds what looks like a record."""
    forged = "2026-11-22T06:00:00.123Z ERROR exporter_proxy forged"

    def fail() -> None:
        raise ValueError(f"first\n{forged}\x1b")

    text = logs.TextFormatter().format(record("broke", exc_info=raised(fail)))

    first, *rest = text.split("\n")
    assert first == "2026-11-22T06:00:00.123Z INFO exporter_proxy.proxy broke"
    assert rest[0] == "    Traceback (most recent call last):"
    assert rest[-2:] == ["    ValueError: first", f"    {forged}\\x1b"]
    assert all(line.startswith("    ") for line in rest)


def test_traceback_in_json_is_one_field():
    """With its line breaks, which JSON escapes."""

    def fail() -> None:
        raise ValueError("no")

    line = logs.JsonFormatter().format(record("broke", exc_info=raised(fail)))

    assert "\n" not in line
    assert json.loads(line)["exception"].endswith("\nValueError: no")


def test_stack_is_shown_too():
    """As a traceback is."""
    made = record("here")
    made.stack_info = "Stack (most recent call last):\n  here"

    assert (
        logs.TextFormatter()
        .format(made)
        .endswith("here\n    Stack (most recent call last):\n      here")
    )


@given(st.text(st.characters()))
def test_no_argument_makes_a_second_line(text):
    """Neither form, whatever is logged; JSON gives it back as it was."""
    made = record("app=%s", text)

    assert logs.TextFormatter().format(made).isprintable()
    line = logs.JsonFormatter().format(made)
    assert len(line.splitlines()) == 1
    assert json.loads(line)["message"] == f"app={text}"


def test_configure_writes_to_standard_error(capsys):
    """From the level on that was asked for."""
    logs.configure("warning", "text")
    logger = logging.getLogger("exporter_proxy.test")

    logger.info("not this")
    logger.warning("but this: source=%s", "x")

    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING exporter_proxy\.test but this: source=x\n",
        capsys.readouterr().err,
    )


def test_configure_again_replaces_what_it_set_up(capsys):
    """One line a record, in the form asked for last; other handlers stay."""
    others = list(logging.getLogger().handlers)
    logs.configure("debug", "text")
    logs.configure("debug", "json")

    logging.getLogger("exporter_proxy.test").debug("once")

    assert json.loads(capsys.readouterr().err)["message"] == "once"
    assert [one for one in logging.getLogger().handlers if one in others] == others


SCRIPT = r"""
import logging, sys
from exporter_proxy import logs
logs.configure("debug", sys.argv[1])
logger = logging.getLogger("exporter_proxy.test")
for text in sys.argv[2:]:
    logger.warning("message refused: source=unix: %s", text)
try:
    raise ValueError("first\\n\\x1b]0;title\\x07")
except ValueError:
    logger.exception("broke")
logger.info("rich: %s", "rich" in sys.modules)
"""


def on_a_terminal(
    *texts: str, log_format: str = "auto", environment: Mapping[str, str] | None = None
) -> list[str]:
    """Return the lines that a process shows on a terminal of its own, which logs ``texts``."""
    terminal = Terminal()
    variables = {name: os.environ[name] for name in os.environ if name not in NOT_INHERITED}
    subprocess.run(
        [sys.executable, "-c", SCRIPT, log_format, *texts],
        cwd=ROOT,
        env={**variables, "TERM": "xterm-256color", **(environment or {})},
        stderr=terminal.line,
        check=True,
    )
    terminal.hang_up()
    return terminal.shown().removesuffix("\n").split("\n")


NOT_INHERITED = {"NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM", "COLUMNS"}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class TestTerminal:
    """On a terminal it is text, in colour, for a person."""

    def test_lines(self):
        """Time, level, message; a traceback is indented below."""
        lines = [COLOUR.sub("", line) for line in on_a_terminal("no such thing")]

        assert re.fullmatch(r"\d\d:\d\d:\d\dZ", lines[0][:9])
        assert lines[0][9:] == " WARNING message refused: source=unix: no such thing"
        assert lines[1][10:] == "ERROR   broke"
        assert all(line.startswith("    ") for line in lines[2:-1])
        assert lines[-1][10:] == "INFO    rich: True"

    def test_levels_and_fields_have_colours(self):
        """What is not one of the two is as the terminal has it."""
        (line, *_) = on_a_terminal("x")

        assert "\x1b[1;33mWARNING \x1b[0mmessage refused: \x1b[36msource=\x1b[0munix: x" in line

    @pytest.mark.parametrize(
        "text",
        [
            "[red]not markup[/red] [/] [link=http://x]y[/link]",
            "[bold",
            ":smile: :warning:",
            "https://example.org/ 'quoted' 42 None",
            "\x1b[2J\x1b]0;title\x07\x9b1m",
            "first\nsecond\r\nthird\ttab\x08\x7f",
            "\u202eleft\u2066",
            "word " * 200,
            "x" * 1000,
        ],
    )
    def test_what_peers_send_is_shown_and_never_obeyed(self, text):
        """No markup, no escape sequences, no second line, no wrapping."""
        (line, following, *_) = on_a_terminal(text)

        assert COLOUR.sub("", line).endswith(f"source=unix: {logs.one_line(text)}")
        assert COLOUR.sub("", following).endswith("ERROR   broke")

    def test_no_escape_sequence_of_an_error_comes_through(self):
        """Neither from its message nor from the traceback."""
        text = "\n".join(on_a_terminal())

        assert r"\x1b]0;title\x07" in text
        assert "\x1b" not in COLOUR.sub("", text)

    @pytest.mark.parametrize(
        "environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"]
    )
    def test_without_colours(self, environment):
        """Not bold or dim either."""
        assert "\x1b" not in "".join(on_a_terminal("x", environment=environment))

    def test_an_empty_no_color_means_nothing(self):
        """As no-color.org has it."""
        assert "\x1b" in "".join(on_a_terminal("x", environment={"NO_COLOR": ""}))

    def test_text_is_the_same_as_the_default(self):
        """Who says text has no other text in mind."""
        assert "\x1b[1;33mWARNING" in on_a_terminal("x", log_format="text")[0]

    def test_json_by_option(self):
        """Its library of colours stays out of memory."""
        records = [json.loads(line) for line in on_a_terminal("x", log_format="json")]

        assert [record["message"] for record in records] == [
            "message refused: source=unix: x",
            "broke",
            "rich: False",
        ]


def piped(log_format: str, *, journal: bool) -> list[str]:
    """Return the lines that a process writes into a pipe that is the journal's, or not."""
    ours, theirs = os.pipe()
    found = os.fstat(theirs)
    device = found.st_dev if journal else found.st_dev + 1
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, log_format, "x"],
        cwd=ROOT,
        env={**os.environ, "JOURNAL_STREAM": f"{device}:{found.st_ino}"},
        stderr=theirs,
    )
    os.close(theirs)
    with os.fdopen(ours, encoding="utf-8") as pipe:
        lines = pipe.read().splitlines()
    assert process.wait() == 0
    return lines


def test_auto_is_json_where_no_terminal_is():
    lines = piped("auto", journal=False)

    assert [json.loads(line)["level"] for line in lines] == ["WARNING", "ERROR", "INFO"]
    assert json.loads(lines[-1])["message"] == "rich: False"


def test_text_where_no_terminal_is():
    """In full, and without colours."""
    first, *_, last = piped("text", journal=False)

    assert re.fullmatch(r"\S+Z WARNING exporter_proxy\.test message refused: source=unix: x", first)
    assert last.endswith("rich: False")


@pytest.mark.parametrize("log_format", ["auto", "text"])
def test_the_journal_is_told_levels(log_format):
    """Each line has a priority, which the journal takes off; a traceback has that of its record."""
    lines = piped(log_format, journal=True)

    assert (lines[0][:3], lines[-1][:3]) == ("<4>", "<6>")
    assert {line[:3] for line in lines[1:-1]} == {"<3>"}
    if log_format == "auto":
        assert json.loads(lines[0][3:])["level"] == "WARNING"
