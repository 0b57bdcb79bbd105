"""The reader: exposition text -> families and findings.

``reading`` leads: it takes a payload through ``fast_text``, whole blocks of lines at a time by the
shape of their labels (``shapes``, ``plans``, ``blocks``), or through ``slow_text``, line by line
(``line_reader``) and forgiving; both write into ``drafts``, which ``closing`` turns into families.
"""

from exporter_proxy.exposition.reader.reading import (
    MOST_FAMILIES,
    OLD_MILLISECONDS,
    TooManyFamiliesError,
    read,
    read_in_steps,
)

__all__ = [
    "MOST_FAMILIES",
    "OLD_MILLISECONDS",
    "TooManyFamiliesError",
    "read",
    "read_in_steps",
]
