"""Looks at one path, again and again: what became of its files since the last look.

What a look finds is found in many steps, between which rotation goes on. So nothing follows from
it before a second look at the names has shown that all of it belongs together (:meth:`_is_sure`);
else the next look decides.
"""

import os
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from exporter_proxy.sources.log.generations import Generations, Note
from exporter_proxy.sources.log.kinship import (
    is_begin_of_one,
    is_being_packed,
    is_other,
    longer_than,
    original_of,
    unread_and_lost,
)
from exporter_proxy.sources.log.mark import Mark, mark_at
from exporter_proxy.sources.log.names import is_compressed
from exporter_proxy.sources.log.opening import DamagedError, Key, open_known
from exporter_proxy.sources.log.places import Place
from exporter_proxy.sources.log.reading import Reading
from exporter_proxy.sources.log.stream import Stream


@dataclass(frozen=True, slots=True)
class Sight:
    """What there is at a path and beside it, and when.

    Attributes:
        place: What is at the path; None: nothing that can be followed.
        rotated: What rotation may have made of it, the oldest first; found after ``place``.
        is_still: Tells whether that is what there is, and nothing came, went or changed since, but
            for the given files: they are still written.
        matching: Files that are to be followed for themselves, should they be none of this path's:
            ``worker-1.log`` beside ``worker.log``.
        now: The time, in seconds of a clock that nobody sets.
        floor_ns: Rotated files that were last written before are none that were missed.
        first: Nothing was looked at before.
        from_end: A file of which nothing is known is followed from its end.
    """

    place: Place | None
    rotated: Iterable[Place]
    is_still: Callable[[Container[Key]], bool]
    matching: Container[Key]
    now: float
    floor_ns: int
    first: bool
    from_end: bool


class Lane:
    """Follows one path through rotations.

    Args:
        path: Where the writer writes.
        linger: See :class:`Reading`; what can't be read yet is waited for as long.
        note: See :data:`Note`.
        known: It comes from a checkpoint: what is there and isn't in it is new.

    Attributes:
        generations: Its files.
        next_block: See :class:`Reading`.
        seen_at: When there was something at the path, or left to read; kept by its owner.
        is_settled: What became of all files was found when they were last looked at.
        claimed: Rotated files that belong to the others, or may, as of the last look.
    """

    def __init__(self, path: str, linger: float, note: Note, *, known: bool = False) -> None:
        self.path = path
        self.generations = Generations(note)
        self.next_block = Reading(self.generations, linger, note).next_block
        self.seen_at = 0.0
        self.is_settled = False
        self.claimed: set[Key] = set()
        self._linger = linger
        self._note = note
        # The rotated files that are there at the begin are those of others, unless it is known.
        self._is_new = not known
        # Not all could be told at this look; since when.
        self._is_undecided = False
        self._undecided_at: float | None = None
        # The path may have been rotated since it was last looked at, unnoticed: it was empty then,
        # or not all was decided.
        self._was_unsettled = True

    @property
    def streams(self) -> list[Stream]:
        """What :class:`Generations` has."""
        return self.generations.streams

    @property
    def keys(self) -> Iterator[Key]:
        """What :class:`Generations` has."""
        return self.generations.keys

    @property
    def is_over(self) -> bool:
        """Whether nothing is at the path, and nothing of what was is left to read."""
        return self.generations.live is None and all(each.role == "done" for each in self.streams)

    def look(self, sight: Sight) -> None:
        """Find out what became of each file since the last look."""
        place, now, generations = sight.place, sight.now, self.generations
        others = [each for each in sight.rotated if place is None or each.key != place.key]
        places = {each.key: each for each in others}
        if place is not None:
            places[place.key] = place
        for stream in self.streams:
            self._look_at(stream, places.get(stream.key), now)
        live = generations.live
        same = place is not None and live is not None and place.key == live.key
        unsettled = not same or self._was_unsettled or (live is not None and live.truncated)
        self._was_unsettled = unsettled
        self._is_undecided = False
        self._look_beside(others, sight, same=same, unsettled=unsettled)
        self._look_again(others, sight)
        is_known = live is not None and live.known.offset
        if not same or (unsettled and is_known) or any(each.lost for each in self.streams):
            self._is_sure(sight)
        self._decide(now)
        if not self.is_settled:
            # What is truncated or lost may be in what can't be read yet.
            return
        generations.settle()
        if not same:
            generations.succeed(place, now, from_end=sight.from_end)
        live = generations.live
        self._was_unsettled = live is None or not live.known.offset
        generations.forget(places)

    def _decide(self, now: float) -> None:
        """Settle what is not decided only if it is so for long."""
        if not self._is_undecided:
            self._undecided_at = None
        elif self._undecided_at is None:
            self._undecided_at = now
        self.is_settled = self._undecided_at is None or now - self._undecided_at >= self._linger

    def _is_sure(self, sight: Sight) -> bool:
        """Tell whether all that was looked at is still as it was; if not, the next look decides."""
        if not self._is_undecided:
            live = self.generations.live
            is_same = live is None or live.file is None or live.present.is_in(live.file.read_at)
            growing = {each.key for each in self.streams if each.role in ("live", "leaving")}
            self._is_undecided = not (is_same and sight.is_still(growing))
        return not self._is_undecided

    def _look_at(self, stream: Stream, place: Place | None, now: float) -> None:
        """See whether a file grew, was truncated or can't be found any more."""
        if place is not None and stream.file is None and is_other(stream, place, self.path):
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
            stream.check(now, self.path)
        except OSError as error:
            self._note(stream.path, error)

    def _look_beside(
        self, others: Iterable[Place], sight: Sight, *, same: bool, unsettled: bool
    ) -> None:
        """See what the rotated files are that are new.

        Args:
            others: All of them.
            sight: What there is.
            same: The file at the path is the one that it was.
            unsettled: The path was rotated since the last look, or may have been.
        """
        self.claimed.clear()
        name = os.path.basename(os.path.realpath(self.path))  # noqa: PTH119
        known = set(self.keys)
        for place in others:
            is_matching = place.key in sight.matching
            if place.key in known or (sight.first and is_matching):
                continue
            is_shared = is_matching and not os.path.basename(place.path).startswith(name)  # noqa: PTH119
            # What lies beside a path of which nothing is known was not written since.
            if (is_matching or not self._is_new) and self._take(
                place, sight, same=same, unsettled=unsettled and not is_shared
            ):
                self.claimed.add(place.key)
            elif not is_shared:
                self.generations.know(place)
        self._is_new = False

    def _look_again(self, others: Iterable[Place], sight: Sight) -> None:
        """Look for what is missed in packed files that are known, and of which nothing was read.

        One was packed while its plain form was at hand, which is gone since the program was killed.
        """
        for place in others:
            if self._is_undecided or not self.generations.is_missing_some:
                return
            known = self.generations.find(place.key)
            if known is None or known.role != "done" or known.mark.offset:
                continue
            if is_compressed(place.path):
                self.streams.remove(known)
                self._take(place, sight, same=True, unsettled=False)
                if self.generations.find(place.key) is None:
                    self.streams.insert(0, known)

    def _take(self, place: Place, sight: Sight, *, same: bool, unsettled: bool) -> bool:
        """Find out what a rotated file is, and take it for that.

        Args:
            place: Where it is.
            sight: See :meth:`_look_beside`, and the others, too.
            same: As there.
            unsettled: As there.

        Returns:
            Whether it is one that belongs to the others, or waits to be told what it is.
        """
        if is_being_packed(place):
            self._is_undecided = self._is_undecided or not place.size
            return True
        is_packed = is_compressed(place.path)
        streams, generations = self.streams, self.generations
        newest = None if same else sight.place
        try:
            with closing(open_known(place.path, place.key)) as file:
                seen = Mark() if is_packed else mark_at(place.size, file.read_at)
                found = original_of(streams, file)
                shorter = None if found else longer_than(streams, file)
                is_kin = found is not None or shorter is not None
                if not is_kin and not is_packed and is_begin_of_one(streams, newest, file):
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
        if not self._is_sure(sight):
            return True
        is_late = place.mtime_ns > sight.floor_ns or unread_and_lost(streams, place) is not None
        if found is not None:
            generations.take_copy(place, seen, found)
        elif shorter is not None:
            generations.take_shorter(place, seen, shorter)
        elif unsettled and is_late:
            generations.take_missed(place, seen, same=same, now=sight.now)
        else:
            return False
        return True

    def close(self) -> None:
        """Close all files."""
        for stream in self.streams:
            stream.close()
