"""Which ``[[app]]`` section an app has."""

from collections.abc import Callable, Sequence

import re2

from exporter_proxy.config import AppConfig


def section_finder(sections: Sequence[AppConfig]) -> Callable[[str], int | None]:
    """Return what gives the number of an app's section, from 0, by the app's name.

    It is the first one, in the order of the file, that the whole name matches.
    """
    patterns = [re2.compile(section.match) for section in sections]

    def find(app: str) -> int | None:
        # Bytes, which are matched several times faster than text.
        name = app.encode()
        return next(
            (number for number, regex in enumerate(patterns) if regex.fullmatch(name)), None
        )

    return find
