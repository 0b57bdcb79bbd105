"""Where files are: those at paths and patterns, and those that rotation put beside them."""

import os
from collections.abc import Container
from glob import iglob
from itertools import islice
from typing import NamedTuple

from exporter_proxy.sources.log.names import is_compressed, is_pattern, rotated_names
from exporter_proxy.sources.log.opening import Key, check_regular, key_of

# A directory that keeps more of one log is cleaned up by nobody; the newest matter.
MAX_ROTATED = 1000
_MOST_NAMES = 100_000


class Place(NamedTuple):
    """A file that was found.

    Attributes:
        path: As it was looked for.
        key: What file it is.
        size: In bytes; of a packed file its own.
        mtime_ns: When it was last written, in nanoseconds since the epoch.
    """

    path: str
    key: Key
    size: int
    mtime_ns: int


class Found(NamedTuple):
    """What there is at a path or a pattern.

    Attributes:
        places: The files, each once, in the order of their names.
        problems: Why what is there can't be followed.
        left_out: How many files there are too many.
    """

    places: list[Place]
    problems: list[str]
    left_out: int


class Rotated(NamedTuple):
    """A path, and what rotation put beside it.

    Attributes:
        key: What file is at the path; None: none that can be looked at.
        places: The rotated files, the oldest first.
        is_whole: None went away while they were listed: it may have another name now.
    """

    key: Key | None
    places: list[Place]
    is_whole: bool

    def is_like(self, other: "Rotated", growing: Container[Key]) -> bool:
        """Tell whether nothing came, went or changed in between, but for what is still written.

        Args:
            other: What there was before, or is later.
            growing: Files that are still written.
        """
        ours, theirs = (
            {each[: 2 if each.key in growing else 4] for each in rotated.places}
            for rotated in (self, other)
        )
        return self.is_whole and other.is_whole and self.key == other.key and ours == theirs


def find(pattern: str, most: int) -> Found:
    """Look for files; packed ones are none that anybody writes to."""
    if not is_pattern(pattern):
        paths = [pattern]
    else:
        # No more names than that are held, however many there are.
        paths = sorted(islice(iglob(pattern, recursive=True), _MOST_NAMES))  # noqa: PTH207, Path.glob takes no absolute patterns
    places: dict[Key, Place] = {}
    problems: list[str] = []
    left_out = 0
    for path in paths:
        if is_compressed(path):
            continue
        try:
            place = place_of(path)
        except OSError as error:
            if paths != [pattern] and isinstance(error, FileNotFoundError | IsADirectoryError):
                continue
            problems.append(describe(error, path))
            continue
        if place.key in places:
            continue
        if len(places) >= most:
            left_out += 1
            continue
        places[place.key] = place
    if is_pattern(pattern) and not places and not problems:
        problems.append("no file matches the pattern")
    return Found(list(places.values()), problems, left_out)


def place_of(path: str) -> Place:
    """Return what is at a path.

    Raises:
        OSError: Nothing that can be looked at, or no file.
    """
    status = os.stat(path)  # noqa: PTH116, paths stay as the system has them
    check_regular(status)
    return Place(path, key_of(status), status.st_size, status.st_mtime_ns)


def find_rotated(path: str) -> Rotated:
    """Find the files that rotation may have made of ``path``.

    Where ``path`` is a symbolic link, they are looked for beside the file that it leads to.
    """
    try:
        key = key_of(os.stat(path))  # noqa: PTH116, as above
    except OSError:
        key = None
    folder, name = os.path.split(os.path.realpath(path))
    pattern = rotated_names(name)
    places: list[Place] = []
    is_whole = True
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not pattern.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    is_whole = False
                    continue
                places.append(Place(entry.path, key_of(status), status.st_size, status.st_mtime_ns))
    except OSError:
        # Whatever it is, it is told of the file itself.
        return Rotated(key, [], is_whole=True)
    places.sort(key=lambda place: place.mtime_ns)
    return Rotated(key, places[-MAX_ROTATED:], is_whole)


def describe(error: OSError, path: str) -> str:
    """Return an error for a person, without the number that C has for it."""
    reasons = {
        FileNotFoundError: "there is no such file",
        PermissionError: "permission denied",
        IsADirectoryError: "is a directory",
    }
    text = reasons.get(type(error)) or error.strerror or str(error)
    return f"{path}: {text}"
