"""From what the command line names to a payload."""

import sys
from pathlib import Path

from exporter_proxy.config.urls import hide_user_info
from exporter_proxy.exposition.lines import windows

MAX_BYTES = 64 * 2**20
"""What is taken, as by receivers and polls that are not told otherwise."""


class UnreadableError(Exception):
    """There is nothing to look at; the text says why, for a person."""


def is_url(source: str) -> bool:
    """Tell whether ``source`` is meant as an URL."""
    return source.lower().startswith(("http://", "https://"))


def name_of(source: str) -> str:
    """Return how a source is called in front of its lines."""
    if source == "-":
        return "<stdin>"
    return hide_user_info(source) if is_url(source) else source


def read(source: str) -> tuple[bytes, ...]:
    """Return the payload that is in a file, at an URL, or comes on standard input (``-``).

    Raises:
        UnreadableError: Nothing is there, or too much.
    """
    if is_url(source):
        # The HTTP client is large, and files are more usual.
        from exporter_proxy.commands.lint_http import fetch  # noqa: PLC0415

        return fetch(source)
    try:
        if source == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(source).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except OSError as error:
        why = error.strerror or str(error)
        raise UnreadableError(f"{name_of(source)}: can't be read: {why}") from error
    except ValueError as error:
        raise UnreadableError(f"{name_of(source)}: can't be read: {error}") from error
    if len(data) > MAX_BYTES:
        raise UnreadableError(f"{name_of(source)}: larger than {MAX_BYTES} bytes")
    return tuple(windows(data)) if data else ()
