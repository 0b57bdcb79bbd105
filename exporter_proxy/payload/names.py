"""What may be the name of an application."""

import unicodedata

from exporter_proxy.errors import PayloadError, quote

MAX_NAME_CHARACTERS = 256

# Control characters, surrogates, and the two separators that end a line: names are shown one a
# line.
_REFUSED = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Steps in a path (RFC 3986 section 5.2.4), which every client takes, however they are escaped: no
# link to /apps/.. leads there.
_DOTS = frozenset({".", ".."})


def check_name(name: str) -> str:
    """Return ``name``, if it may name an application.

    Raises:
        PayloadError: ``bad_name``: empty or blank, longer than 256 characters, ``.`` or ``..``, or
            with a control character in it.
    """
    if (
        name.isprintable()
        and 0 < len(name) <= MAX_NAME_CHARACTERS
        and not name.isspace()
        and name not in _DOTS
    ):
        return name
    if name in _DOTS:
        raise PayloadError(
            f"an app can't be named {quote(name)}: in a path that is no name", reason="bad_name"
        )
    if not name or name.isspace():
        raise PayloadError("an app's name must not be empty", reason="bad_name")
    if len(name) > MAX_NAME_CHARACTERS:
        raise PayloadError(
            f"the app's name {quote(name, 30)} has {len(name)} characters, "
            f"expected at most {MAX_NAME_CHARACTERS}",
            reason="bad_name",
        )
    for character in name:
        if unicodedata.category(character) in _REFUSED:
            raise PayloadError(
                f"the app's name {quote(name)} has a control character in it: "
                f"U+{ord(character):04X}",
                reason="bad_name",
            )
    return name
