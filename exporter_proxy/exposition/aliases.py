"""Plain names that stand in for UTF-8 names while a page is written that has these in quotes.

What knows OpenMetrics' rules (suffixes, types, which samples belong together) knows plain names
alone. So an app's names of UTF-8 are replaced by aliases before, and come back in the lines that
are sent. An alias keeps letters, digits and underscores, and so every suffix. It begins with a mark
that is made at random when the process starts: nothing that was sent can hold it.
"""

import re
import secrets
from collections.abc import Generator
from functools import lru_cache

from exporter_proxy.exposition.lines import windows

_MARK = b"u%s_" % secrets.token_hex(8).encode()
# Bytes looked at before the event loop is served: some milliseconds.
_STEP_BYTES = 65_536
# Names that are remembered; longer ones are worked out each time.
_LONGEST_KEPT = 256

_CODED = re.compile(r"[^a-zA-Y0-9_]")
_CODE = re.compile(r"Z([0-9a-f]++)Z")
_ALIAS = re.compile(re.escape(_MARK) + rb"([a-zA-Z0-9_]++)([={ ]?+)")


def alias(name: bytes) -> bytes:
    """Return what stands in for a name: no other has the same."""
    return _MARK + _CODED.sub(lambda match: f"Z{ord(match[0]):x}Z", name.decode()).encode()


def has_alias(text: bytes) -> bool:
    """Tell whether there are aliases in a text."""
    return _MARK in text


def restored_header(lines: bytes) -> bytes:
    """Return HELP, TYPE and UNIT lines with the family's own name."""
    return _ALIAS.sub(lambda match: _quoted(match[1]) + match[2], lines)


def restored_name(name: bytes) -> bytes:
    """Return what an alias stands for, as raw UTF-8; other names as they are."""
    return _meant(name.removeprefix(_MARK)) if name.startswith(_MARK) else name


def restored_lines(lines: bytes) -> Generator[None, None, bytes]:
    """Return samples, and their exemplars, with their own names in quotes, in steps."""
    parts = []
    for window in windows(lines, _STEP_BYTES):
        parts.append(_ALIAS.sub(_in_line, window))
        yield
    return b"".join(parts)


def _in_line(match: re.Match[bytes]) -> bytes:
    name, what = match.groups()
    if what == b"=":
        return _quoted(name) + what
    # A metric's name goes into the braces; there are none where a blank follows.
    return b"{%s," % _quoted(name) if what == b"{" else b"{%s} " % _quoted(name)


def _quoted(code: bytes) -> bytes:
    return (_quoted_kept if len(code) <= _LONGEST_KEPT else _quote)(code)


def _quote(code: bytes) -> bytes:
    name = _meant(code)
    return b'"%s"' % name.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")


_quoted_kept = lru_cache(maxsize=4096)(_quote)


def _meant(code: bytes) -> bytes:
    return _CODE.sub(lambda match: chr(int(match[1], 16)), code.decode()).encode()
