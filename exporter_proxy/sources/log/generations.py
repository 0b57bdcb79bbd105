"""The files of one path, the oldest first, and what becomes of them at a rotation."""

from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import closing

from exporter_proxy.sources.log.kinship import unread_and_lost
from exporter_proxy.sources.log.mark import Mark
from exporter_proxy.sources.log.names import is_compressed
from exporter_proxy.sources.log.opening import Key, open_known
from exporter_proxy.sources.log.places import Place
from exporter_proxy.sources.log.record import Record, Role
from exporter_proxy.sources.log.stream import NOWHERE, Stream

Note = Callable[[str, OSError], None]
"""Takes note of a path that couldn't be read, and why."""

# Files that are nowhere any more, remembered to tell copies of them.
_PAST = 16


class Generations:
    """The file at a path, and those that were there before.

    Args:
        note: See :data:`Note`.

    Attributes:
        streams: The files, in the order in which their lines were written.
        live: The one at the path; None: there is none.
        renamed: How often there was another file at the path.
        truncated: How often its file was truncated.
        losses: What was lost since it was last asked for, in words.
    """

    def __init__(self, note: Note) -> None:
        self.streams: list[Stream] = []
        self.live: Stream | None = None
        self.renamed = 0
        self.truncated = 0
        self.losses: list[str] = []
        self._note = note

    def restore(self, records: Sequence[Record]) -> None:
        """Have the files of a checkpoint."""
        self.streams = [Stream.of(each) for each in records]
        if self.streams and self.streams[-1].role == "live":
            self.live = self.streams[-1]

    @property
    def keys(self) -> Iterator[Key]:
        """Yield what files it knows."""
        return (stream.key for stream in self.streams)

    def find(self, key: Key) -> Stream | None:
        """Return the stream of a file."""
        return next((each for each in self.streams if each.key == key), None)

    @property
    def is_missing_some(self) -> bool:
        """Whether what was in some file is to be looked for elsewhere."""
        return any(each.lost or each.truncated for each in self.streams)

    def know(self, place: Place) -> None:
        """Take note of a file that is not to be read, so that copies of it are told."""
        stream = Stream(place.path, place.key, "done")
        if not is_compressed(place.path):
            try:
                with closing(open_known(place.path, place.key)) as file:
                    stream.begin_at(place.size, file)
            except OSError:
                # At worst a packed form of it is looked into later.
                return
        stream.size, stream.mtime_ns = place.size, place.mtime_ns
        self.streams.insert(0, stream)

    def take_copy(self, place: Place, seen: Mark, original: Stream) -> None:
        """Read on in a copy, or the packed form, of a file that has its content no more.

        Args:
            place: The copy.
            seen: See :class:`Stream`; of the copy.
            original: The file.
        """
        if original.truncated or original.lost:
            copy = Stream(
                place.path,
                place.key,
                "copy",
                original.mark,
                skipping=original.skipping,
                joins=original.truncated and original is self.live,
            )
            copy.carry, copy.seen = original.carry, seen
            copy.size, copy.mtime_ns = place.size, place.mtime_ns
            if original is self.live and original.truncated:
                self.truncated += 1
                original.begin_anew()
                self.streams.insert(self.streams.index(original), copy)
            else:
                self._replace(original, copy)
        elif original is not self.live or is_compressed(place.path):
            self.know(place)
        # Else it is a copy of what is still there: its truncation may follow, and more be added.

    def take_shorter(self, place: Place, seen: Mark, original: Stream) -> None:
        """Take note of a copy that lacks the end of what was read or seen; see above."""
        if not original.mark.offset:
            self.take_copy(place, seen, original)
            return
        if original is self.live and not (original.truncated or original.lost):
            if is_compressed(place.path):
                self.know(place)
            # Else its truncation may follow, and more be added.
            return
        if original is self.live and original.truncated:
            self.truncated += 1
            self._begin_anew(original)
        elif original.truncated or original.lost:
            original.truncated = original.lost = False
            self._end(original)
        self.know(place)

    def take_missed(self, place: Place, seen: Mark, *, same: bool, now: float) -> None:
        """Read a file that was rotated away before anything was read of it.

        Args:
            place: The file.
            seen: See :class:`Stream`.
            same: The file at the path is the one that it was: this one is a copy.
            now: The time.
        """
        original = self.live if same else None
        copied = original is not None
        role: Role = "copy" if copied or is_compressed(place.path) else "leaving"
        stream = Stream(place.path, place.key, role, joins=copied)
        stream.grew_at, stream.seen = now, seen
        stream.size, stream.mtime_ns = place.size, place.mtime_ns
        lost = unread_and_lost(self.streams, place)
        if lost is not None:
            # Nothing was read of that one either: this is what became of it.
            stream.carry, stream.skipping = lost.carry, lost.skipping
            self._replace(lost, stream)
        elif original is not None:
            if not original.mark.offset:
                stream.carry, original.carry = original.carry, b""
            self.streams.insert(self.streams.index(original), stream)
        else:
            self.streams.append(stream)

    def _replace(self, stream: Stream, by: Stream) -> None:
        stream.close()
        self.streams[self.streams.index(stream)] = by
        self._leave(stream)

    def _leave(self, stream: Stream) -> None:
        """Take note that a file is not at the path any more, if it was."""
        if stream is self.live:
            self.renamed += 1
            self.live = None

    def _end(self, stream: Stream) -> None:
        stream.end()
        self._leave(stream)

    def _begin_anew(self, stream: Stream) -> None:
        """Follow a truncated file from its beginning; copies of what it had are known."""
        past = Stream(stream.path, NOWHERE, "done", stream.known)
        self.streams.insert(self.streams.index(stream), past)
        stream.begin_anew()

    def settle(self) -> None:
        """Go on without what was not found."""
        for stream in list(self.streams):
            if stream.lost:
                stream.lost = False
                self._end(stream)
                if stream.size:
                    self.losses.append(
                        f"{stream.path} is gone, and with it what was not read of it"
                    )
            elif stream.truncated:
                self._settle_truncated(stream)
            stream.restored = False

    def _settle_truncated(self, stream: Stream) -> None:
        stream.truncated = False
        if stream is not self.live:
            stream.end()
            return
        self.truncated += 1
        if stream.restored and stream.file is not None and stream.is_shortened():
            stream.begin_at(min(stream.size, stream.mark.offset), stream.file)
            return
        self._begin_anew(stream)
        self.losses.append(
            f"{stream.path} was truncated, and there is no copy of what was not read of it"
        )

    def succeed(self, place: Place | None, now: float, *, from_end: bool) -> None:
        """Follow another file at the path; the one there was is read to its end.

        Args:
            place: The other file; None: there is none.
            now: The time.
            from_end: If nothing is known of it, it is followed from its end.
        """
        if self.live is not None:
            self.live.role = "leaving"
            self.live.grew_at = now
            self._leave(self.live)
        if place is None:
            return
        stream = self.find(place.key)
        if stream is not None:
            # It was put back.
            self.streams.remove(stream)
            stream.path, stream.role = place.path, "live"
        else:
            stream = Stream(place.path, place.key, "live")
            stream.size = place.size
            self._begin(stream, place, from_end=from_end)
        self.streams.append(stream)
        self.live = stream

    def _begin(self, stream: Stream, place: Place, *, from_end: bool) -> None:
        if from_end:
            # Where it can't be read now, it is followed from here as soon as it can.
            stream.mark = Mark(place.size)
        try:
            if stream.open() and stream.file is not None:
                stream.see()
                if from_end:
                    stream.begin_at(place.size, stream.file)
        except OSError as error:
            self._note(place.path, error)

    def forget(self, places: Container[Key]) -> None:
        """Forget most of those that are done and nowhere any more."""
        gone = [each for each in self.streams if each.role == "done" and each.key not in places]
        for stream in gone[:-_PAST]:
            self.streams.remove(stream)
