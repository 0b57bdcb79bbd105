"""Samples of our own as exposition text (0.0.4), where there are too many for a client library."""

from collections.abc import Iterable

_LABEL_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


def escape_label(value: str) -> str:
    """Return a label's value as it stands between double quotes."""
    return value.translate(_LABEL_ESCAPES)


def family(name: str, kind: str, documentation: str) -> bytes:
    """Return the HELP and TYPE lines of a metric family.

    Args:
        name: The family's name; in this format a counter's with ``_total``.
        kind: ``gauge``, ``counter``, …
        documentation: One line, without backslashes.
    """
    return f"# HELP {name} {documentation}\n# TYPE {name} {kind}\n".encode()


def sample(name: str, labels: Iterable[tuple[str, str]], value: float) -> bytes:
    """Return the line of one sample.

    Args:
        name: The metric's name.
        labels: Pairs of label name and value. What is not Unicode in a value, as in the path of a
            file that was named in another encoding, is shown as escapes.
        value: A finite number.
    """
    shown = ",".join(f'{label}="{escape_label(text)}"' for label, text in labels)
    return f"{name}{{{shown}}} {value!r}\n".encode(errors="backslashreplace")
