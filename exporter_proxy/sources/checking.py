"""Whether a payload can be read as a whole: for sources that refuse what can't."""

from collections.abc import Callable, Generator

from exporter_proxy.exposition.reader import read_in_steps
from exporter_proxy.table import Payload

PayloadCheck = Callable[[Payload], Generator[None, None, str | None]]
"""Looks at a payload in steps of some milliseconds; returns what is wrong with it, or None."""


def unreadable_line(payload: Payload) -> Generator[None, None, str | None]:
    """Look for metric families that can't be read; a :data:`PayloadCheck`.

    Returns:
        Number and fault of the first line that can't be read.
    """
    exposition = yield from read_in_steps(payload)
    if not exposition.quarantined:
        return None
    first = min(exposition.quarantined, key=lambda family: family.line)
    return f"line {first.line}: {first.message}"
