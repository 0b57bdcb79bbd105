"""The parameters that a request hands to a module: which are taken, and where they go. Pure."""

import re
from collections.abc import Mapping, Sequence

import re2

from exporter_proxy.errors import ModuleError, quote

_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")

Given = Sequence[tuple[str, str]]
Values = Mapping[str, Sequence[str]]


class Params:
    """Those that a module takes.

    Args:
        patterns: For the whole of each value, by name; None: all are taken as they are.
    """

    def __init__(self, patterns: Mapping[str, str] | None) -> None:
        self._patterns = (
            None
            if patterns is None
            else {name: re2.compile(pattern) for name, pattern in patterns.items()}
        )

    def check(self, given: Given) -> Values:
        """Return the values by name, in their order.

        Raises:
            ModuleError: ``bad_params``: one of them is not taken.
        """
        values: dict[str, list[str]] = {}
        for name, value in given:
            if self._patterns is not None:
                self._check(self._patterns, name, value)
            values.setdefault(name, []).append(value)
        return values

    @staticmethod
    def _check(patterns: Mapping[str, "re2._Regexp"], name: str, value: str) -> None:
        if name not in patterns:
            known = ", ".join(patterns) or "none"
            raise ModuleError(
                f"{quote(name)} is not among its parameters: {known}", reason="bad_params"
            )
        # No environment and no argument holds a NUL.
        if "\0" in value or not patterns[name].fullmatch(value.encode(errors="surrogateescape")):
            raise ModuleError(
                f"the parameter {name}={quote(value)} does not match its pattern",
                reason="bad_params",
            )


def fill_arguments(words: Sequence[str], values: Values, params: Mapping[str, str]) -> list[str]:
    """Return a program's arguments with the values of parameters in them.

    A word that is nothing but ``{name}`` becomes as many words as the parameter has values; within
    a word it has to have one. Values are never looked at for parameters again.

    Raises:
        ModuleError: ``bad_params``.
    """
    filled: list[str] = []
    for word in words:
        name = _whole(word, params)
        own = [_fill(word, values, params)] if name is None else values.get(name, ())
        filled += own
        for made in own:
            if made.startswith("-") and not word.startswith("-"):
                # A value would become an option.
                raise ModuleError(f"a parameter begins with -: {quote(made)}", reason="bad_params")
    return filled


def fill_environment(
    variables: Mapping[str, str], values: Values, params: Mapping[str, str]
) -> dict[str, str]:
    """Return environment variables with the values of parameters in them.

    One that is nothing but ``{name}`` is left out if the parameter is not given.

    Raises:
        ModuleError: ``bad_params``.
    """
    filled: dict[str, str] = {}
    for variable, text in variables.items():
        name = _whole(text, params)
        if name is None or name in values:
            filled[variable] = _fill(text, values, params)
    return filled


def _whole(text: str, params: Mapping[str, str]) -> str | None:
    """Return the parameter that ``text`` is nothing but."""
    match = _PLACE.fullmatch(text)
    return match[1] if match and match[1] in params else None


def _fill(text: str, values: Values, params: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in params:
            return match[0]
        given = values.get(name, ())
        if len(given) != 1:
            what = "is missing" if not given else "is given more than once"
            raise ModuleError(f"the parameter {name} {what}", reason="bad_params")
        return given[0]

    return _PLACE.sub(value, text)
