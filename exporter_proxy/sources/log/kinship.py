"""What a file has to do with those of a path, told by its content, whatever it is called."""

import os
from collections.abc import Iterable, Sequence
from contextlib import closing

from exporter_proxy.sources.log.mark import HEAD_BYTES, mark_at
from exporter_proxy.sources.log.names import is_compressed
from exporter_proxy.sources.log.opening import LogFile, open_known
from exporter_proxy.sources.log.places import Place
from exporter_proxy.sources.log.stream import Stream


def original_of(streams: Sequence[Stream], file: LogFile) -> Stream | None:
    """Return the stream of which a file has all that is known; None: there is none.

    Raises:
        OSError: The file can't be read.
    """
    for stream in _by_need(streams):
        if stream.known.offset and stream.known.is_in(file.read_at):
            return stream
    return None


def longer_than(streams: Sequence[Stream], file: LogFile) -> Stream | None:
    """Return the stream of which a file was copied or packed before it was read so far.

    If it has its content no more, it is told by the first bytes: what was read after the copy was
    made is nowhere any more.

    Raises:
        OSError: One of them can't be read.
    """
    head = file.read_at(0, HEAD_BYTES)
    for stream in _by_need(streams) if head else ():
        known = stream.known
        if not known.head or head[: len(known.head)] != known.head[: len(head)]:
            continue
        if not file.read_at(known.offset - 1, 1) and _begins_with(stream, file) is not False:
            return stream
    return None


def _by_need(streams: Sequence[Stream]) -> list[Stream]:
    """Return the streams, first those that wait for a copy, the latest of each first."""
    latest_first = list(streams[::-1])
    latest_first.sort(key=lambda each: not (each.truncated or each.lost))
    return latest_first


def _begins_with(stream: Stream, file: LogFile) -> bool | None:
    """Tell whether all of a file is what a stream begins with; None: its content is gone."""
    if stream.truncated or not stream.open():
        return None
    assert stream.file is not None
    return mark_at(file.length(), file.read_at).is_in(stream.file.read_at)


def is_begin_of_one(streams: Iterable[Stream], newest: Place | None, file: LogFile) -> bool:
    """Tell whether a plain file has nothing but what one of the streams has now: it is a copy.

    Args:
        streams: Those of the path.
        newest: What is at the path, if it is none of them.
        file: The file.

    Raises:
        OSError: One of them can't be read.
    """
    size = file.length()
    if not size:
        return True
    mark = mark_at(size, file.read_at)
    for stream in streams:
        if is_compressed(stream.path) or not stream.open():
            continue
        assert stream.file is not None
        if mark.is_in(stream.file.read_at):
            return True
    if newest is None:
        return False
    try:
        with closing(open_known(newest.path, newest.key)) as at_path:
            return mark.is_in(at_path.read_at)
    except OSError:
        return False


def unread_and_lost(streams: Iterable[Stream], place: Place) -> Stream | None:
    """Return the stream that ``place`` may be: it was empty, and can't be found."""
    for stream in streams:
        if stream.lost and not stream.known.offset and stream.mtime_ns <= place.mtime_ns:
            return stream
    return None


def is_being_packed(place: Place) -> bool:
    """Tell whether a packed file is not complete yet: its plain form goes last."""
    if not is_compressed(place.path):
        return False
    plain = place.path.rpartition(".")[0]
    return not place.size or os.path.exists(plain)  # noqa: PTH110, a path of the system


def is_other(stream: Stream, place: Place, path: str) -> bool:
    """Tell whether the number of a file that was deleted was given to another one.

    Args:
        stream: What had the number.
        place: What has it now.
        path: Where the writer writes.
    """
    packed = is_compressed(place.path)
    if packed != is_compressed(stream.path):
        return True
    if (place.size, place.mtime_ns) == (stream.size, stream.mtime_ns):
        return False
    # Nobody writes to packed files.
    if packed:
        return stream.role == "done"
    # A file of which nothing is known is told from another by that it stayed and grew.
    return not stream.known.offset and (
        stream.role == "done" or place.path != path or place.size < stream.size
    )
