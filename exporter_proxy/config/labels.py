"""Kinds of keys that say what becomes of an app's metrics: labels, and patterns of names."""

import re

from exporter_proxy.config.kinds import UnfitError
from exporter_proxy.config.tables import ListOf, TableOf
from exporter_proxy.config.texts import String
from exporter_proxy.errors import quote

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# With another value a bucket would be another bucket.
_PARTS_OF_A_METRIC = frozenset({"le", "quantile"})


def _check_pattern(text: str) -> str:
    import re2  # noqa: PLC0415 - only a configuration with patterns needs it

    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(text, options)
    except re2.error as exc:
        raise UnfitError(f"must be a regular expression (RE2): {_re2_message(exc)}") from None
    return text


def _re2_message(exc: Exception) -> str:
    message = exc.args[0] if exc.args else ""
    return quote(message.decode(errors="replace") if isinstance(message, bytes) else str(message))


def _check_label_name(name: str) -> None:
    if not _LABEL_NAME.fullmatch(name):
        raise UnfitError("must be a label name: letters, digits and _, no digit first")
    if name == "__name__":
        raise UnfitError("must be another label name: this one is the metric's own name")
    if name.startswith("__"):
        raise UnfitError("must be another label name: Prometheus keeps those with __ to itself")
    if name in _PARTS_OF_A_METRIC:
        raise UnfitError("must be another label name: this one tells parts of a metric apart")


def _check_label_value(text: str) -> str:
    if _CONTROL.search(text):
        raise UnfitError
    return text


def _check_app_label(text: str) -> str:
    if text:
        _check_label_name(text)
    return text


PATTERN = String("a regular expression (RE2)", _check_pattern)
PATTERNS = ListOf(PATTERN, 'a list of regular expressions, such as ["node_.*"]')
LABELS = TableOf(
    String("a string without control characters", _check_label_value),
    'a table of labels, such as { job = "node" }',
    _check_label_name,
)
APP_LABEL = String('a label name, such as "app", or ""', _check_app_label)
