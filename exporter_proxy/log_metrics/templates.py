"""Texts of labels: fixed, or with groups in braces: ``{method}``, ``{status:.1}xx``.

``{method|other}`` stands for ``other`` where the group is empty.
"""

import re
from typing import NamedTuple

from exporter_proxy.errors import quote

_PART = re.compile(
    r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)(?::\.([0-9]{1,4}))?(?:\|([^{}]*))?\}|([{}])"
)


class TemplateError(Exception):
    """A text of a label can't be read; the text says why."""


class Template(NamedTuple):
    """A label's text.

    Attributes:
        parts: Fixed texts, and groups, each with how many of its characters are shown (None: all)
            and what stands for it where it is empty.
    """

    parts: "tuple[str | tuple[str, int | None, str], ...]"

    @property
    def groups(self) -> list[str]:
        """Return the groups in it, each once."""
        return list(dict.fromkeys(part[0] for part in self.parts if isinstance(part, tuple)))

    def render(self, values: dict[str, str]) -> str:
        """Return the text, given what the groups hold."""
        return "".join(
            part if isinstance(part, str) else values[part[0]][: part[1]] or part[2]
            for part in self.parts
        )


def read_template(text: str) -> Template:
    """Return what ``text`` says.

    Raises:
        TemplateError: It has a brace too many.
    """
    parts: list[str | tuple[str, int | None, str]] = []
    end = 0
    for match in _PART.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        if match[4]:
            raise TemplateError(
                f"{quote(text)}: a brace stands alone: write a group such as {{method}} or "
                "{status:.1}, or the brace twice"
            )
        if match[1]:
            parts.append((match[1], int(match[2]) if match[2] else None, match[3] or ""))
        else:
            parts.append(match[0][0])
    parts.append(text[end:])
    return Template(tuple(part for part in parts if part))
