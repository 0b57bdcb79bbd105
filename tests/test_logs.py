"""How log lines look."""

import json
import logging
import re
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy import logs

TIME = 1795327200.1239  # 2026-11-22T06:00:00Z and a little


@pytest.fixture(autouse=True)
def restore_root():
    """Leave the root logger as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


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
