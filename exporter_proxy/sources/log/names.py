"""Names of log files: those that a pattern matches, and those that rotation gives. Pure."""

import re
from functools import lru_cache
from pathlib import PurePosixPath

COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
"""Endings of files that have been packed by rotation."""

# A number or a date, as logrotate, Kubernetes and loggers of applications put it into a name.
_STAMP = r"[._-][0-9][0-9._:TZ-]*"
_GLOB = re.compile(r"[*?[]")


def is_pattern(path: str) -> bool:
    """Tell whether ``path`` may stand for several files."""
    return _GLOB.search(path) is not None


def is_compressed(path: str) -> bool:
    """Tell whether a file is packed, by its name."""
    return path.endswith(COMPRESSED)


@lru_cache(maxsize=1024)
def rotated_names(name: str) -> re.Pattern[str]:
    """Return what matches names that rotation may give to the file ``name``.

    For ``access.log``: ``access.log.1``, ``access.log-20261122.gz``, ``access.log.old``,
    ``access-20261122.log``, and ``access.log-2026112213.backup``, as logrotate calls what a writer
    created before it could.
    """
    file = PurePosixPath(name)
    root, extension = file.stem, file.suffix
    forms = [f"{re.escape(name)}(?:{_STAMP}(?:[.]backup)?|[.-]old)"]
    if extension and root:
        forms.append(f"{re.escape(root)}{_STAMP}{re.escape(extension)}")
    return re.compile(f"(?:{'|'.join(forms)})(?:{'|'.join(map(re.escape, COMPRESSED))})?")
