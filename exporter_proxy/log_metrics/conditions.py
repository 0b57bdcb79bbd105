"""Conditions on what a group holds: ``GET``, ``>= 500``, ``=~ ^/api/``."""

import operator
import re
from collections.abc import Callable

import re2

from exporter_proxy.errors import quote
from exporter_proxy.log_metrics.line_format import compile_re2

_FORM = re.compile(r"(==|!=|=~|!~|>=|<=|>|<)[ \t]*(.*)", re.DOTALL)
_ORDERS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{0,18})?")
_MOST_REMEMBERED = 10_000


class ConditionError(Exception):
    """A condition can't be read; the text says why."""


class Condition(dict[str | None, bool]):
    """{what a group holds: whether that fits}, filled as it is asked; nothing is like empty.

    Args:
        text: An operator and what to compare with; without operator: equal to it.

    Raises:
        ConditionError: It can't be read.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        match = _FORM.fullmatch(text)
        sign, operand = match.groups() if match else ("==", text)
        self._fits = _test(sign, operand)

    def __missing__(self, value: str | None) -> bool:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        fits = self._fits(value or "")
        if len(value or "") <= 1_000:
            self[value] = fits
        return fits


def _test(sign: str, operand: str) -> Callable[[str], bool]:
    if sign in _ORDERS:
        limit = read_number(operand)
        if limit is None:
            raise ConditionError(f"{sign} needs a number, not {quote(operand)}")
        holds = _ORDERS[sign]
        return lambda value: (number := read_number(value)) is not None and holds(number, limit)
    if sign in ("==", "!="):
        wanted, number = sign == "==", read_number(operand)
        if number is None:
            return lambda value: (value == operand) is wanted
        return lambda value: (value == operand or read_number(value) == number) is wanted
    try:
        regex = compile_re2(operand)
    except re2.error as exc:
        raise ConditionError(f"RE2 does not take {quote(operand)}: {re2_message(exc)}") from None
    found = sign == "=~"
    return lambda value: (regex.search(value.encode(errors="replace")) is not None) is found


def read_number(text: str) -> float | None:
    """Return the decimal number that ``text`` is, or None."""
    return float(text) if _NUMBER.fullmatch(text) else None


def re2_message(exc: Exception) -> str:
    """Return what RE2 says is wrong with a pattern."""
    message = exc.args[0] if exc.args else ""
    text = message.decode(errors="replace") if isinstance(message, bytes) else str(message)
    if "(?=" in text or "(?!" in text or "(?<" in text:
        text += ": RE2 has no look-around"
    elif re.search(r"invalid escape sequence: \\[1-9]", text):
        text += ": RE2 has no back-references"
    elif "++" in text or "*+" in text or "?+" in text or "(?>" in text:
        text += ": RE2 has no possessive or atomic forms, and needs none"
    return text
