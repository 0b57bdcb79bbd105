"""From a file to what TOML says in it, or to a line about why it is no TOML.

The parser says where a mistake is. What it is, it says in Python's words, or not at all where
the name is in the line; for the mistakes that people make, these are ours.
"""

import re
from pathlib import Path

import tomli

from exporter_proxy.errors import ConfigError, quote

_KEY = re.compile(r"""[ \t]*([A-Za-z0-9_. -]*[A-Za-z0-9_-]|"[^"\\]*"|'[^']*')[ \t]*=""")
_HEADER = re.compile(r"[ \t]*(\[[^\[\]#]*\]|\[\[[^\[\]#]*\]\])")
_SAID = {
    "Invalid value": 'no value: text stands in quotes, such as "json"; true and false are small',
    "Expected newline or end of document after a statement": (
        'the line should have ended: text stands in quotes, such as "5m" or "127.0.0.1:6554"'
    ),
    "Illegal character '\\n'": "a text has no closing quote in its line",
}


def parse(path: Path) -> dict[str, object]:
    """Return what the file ``path`` says.

    Raises:
        ConfigError: It can't be read, or is not TOML.
    """
    try:
        text = path.read_bytes().decode()
    except OSError as exc:
        raise ConfigError([f"can't be read: {exc.strerror}"]) from exc
    except UnicodeDecodeError as exc:
        line = exc.object.count(b"\n", 0, exc.start) + 1
        raise ConfigError([f"line {line}: not UTF-8, as TOML must be"]) from exc
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as exc:
        raise ConfigError([_say(exc)]) from exc
    except (ValueError, RecursionError) as exc:
        # tomli lets through a number with thousands of digits and lists nested as deep
        raise ConfigError(["not TOML: a number is too long or lists are nested too deep"]) from exc


def _say(exc: tomli.TOMLDecodeError) -> str:
    """Return where the mistake is, and what."""
    twice = _say_twice(exc)
    if twice:
        return f"line {exc.lineno}: {twice}"
    return f"line {exc.lineno}, column {exc.colno}: {_SAID.get(exc.msg, exc.msg)}"


def _say_twice(exc: tomli.TOMLDecodeError) -> str | None:
    """Return which name has a meaning already, or None if the mistake is another."""
    inline = re.fullmatch(r"Duplicate inline table key '(.*)'", exc.msg)
    if inline:
        return f"{quote(inline[1])} is there twice in one table"
    start = re.match(r"Cannot (declare|overwrite|mutate|redefine) ", exc.msg)
    if not start:
        return None
    name = _name_in_line(exc)
    if name is None:
        return "a key or section that is there already"
    if start[1] in ("mutate", "redefine") or (start[1] == "overwrite" and "." in name):
        return f"{name} is there already, or a part of it: write all of it in one place"
    if name.startswith("[") and f"[{name}]" in exc.doc:
        return f"{name} is there already as [{name}]: write [{name}] each time"
    if name.startswith("[["):
        return f"{name} is there already as {name[1:-1]}: write {name} each time"
    return f"{name} is there twice"


def _name_in_line(exc: tomli.TOMLDecodeError) -> str | None:
    """Return the key or section that the line of the mistake begins with, if it does.

    The mistake is noticed at the end of a value, which may have begun lines before: then what
    stands before the line is not TOML of its own, and the line's beginning no key.
    """
    lines = exc.doc.split("\n")
    before, line = lines[: exc.lineno - 1], lines[exc.lineno - 1]
    match = _KEY.match(line) or _HEADER.match(line)
    try:
        tomli.loads("\n".join(before))
    except (ValueError, RecursionError):
        return None
    return match[1] if match and match[1].isprintable() and len(match[1]) <= 64 else None
