"""Selectors of groups: label matchers as Prometheus writes them, ``{job=~"batch.*",team!="a"}``."""

import re
from collections.abc import Callable, Mapping

import re2

from exporter_proxy.errors import PayloadError, quote

Selector = Callable[[Mapping[str, str]], bool]
"""Tells whether labels match; a label that is not there is empty."""

_LONGEST = 4096
_MATCHER = re.compile(
    r"""\s*(?:([a-zA-Z_][a-zA-Z0-9_]*)|"((?:[^"\\]|\\.)*)")\s*(=~|!~|!=|=)\s*"""
    r"""(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|`([^`]*)`)\s*(,|$)"""
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MEANINGS = {"n": "\n", "t": "\t", "r": "\r"}


def parse_selector(text: str) -> Selector:
    """Return what tells whether a group is selected.

    Patterns are RE2's and match the whole value. As in Prometheus, one matcher at least must not
    match the empty value: nobody selects everything by mistake.

    Raises:
        PayloadError: ``bad_request``.
    """
    inner = text.strip()
    if not (inner.startswith("{") and inner.endswith("}")) or len(text) > _LONGEST:
        raise _bad(text, 'expected label matchers in braces, such as {job="x"}')
    inner = inner[1:-1].strip()
    tests: list[tuple[str, Callable[[str], bool]]] = []
    end = 0
    while end < len(inner):
        found = _MATCHER.match(inner, end)
        if found is None:
            raise _bad(text, f"can't read {quote(inner[end:], 30)}")
        end = found.end()
        name, quoted, operator, double, single, raw, _ = found.groups()
        value = raw if raw is not None else _meant(double if double is not None else single)
        tests.append((name if quoted is None else _meant(quoted), _test(text, operator, value)))
    if all(test("") for _, test in tests):
        raise _bad(text, "it must have a matcher that does not match the empty value")
    return lambda labels: all(test(labels.get(name, "")) for name, test in tests)


def _test(text: str, operator: str, value: str) -> Callable[[str], bool]:
    if operator == "=":
        return lambda own: own == value
    if operator == "!=":
        return lambda own: own != value
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    try:
        pattern = re2.compile(value, options)
    except re2.error as error:
        raise _bad(text, f"no regular expression: {quote(value)}") from error
    if operator == "=~":
        return lambda own: pattern.fullmatch(own) is not None
    return lambda own: pattern.fullmatch(own) is None


def _meant(text: str) -> str:
    return _ESCAPE.sub(lambda found: _MEANINGS.get(found[1], found[1]), text)


def _bad(text: str, why: str) -> PayloadError:
    return PayloadError(f"bad selector {quote(text)}: {why}", reason="bad_request")
