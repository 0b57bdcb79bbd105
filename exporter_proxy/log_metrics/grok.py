"""Grok: regular expressions that are put together from named ones, ``%{NAME:group}``."""

import re
from collections.abc import Mapping

from exporter_proxy.errors import quote
from exporter_proxy.log_metrics.grok_patterns import PATTERNS

_REFERENCE = re.compile(r"%\{([A-Za-z0-9_]+)(?::([^:}]*))?(?::(?:int|float|string))?\}")
_GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST = 100_000
_DEEPEST = 30


class GrokError(Exception):
    """A pattern can't be expanded; the text says why."""


def looks_like_grok(text: str, own: Mapping[str, str]) -> bool:
    """Tell whether ``text`` refers to a pattern that there is."""
    return any(match[1] in own or match[1] in PATTERNS for match in _REFERENCE.finditer(text))


def expand(text: str, own: Mapping[str, str]) -> str:
    """Return the regular expression that the Grok pattern ``text`` stands for.

    ``%{NAME}`` stands for the pattern NAME, ``%{NAME:group}`` also gives what it matches a name.
    Elastic's ``[a][b]`` and ``a.b`` become ``a_b``. A third part, the type, is passed over: numbers
    are read where metrics use them.

    Args:
        text: The pattern.
        own: Patterns by name that come before those of the same names.

    Raises:
        GrokError: A pattern isn't there, or refers to itself.
    """
    return _expand(text, own, ())


def _expand(text: str, own: Mapping[str, str], within: tuple[str, ...]) -> str:
    def replace(match: re.Match[str]) -> str:
        name, group = match[1], match[2]
        pattern = own.get(name, PATTERNS.get(name))
        if pattern is None:
            raise GrokError(f"there is no pattern {quote(name)}{_near(name, own)}")
        if name in within or len(within) >= _DEEPEST:
            raise GrokError(f"the pattern {quote(name)} refers to itself")
        inner = _expand(pattern, own, (*within, name))
        return f"(?P<{_group_name(group)}>{inner})" if group else f"(?:{inner})"

    expanded = _REFERENCE.sub(replace, text)
    if len(expanded) > _LONGEST:
        raise GrokError(f"it becomes longer than {_LONGEST} characters")
    return expanded


def _group_name(written: str) -> str:
    name = re.sub(r"[\[\].@-]+", "_", written).strip("_")
    if not _GROUP.fullmatch(name):
        raise GrokError(f"{quote(written)} is no name for a group: letters, digits and _")
    return name


def _near(name: str, own: Mapping[str, str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    near = get_close_matches(name[:64], [*own, *PATTERNS], n=1)
    return f' (did you mean "{near[0]}"?)' if near else ""
