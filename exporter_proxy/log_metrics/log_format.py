r"""Formats of web servers' access logs: nginx's ``log_format`` and Apache's ``LogFormat``.

Both become patterns for ``re`` with named groups, which can't backtrack: every field ends where the
text that follows it in the format begins. Both servers escape quotes within quoted fields (nginx
as ``\x22``, Apache as ``\"``), so that nothing that a client sends ends a field in quotes early.

Groups have nginx's names, for Apache's fields too, so that one set of metrics fits both. A request
line has the groups ``method`` and ``path`` within, a status ``status_class``, its first digit.

See https://nginx.org/en/docs/http/ngx_http_log_module.html#log_format and
https://httpd.apache.org/docs/2.4/mod/mod_log_config.html#formats
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from exporter_proxy.errors import quote

_NGINX = re.compile(r"\$(?:\{([a-z0-9_]+)\}|([a-z0-9_]+))")
_APACHE = re.compile(
    r"%(?:!?[0-9,]+)?[<>]?(?:\{([^}]*)\})?(?:!?[0-9,]+)?[<>]?(%|\^[A-Za-z]{2}|[A-Za-z])"
)
# nginx.conf: log_format name [escape=…] 'text' 'text';
_DIRECTIVE = re.compile(r"\s*log_format\s+\S+\s+(?:escape=\w+\s+)?(.*?);?\s*", re.DOTALL)
# httpd.conf: LogFormat "text" name
_LOG_FORMAT = re.compile(r'\s*(?:LogFormat|CustomLog\s+\S+)\s+"((?:[^"\\]|\\.)*)".*', re.DOTALL)
_STRINGS = re.compile(r"'([^']*)'|\"([^\"]*)\"")

# what is common, characters without escapes, at first: a fifth faster than as one of two
QUOTED = r'[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+'
"""What is between quotes, with backslashes before those that are part of it."""
_INTEGER = r"(?:[0-9]++|-)"
_DECIMAL = r"(?:[0-9]++(?:\.[0-9]*+)?+|-)"
_STATUS = r"(?:(?P<status_class>[0-9])[0-9]{2}|-)"
_DATE = r"[0-9]{2}/[A-Za-z]{3}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4}"
METHODS = (
    "GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PROPFIND|PROPPATCH|MKCOL|COPY|MOVE"
    "|LOCK|UNLOCK|REPORT|SEARCH|PURGE|QUERY"
)
"""Those that are told apart: a client may send any word."""
REQUEST = rf'(?:(?P<method>{METHODS}) (?P<path>[^ "?\\\n]*+))?+{QUOTED}'
"""A request line in quotes."""

_FIELDS = {
    "status": _STATUS,
    "body_bytes_sent": _INTEGER,
    "bytes_sent": _INTEGER,
    "request_length": _INTEGER,
    "request_time": _DECIMAL,
    "request_time_ms": _DECIMAL,
    "request_time_us": _INTEGER,
    "connection": _INTEGER,
    "connection_requests": _INTEGER,
    "msec": _DECIMAL,
    "pid": _INTEGER,
    "server_port": _INTEGER,
    "time_local": _DATE,
    "time_iso8601": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}[0-9:+-]*+",
}
_APACHE_NAMES = {
    "a": "remote_addr",
    "A": "server_addr",
    "B": "body_bytes_sent",
    "b": "body_bytes_sent",
    "D": "request_time_us",
    "f": "request_filename",
    "h": "remote_addr",
    "H": "server_protocol",
    "I": "request_length",
    "k": "connection_requests",
    "l": "ident",
    "L": "request_id",
    "m": "request_method",
    "O": "bytes_sent",
    "p": "server_port",
    "P": "pid",
    "q": "args",
    "r": "request",
    "R": "handler",
    "s": "status",
    "S": "bytes_exchanged",
    "T": "request_time",
    "t": "time_local",
    "u": "remote_user",
    "U": "uri",
    "v": "server_name",
    "V": "host",
    "X": "connection_status",
}
_APACHE_NAMED = {
    "i": "http_",
    "o": "sent_http_",
    "C": "cookie_",
    "e": "env_",
    "n": "note_",
    "x": "",
    "c": "",
}


class FormatError(Exception):
    """A format can't be read; the text says why."""


class _Field(NamedTuple):
    """A variable: the text before it, its group, and a pattern if it has one of its own."""

    literal: str
    name: str
    pattern: str = ""


def looks_like_log_format(text: str) -> bool:
    """Tell whether ``text`` has variables of nginx or Apache in it."""
    return "(?P<" not in text and bool(_NGINX.search(text) or _APACHE.search(text))


def log_format_pattern(text: str, needed: Collection[str] | None = None) -> str:
    r"""Return a pattern for ``re``, with named groups, for whole lines without their newline.

    Args:
        text: The format, or the directive of the server's configuration with it.
        needed: The groups that are; None: all of them. What stands before the first quote is passed
            over if nothing of it is needed: it has no quotes in it, whatever a client sends, while
            a user's name may look like the fields that follow it.

    Raises:
        FormatError: There is no variable in it, one isn't known, or nothing stands between two.
    """
    text = _without_directive(text)
    nginx = bool(_NGINX.search(text))
    fields = list(_nginx_fields(text) if nginx else _apache_fields(text))
    *variables, last = fields
    if not variables:
        raise FormatError('it has no variable such as "$status" or "%s"')
    source, seen = "", set[str]()
    skipped = 0 if needed is None else _before_quotes(variables, needed)
    for place, field in enumerate(variables):
        following = fields[place + 1].literal
        if not following and place < len(variables) - 1:
            raise FormatError(
                f"nothing stands between {quote(field.name)} and {quote(variables[place + 1].name)}"
            )
        if place < skipped:
            continue
        if skipped and place == skipped:
            field = field._replace(literal=field.literal[field.literal.index('"') :])  # noqa: PLW2901
            source = r'[^"\n]*+'
        pattern = field.pattern or _pattern(field, following)
        new = field.name not in seen
        seen.add(field.name)
        source += re.escape(field.literal)
        # a second time it is only passed over
        named = f"(?P<{field.name}>{pattern})"
        source += named if new else re.sub(r"\?P<\w+>", "?:", named)
    return source + re.escape(last.literal)


def _before_quotes(variables: Sequence[_Field], needed: Collection[str]) -> int:
    """Return how many variables stand before the first quote, or 0 if one of them is needed."""
    for place, field in enumerate(variables):
        if '"' in field.literal:
            return place
        if field.name in needed:
            return 0
    return 0


def _pattern(field: _Field, following: str) -> str:
    """Return what a variable may hold, up to ``following``."""
    quoted = field.literal.endswith('"') and following.startswith('"')
    if field.name == "request" and quoted:
        return REQUEST
    if field.name in _FIELDS:
        return _FIELDS[field.name]
    if quoted:
        return QUOTED
    if not following:
        return r"[^\n]*+"
    first, rest = re.escape(following[0]), re.escape(following[1:])
    if len(following) == 1:
        return rf"[^{first}\n]*+"
    # up to the whole of the text that follows: a user's name may have a blank in it
    return rf"(?:[^{first}\n]++|{first}(?!{rest}))*+"


def _nginx_fields(text: str) -> Iterator[_Field]:
    end = 0
    for match in _NGINX.finditer(text):
        yield _Field(text[end : match.start()], match[1] or match[2])
        end = match.end()
    yield _Field(text[end:], "")


def _apache_fields(text: str) -> Iterator[_Field]:
    end, literal = 0, ""
    for match in _APACHE.finditer(text):
        literal += text[end : match.start()]
        end = match.end()
        if match[2] == "%":
            literal += "%"
            continue
        yield _apache_field(literal, match[1], match[2], match[0])
        literal = ""
    yield _Field(literal + text[end:], "")


def _apache_field(literal: str, argument: str | None, letter: str, shown: str) -> _Field:
    if argument is not None and letter == "T":
        names = {"s": "request_time", "ms": "request_time_ms", "us": "request_time_us"}
        if argument not in names:
            raise FormatError(f"{quote(shown)}: the unit must be s, ms or us")
        return _Field(literal, names[argument])
    if argument is not None and letter == "t":
        return _Field(literal, "time_formatted")
    if argument is not None and letter in _APACHE_NAMED:
        name = re.sub(r"[^a-z0-9]+", "_", argument.lower())
        return _Field(literal, f"{_APACHE_NAMED[letter]}{name}".strip("_") or "field")
    if letter == "t":
        return _Field(literal, "time_local", r"\[[^\]\n]*+\]")
    name = _APACHE_NAMES.get(letter, "")
    if not name and not letter.startswith("^"):
        raise FormatError(f"{quote(shown)} is none of the formats of Apache's mod_log_config")
    return _Field(literal, name or f"trailer_{letter[1:]}")


def _without_directive(text: str) -> str:
    """Return the format alone where the server's whole directive is given."""
    apache = _LOG_FORMAT.fullmatch(text)
    if apache:
        return re.sub(r"\\(.)", r"\1", apache[1])
    nginx = _DIRECTIVE.fullmatch(text)
    if nginx:
        strings = _STRINGS.findall(nginx[1])
        return "".join(single or double for single, double in strings) if strings else nginx[1]
    return text
