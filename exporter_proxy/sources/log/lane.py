"""One path and all that stood at it: the file there is now, and those rotated away from it."""

import os
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import closing

from exporter_proxy.sources.log.mark import HEAD_BYTES, Mark, ReadAt, mark_at
from exporter_proxy.sources.log.names import is_compressed
from exporter_proxy.sources.log.opening import DamagedError, Key, LogFile, open_known
from exporter_proxy.sources.log.places import Place
from exporter_proxy.sources.log.stream import NOWHERE, Block, Role, Stream

Note = Callable[[str, OSError], None]
"""Takes note of a path that couldn't be read, and why."""

# Files that are nowhere any more, remembered to tell copies of them.
_PAST = 16


class Lane:
    """Follows one path through rotations.

    The order of its streams is that in which their lines were written.

    Args:
        path: Where the writer writes.
        linger: Seconds for which a file that was rotated away has to be quiet, while its successor
            is written, before it counts as complete.
        note: See :data:`Note`.
        known: It comes from a checkpoint: what is there and isn't in it is new.

    Attributes:
        seen_at: When there was something at the path, or left to read; kept by its owner.
        renamed: How often there was another file at the path.
        truncated: How often its file was truncated.
        is_settled: What became of all files was found when they were last looked at.
        losses: What was lost since it was last asked for, in words.
        claimed: Rotated files that belong to the others, or may, as of the last look.
    """

    def __init__(self, path: str, linger: float, note: Note, *, known: bool = False) -> None:
        self.path = path
        self.streams: list[Stream] = []
        self.live: Stream | None = None
        self.seen_at = 0.0
        self.renamed = 0
        self.truncated = 0
        self.is_settled = False
        self.losses: list[str] = []
        self.claimed: set[Key] = set()
        self._linger = linger
        self._note = note
        # The rotated files that are there at the begin are those of others, unless it is known.
        self._is_new = not known
        # Some file can't be read yet; since when.
        self._is_undecided = False
        self._undecided_at: float | None = None
        # What is at the path, as long as it is none of ours.
        self._newest: Place | None = None
        # The path may have been rotated since it was last looked at, unnoticed: it was empty then,
        # or not all was decided.
        self._was_unsettled = True
        self._is_still: Callable[[], bool] = lambda: True

    @property
    def keys(self) -> Iterator[Key]:
        """Yield what files it knows."""
        return (stream.key for stream in self.streams)

    @property
    def is_over(self) -> bool:
        """Whether nothing is at the path, and nothing of what was is left to read."""
        return self.live is None and all(stream.role == "done" for stream in self.streams)

    def look(
        self,
        place: Place | None,
        rotated: Iterable[Place],
        *,
        is_still: Callable[[], bool] = lambda: True,
        matching: Container[Key] = (),
        now: float,
        floor_ns: int,
        first: bool,
        from_end: bool,
    ) -> None:
        """Find out what became of each file since the last look.

        Args:
            place: What is at the path; None: nothing that can be followed.
            rotated: What rotation may have made of it, the oldest first; found after ``place``.
            is_still: Tells whether ``rotated`` is what there is, and nothing came or went since.
            matching: Files that are to be followed for themselves, should they be none of this
                path's: ``worker-1.log`` beside ``worker.log``.
            now: The time, in seconds of a clock that nobody sets.
            floor_ns: Rotated files that were last written before are none that were missed.
            first: Nothing was looked at before.
            from_end: A file of which nothing is known is followed from its end.
        """
        self._is_still = is_still
        others = [each for each in rotated if place is None or each.key != place.key]
        places = {each.key: each for each in others}
        if place is not None:
            places[place.key] = place
        for stream in self.streams:
            self._look_at(stream, places.get(stream.key), now)
        same = place is not None and self.live is not None and place.key == self.live.key
        live = self.live
        unsettled = not same or self._was_unsettled or (live is not None and live.truncated)
        self._was_unsettled = unsettled
        self.claimed.clear()
        self._is_undecided = False
        self._newest = None if same else place
        known = set(self.keys)
        for each in others:
            if each.key in known or (first and each.key in matching):
                continue
            self._look_beside(
                each,
                each.key in matching,
                unsettled=unsettled,
                floor_ns=floor_ns,
                same=same,
                now=now,
            )
        self._is_new = False
        self._look_again(others, now)
        is_known = live is not None and live.known.offset
        if not same or (unsettled and is_known) or any(each.lost for each in self.streams):
            self._is_sure()
        if not self._is_undecided:
            self._undecided_at = None
        elif self._undecided_at is None:
            self._undecided_at = now
        self.is_settled = self._undecided_at is None or now - self._undecided_at >= self._linger
        if not self.is_settled:
            # What is truncated or lost may be in what can't be read yet.
            return
        self._settle()
        if not same:
            self._succeed(place, now, from_end=from_end)
        self._was_unsettled = self.live is None or not self.live.known.offset
        self._forget(places)

    def _look_beside(
        self,
        place: Place,
        is_matching: bool,  # noqa: FBT001, of the place
        *,
        unsettled: bool,
        same: bool,
        floor_ns: int,
        now: float,
    ) -> None:
        """See what a new rotated file is; arguments are those of :meth:`_take`."""
        name = os.path.basename(os.path.realpath(self.path))  # noqa: PTH119
        is_shared = is_matching and not os.path.basename(place.path).startswith(name)  # noqa: PTH119
        # What lies beside a path of which nothing is known was not written since.
        if (is_matching or not self._is_new) and self._take(
            place, unsettled=unsettled and not is_shared, floor_ns=floor_ns, same=same, now=now
        ):
            self.claimed.add(place.key)
        elif not is_shared:
            self._know(place)

    def _look_again(self, others: Iterable[Place], now: float) -> None:
        """Look for what is missed in packed files that are known, and of which nothing was read.

        One was packed while its plain form was at hand, which is gone since the program was killed.
        """
        for place in others:
            if self._is_undecided or not any(each.lost or each.truncated for each in self.streams):
                return
            known = next((each for each in self.streams if each.key == place.key), None)
            if known is None or known.role != "done" or known.mark.offset:
                continue
            if is_compressed(place.path):
                self.streams.remove(known)
                self._take(place, unsettled=False, floor_ns=0, same=True, now=now)
                if all(each.key != place.key for each in self.streams):
                    self.streams.insert(0, known)

    def _is_sure(self) -> bool:
        """Tell whether all that was looked at is still as it was; if not, the next look decides.

        Rotation goes on meanwhile: what is looked for may have come to a place that was looked at
        before.
        """
        if not self._is_undecided:
            live = self.live
            is_same = live is None or live.file is None or live.present.is_in(live.file.read_at)
            self._is_undecided = not (is_same and self._is_still())
        return not self._is_undecided

    def _look_at(self, stream: Stream, place: Place | None, now: float) -> None:
        """See whether a file grew, was truncated or can't be found any more."""
        if place is not None and stream.file is None and _is_other(stream, place, self.path):
            stream.disown()
            place = None
        if place is not None:
            stream.path = place.path
            stream.lost = False
        if stream.role == "done" and (place is None or is_compressed(place.path)):
            return
        if stream.file is None:
            if place is None:
                stream.lost = True
                return
            if (place.size, place.mtime_ns) == (stream.size, stream.mtime_ns):
                return
        try:
            self._check(stream, now)
        except OSError as error:
            self._note(stream.path, error)

    def _check(self, stream: Stream, now: float) -> None:
        opened = stream.file is None
        if not stream.open():
            stream.lost = stream.role != "done"
            return
        assert stream.file is not None
        status = stream.file.status()
        stream.links = status.st_nlink
        if status.st_size > stream.size or stream.restored:
            stream.grew_at = now
        before = max(stream.size, stream.known.offset)
        changed = (status.st_size, status.st_mtime_ns) != (stream.size, stream.mtime_ns)
        stream.size, stream.mtime_ns = status.st_size, status.st_mtime_ns
        if changed or opened:
            # Of a packed file the size says nothing.
            is_shorter = not is_compressed(stream.path) and stream.size < before
            # Of an empty one nothing is gone: others tell what became of it.
            if stream.known.offset and (is_shorter or not stream.known.is_in(stream.file.read_at)):
                stream.truncated = True
            stream.see()
        if stream.truncated and (stream.role != "live" or (opened and stream.path != self.path)):
            # Its number was given to another file.
            stream.disown()
            return
        if stream.role != "done":
            return
        if stream.truncated or stream.size <= stream.mark.offset:
            stream.truncated = False
            stream.close()
        else:
            # Its writer was late to notice the rotation.
            stream.role = "leaving"
            stream.grew_at = now

    def _know(self, place: Place) -> None:
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

    def _take(
        self,
        place: Place,
        *,
        unsettled: bool,
        same: bool,
        floor_ns: int,
        now: float,
    ) -> bool:
        """Find out what a rotated file is that was not there before, and take it for that.

        Args:
            place: Where it is.
            unsettled: The path was rotated since the last look, or may have been.
            same: The file at the path is the one that it was.
            floor_ns: See :meth:`look`.
            now: See :meth:`look`.

        Returns:
            Whether it is one that belongs to the others, or waits to be told what it is.
        """
        if _is_being_packed(place):
            self._is_undecided = self._is_undecided or not place.size
            return True
        seen = Mark()
        try:
            with closing(open_known(place.path, place.key)) as file:
                if not is_compressed(place.path):
                    seen = mark_at(place.size, file.read_at)
                found = self._original_of(file.read_at)
                shorter = None if found else self._longer_than(file)
                if found is None and shorter is None and self._is_begin_of_one(file, place):
                    # A copy that is being made.
                    return True
        except (FileNotFoundError, DamagedError):
            # It is being packed, and its plain form is gone, or the packed one not complete.
            self._is_undecided = True
            return True
        except OSError as error:
            self._note(place.path, error)
            self._is_undecided = True
            return True
        is_missed = unsettled and (
            place.mtime_ns > floor_ns or self._unread_and_lost(place) is not None
        )
        if not self._is_sure():
            return True
        if found is not None:
            self._take_copy(place, seen, found)
        elif shorter is not None:
            self._take_shorter(place, seen, shorter)
        elif is_missed:
            self._take_missed(place, seen, same=same, now=now)
        else:
            return False
        return True

    def _by_need(self) -> list[Stream]:
        """Return the files, first those that wait for a copy, the latest of each first."""
        latest_first = self.streams[::-1]
        latest_first.sort(key=lambda each: not (each.truncated or each.lost))
        return latest_first

    def _original_of(self, read_at: ReadAt) -> Stream | None:
        """Return the file which another has what is known of; None: there is none."""
        for stream in self._by_need():
            if stream.known.offset and stream.known.is_in(read_at):
                return stream
        return None

    def _longer_than(self, file: LogFile) -> Stream | None:
        """Return the file of which another was copied or packed before it was read so far.

        If it has its content no more, it is told by the first bytes: what was read after the copy
        was made is nowhere any more.
        """
        head = file.read_at(0, HEAD_BYTES)
        for stream in self._by_need() if head else ():
            known = stream.known
            if not known.head or head[: len(known.head)] != known.head[: len(head)]:
                continue
            if not file.read_at(known.offset - 1, 1) and _begins_with(stream, file) is not False:
                return stream
        return None

    def _begin_anew(self, stream: Stream) -> None:
        """Follow a truncated file from its beginning; copies of what it had are known."""
        past = Stream(stream.path, NOWHERE, "done", stream.known)
        self.streams.insert(self.streams.index(stream), past)
        stream.begin_anew()

    def _take_shorter(self, place: Place, seen: Mark, original: Stream) -> None:
        """Take note of a copy that lacks the end of what was read or seen."""
        if not original.mark.offset:
            self._take_copy(place, seen, original)
            return
        if original is self.live and not (original.truncated or original.lost):
            if is_compressed(place.path):
                self._know(place)
            # Else its truncation may follow, and more be added.
            return
        if original is self.live and original.truncated:
            self.truncated += 1
            self._begin_anew(original)
        elif original.truncated or original.lost:
            original.role = "done"
            original.truncated = original.lost = False
            original.close()
            if original is self.live:
                self.renamed += 1
                self.live = None
        self._know(place)

    def _is_begin_of_one(self, file: LogFile, place: Place) -> bool:
        """Tell whether a file has nothing but what one of ours begins with."""
        if is_compressed(place.path):
            return False
        size = file.status().st_size
        if not size:
            return True
        mark = mark_at(size, file.read_at)
        for stream in self.streams:
            if is_compressed(stream.path) or not stream.open():
                continue
            assert stream.file is not None
            if mark.is_in(stream.file.read_at):
                return True
        if self._newest is None:
            return False
        try:
            with closing(open_known(self._newest.path, self._newest.key)) as newest:
                return mark.is_in(newest.read_at)
        except OSError:
            return False

    def _take_copy(self, place: Place, seen: Mark, original: Stream) -> None:
        """Read on in a copy, or the packed form, of a file that has its content no more."""
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
            where = self.streams.index(original)
            if original is self.live and original.truncated:
                self.truncated += 1
                original.begin_anew()
                self.streams.insert(where, copy)
            else:
                original.close()
                self.streams[where] = copy
                if original is self.live:
                    self.renamed += 1
                    self.live = None
        elif original is not self.live or is_compressed(place.path):
            self._know(place)
        # Else it is a copy of what is still there: its truncation may follow, and more be added.

    def _take_missed(self, place: Place, seen: Mark, *, same: bool, now: float) -> None:
        """Read a file that was rotated away before anything was read of it."""
        original = self.live if same else None
        copied = original is not None
        role: Role = "copy" if copied or is_compressed(place.path) else "leaving"
        stream = Stream(place.path, place.key, role, joins=copied)
        stream.grew_at, stream.seen = now, seen
        stream.size, stream.mtime_ns = place.size, place.mtime_ns
        lost = self._unread_and_lost(place)
        if lost is not None:
            # Nothing was read of that one either: this is what became of it.
            stream.carry, stream.skipping = lost.carry, lost.skipping
            if lost is self.live:
                self.renamed += 1
                self.live = None
            self.streams[self.streams.index(lost)] = stream
        elif original is not None:
            if not original.mark.offset:
                stream.carry, original.carry = original.carry, b""
            self.streams.insert(self.streams.index(original), stream)
        else:
            self.streams.append(stream)

    def _unread_and_lost(self, place: Place) -> Stream | None:
        """Return the file that ``place`` may be: nothing was read of it, and it can't be found."""
        for stream in self.streams:
            if stream.lost and not stream.known.offset and stream.mtime_ns <= place.mtime_ns:
                return stream
        return None

    def _settle(self) -> None:
        """Go on without what was not found."""
        for stream in list(self.streams):
            if stream.lost:
                stream.lost = False
                stream.role = "done"
                stream.close()
                if stream.size:
                    self.losses.append(
                        f"{stream.path} is gone, and with it what was not read of it"
                    )
                if stream is self.live:
                    self.renamed += 1
                    self.live = None
            elif stream.truncated:
                self._settle_truncated(stream)
            stream.restored = False

    def _settle_truncated(self, stream: Stream) -> None:
        stream.truncated = False
        if stream is not self.live:
            stream.role = "done"
            stream.close()
            return
        self.truncated += 1
        if stream.restored and stream.file is not None and stream.is_shortened():
            stream.begin_at(min(stream.size, stream.mark.offset), stream.file)
            return
        self._begin_anew(stream)
        self.losses.append(
            f"{stream.path} was truncated, and there is no copy of what was not read of it"
        )

    def _succeed(self, place: Place | None, now: float, *, from_end: bool) -> None:
        """Follow another file at the path; the one there was is read to its end."""
        if self.live is not None:
            self.live.role = "leaving"
            self.live.grew_at = now
            self.renamed += 1
            self.live = None
        if place is None:
            return
        known = next((each for each in self.streams if each.key == place.key), None)
        if known is not None:
            # It was put back.
            self.streams.remove(known)
            stream = known
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

    def _forget(self, places: Container[Key]) -> None:
        """Forget most of those that are done and nowhere any more."""
        gone = [each for each in self.streams if each.role == "done" and each.key not in places]
        for stream in gone[:-_PAST]:
            self.streams.remove(stream)

    def next_block(self, max_line: int, now: float) -> Block | None:
        """Return the next lines; None: there are none now.

        Args:
            max_line: Bytes of a line; of a longer one the first are taken.
            now: See :meth:`look`.
        """
        for number, stream in enumerate(self.streams):
            if stream.role == "done":
                continue
            try:
                block = self._read(stream, max_line)
                if block is None and not stream.truncated and stream.file is not None:
                    block = self._end(stream, number, max_line, now)
                elif block is not None:
                    stream.grew_at = now
            except DamagedError as error:
                if now - stream.grew_at < self._linger:
                    # It is still being packed, perhaps; what follows comes after it.
                    return None
                stream.role = "done"
                stream.close()
                self.losses.append(f"{stream.path} {error}")
                continue
            except OSError as error:
                self._note(stream.path, error)
                continue
            if block is not None:
                return block
            if stream.truncated:
                return None
        return None

    def _read(self, stream: Stream, max_line: int) -> Block | None:
        if stream.file is None and not stream.unread and stream.role == "live" and stream.size:
            # It was closed as there was nothing to read.
            return None
        return stream.read(max_line) if stream.open() else None

    def _end(self, stream: Stream, number: int, max_line: int, now: float) -> Block | None:
        """Finish a file that was read to its end, if nothing more is expected of it."""
        if stream.role == "copy":
            if stream.joins and self._join(stream, number):
                return None
        elif stream.role == "live" or not self._is_over(stream, now):
            return None
        block = stream.read(max_line, final=True)
        if block is None:
            stream.role = "done"
            stream.close()
        return block

    def _join(self, stream: Stream, number: int) -> bool:
        """Hand the begin of a line to the file that has its end; tell whether there is one."""
        heir = next((each for each in self.streams[number + 1 :] if each.role != "done"), None)
        if heir is None or heir.mark.offset or heir.carry:
            return False
        heir.carry = stream.give_rest()
        heir.skipping = stream.skipping
        stream.role = "done"
        stream.close()
        return True

    def _is_over(self, stream: Stream, now: float) -> bool:
        """Tell whether the writer of a file that was rotated away has gone over to the next."""
        if now - stream.grew_at < self._linger:
            return False
        live = self.live
        return not stream.links or (live is not None and live.size > 0)

    def close(self) -> None:
        """Close all files."""
        for stream in self.streams:
            stream.close()


def _is_being_packed(place: Place) -> bool:
    """Tell whether a packed file is not complete yet: its plain form goes last."""
    if not is_compressed(place.path):
        return False
    plain = place.path.rpartition(".")[0]
    return not place.size or os.path.exists(plain)  # noqa: PTH110, a path of the system


def _begins_with(stream: Stream, file: LogFile) -> bool | None:
    """Tell whether all of a file is what one of ours begins with; None: its content is gone."""
    if stream.truncated or not stream.open():
        return None
    assert stream.file is not None
    return mark_at(file.length(), file.read_at).is_in(stream.file.read_at)


def _is_other(stream: Stream, place: Place, path: str) -> bool:
    """Tell whether the number of a file that was deleted was given to another one."""
    packed = is_compressed(place.path)
    if packed != is_compressed(stream.path):
        return True
    if (place.size, place.mtime_ns) == (stream.size, stream.mtime_ns):
        return False
    # Nobody writes to packed files.
    if packed:
        return stream.role == "done"
    # A file of which nothing was read is told from another by that it stayed and grew.
    return not stream.known.offset and (
        stream.role == "done" or place.path != path or place.size < stream.size
    )
