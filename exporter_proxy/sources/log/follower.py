"""Follows the files of one ``[[log]]`` section: what is new in them, whatever rotation does.

Blocking, and free of threads and of the event loop: calls come one after another.
"""

import os
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import msgspec

from exporter_proxy.clocks import boot_seconds
from exporter_proxy.sources.log.block import Block
from exporter_proxy.sources.log.lane import Lane, Sight
from exporter_proxy.sources.log.names import is_pattern
from exporter_proxy.sources.log.opening import Key
from exporter_proxy.sources.log.places import Found, Place, describe, find, find_rotated
from exporter_proxy.sources.log.record import Record
from exporter_proxy.sources.log.stream import Stream

LINGER_SECONDS = 60.0
# Of each section; those that are quiet the longest are closed beyond it, and opened when they grow.
MAX_OPEN = 128
_FORGET_SECONDS = 3600.0
# Times of files come from a clock that ticks with the timer of the kernel, every 10 ms at worst.
_CLOCK_SLACK_NS = 20_000_000


class LaneRecord(msgspec.Struct, frozen=True, array_like=True):
    """A path in a checkpoint, with its files; the last is the one at the path, if it is live."""

    path: bytes
    streams: list[Record]


@dataclass(frozen=True, slots=True)
class Following:
    """What is followed, and how.

    Attributes:
        path: A file, or a pattern of several.
        from_end: Files that are there at the begin are followed from their end.
        max_line: Bytes of a line; of a longer one the first are taken.
        max_files: How many files that match the pattern are followed.
        linger: See :class:`Lane`.
    """

    path: str
    from_end: bool = True
    max_line: int = 65_536
    max_files: int = 1000
    linger: float = LINGER_SECONDS


class Follower:
    """Finds the files, and reads what is written to them.

    Args:
        following: What, and how.
        clock: Seconds of a clock that nobody sets.
        wall_ns: The time of day, as files have it, in nanoseconds since the epoch.

    Attributes:
        looked_ns: When the last look began that found what became of all files, as files have it.
        problems: Why files can't be followed at the moment; a sentence each.
        losses: What was lost, in words, until it is taken.
        read_errors: How often a file couldn't be read.
        cut: Lines that were shortened.
        renamed: Rotations by which another file came to the path.
        truncated: Rotations by which the file was truncated.
        left_out: Files that are not followed as there are too many.
    """

    def __init__(
        self,
        following: Following,
        *,
        clock: Callable[[], float] = boot_seconds,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._following = following
        self._clock = clock
        self._wall_ns = wall_ns
        self._lanes: dict[str, Lane] = {}
        self._floor_ns: int | None = None
        self.looked_ns = 0
        self._next_lane = 0
        self._errors: dict[str, str] = {}
        self.problems: list[str] = []
        self.losses: list[str] = []
        self.read_errors = 0
        self.cut = 0
        self.renamed = 0
        self.truncated = 0
        self.left_out = 0

    def configure(self, following: Following) -> None:
        """Go on otherwise; the path is the same."""
        self._following = following

    def restore(self, records: Sequence[LaneRecord], saved_ns: int) -> None:
        """Begin where another follower of the same path was.

        Args:
            records: What its :meth:`records` returned.
            saved_ns: What its ``looked_ns`` was then.
        """
        self._floor_ns = self.looked_ns = saved_ns
        for record in records:
            path = os.fsdecode(record.path)
            lane = self._lanes[path] = self._lane(path, known=True)
            lane.generations.restore(record.streams)

    def records(self) -> list[LaneRecord]:
        """Return where all files were read up to; as of the last block that was accepted."""
        return [
            LaneRecord(os.fsencode(path), [stream.record() for stream in lane.streams])
            for path, lane in self._lanes.items()
        ]

    def _lane(self, path: str, *, known: bool = False) -> Lane:
        lane = Lane(path, self._following.linger, self._note_error, known=known)
        lane.seen_at = self._clock()
        return lane

    def _note_error(self, path: str, error: OSError) -> None:
        self.read_errors += 1
        self._errors[path] = describe(error, path)

    def look(self) -> None:
        """Find out what became of the files since the last look."""
        now, following = self._clock(), self._following
        first = self._floor_ns is None
        began_ns = self._wall_ns() - _CLOCK_SLACK_NS
        if self._floor_ns is None:
            self._floor_ns = self.looked_ns = began_ns
        self._errors.clear()
        found = find(following.path, following.max_files)
        at = {place.path: place for place in found.places}
        if not is_pattern(following.path):
            self._lanes.setdefault(following.path, self._lane(following.path))
        owners = {key: path for path, lane in self._lanes.items() for key in lane.keys}
        for path in [*self._lanes, *(path for path in at if path not in self._lanes)]:
            place = at.get(path)
            if place is not None and owners.get(place.key, path) != path:
                # It came here by rotation, and is read as what it was.
                place = None
            lane = self._lanes.get(path)
            if lane is None:
                if place is None:
                    continue
                lane = self._lanes[path] = self._lane(path)
            self._look_at(lane, place, found.places, owners, now, first=first)
            owners |= dict.fromkeys((*lane.keys, *lane.claimed), path)
        if all(lane.is_settled for lane in self._lanes.values()):
            self.looked_ns = began_ns
        self._forget({place.key for place in found.places}, now)
        self._tell(found)
        self._close_quiet()

    def _look_at(
        self,
        lane: Lane,
        place: Place | None,
        places: list[Place],
        owners: Mapping[Key, str],
        now: float,
        *,
        first: bool,
    ) -> None:
        assert self._floor_ns is not None
        rotated = find_rotated(lane.path)
        lane.look(
            Sight(
                place,
                [each for each in rotated.places if owners.get(each.key, lane.path) == lane.path],
                is_still=lambda growing: (
                    (place is None or place.key == rotated.key)
                    and find_rotated(lane.path).is_like(rotated, growing)
                ),
                matching={each.key for each in places},
                now=now,
                floor_ns=self._floor_ns,
                first=first,
                from_end=first and self._following.from_end,
            )
        )
        files = lane.generations
        self.renamed += files.renamed
        self.truncated += files.truncated
        files.renamed = files.truncated = 0
        self.losses += files.losses
        files.losses.clear()

    def _forget(self, matching: Container[Key], now: float) -> None:
        """Forget paths of a pattern at which there has been nothing to read for long."""
        if not is_pattern(self._following.path):
            return
        for path, lane in list(self._lanes.items()):
            if not lane.is_over:
                lane.seen_at = now
            elif now - lane.seen_at > _FORGET_SECONDS and not any(
                key in matching for key in lane.keys
            ):
                del self._lanes[path]

    def _tell(self, found: Found) -> None:
        self.left_out = found.left_out
        self.problems = [*found.problems, *self._errors.values()]
        if found.left_out:
            self.problems.append(
                f"{found.left_out} files are not followed: more than {self._following.max_files} "
                "match (max_files)"
            )

    def _close_quiet(self) -> None:
        """Close those that have been quiet for the longest, if too many are open."""
        opened = [each for each in self._streams() if each.file is not None]
        if len(opened) <= MAX_OPEN:
            return
        opened.sort(key=lambda stream: stream.grew_at)
        for stream in opened[:-MAX_OPEN]:
            # One that left is found by its descriptor alone.
            if stream.role == "live" and not stream.unread:
                stream.close()

    def _streams(self) -> Iterator[Stream]:
        return chain.from_iterable(lane.streams for lane in self._lanes.values())

    def next_block(self) -> Block | None:
        """Return what to count next, one file after another; None: nothing now.

        Accept it, with :meth:`accept`, before the next call.
        """
        lanes = list(self._lanes.values())
        now = self._clock()
        for turn in range(len(lanes)):
            number = (self._next_lane + turn) % len(lanes)
            lane = lanes[number]
            block = lane.next_block(self._following.max_line, now)
            if block is not None:
                self._next_lane = number + 1
                return block._replace(lane=lane.path)
        return None

    def accept(self, block: Block) -> None:
        """Take note that the lines of a block were counted."""
        block.accept()
        self.cut += block.cut

    def lag(self) -> dict[str, int]:
        """Return, by path, how many bytes that were written there are not read."""
        return {
            path: sum(stream.unread for stream in lane.streams)
            for path, lane in self._lanes.items()
            if not lane.is_over or path == self._following.path
        }

    @property
    def has_truncated(self) -> bool:
        """Whether there is something for :meth:`look` to find out at once."""
        return any(stream.truncated for stream in self._streams())

    def folders(self) -> set[str]:
        """Return the directories in which something may happen."""
        paths = [self._following.path, *self._lanes]
        found = {os.path.dirname(path) or "." for path in paths}  # noqa: PTH120
        found |= {os.path.dirname(os.path.realpath(path)) for path in self._lanes}  # noqa: PTH120
        return {folder for folder in found if not is_pattern(folder)}

    def close(self) -> None:
        """Close all files. Idempotent."""
        for lane in self._lanes.values():
            lane.close()
