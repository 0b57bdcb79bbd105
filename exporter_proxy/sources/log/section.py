"""One ``[[log]]`` section at work: looks, reads, counts, updates its app, keeps a checkpoint."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from exporter_proxy.config import LogConfig
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.base import SourceStats
from exporter_proxy.sources.belonging import leave
from exporter_proxy.sources.log.block import Block
from exporter_proxy.sources.log.compiling import Counter
from exporter_proxy.sources.log.follower import Follower, Following
from exporter_proxy.sources.log.keeping import Apart, Keeping
from exporter_proxy.sources.log.lines import slice_end
from exporter_proxy.sources.log.names import is_pattern
from exporter_proxy.sources.log.showing import Showing
from exporter_proxy.sources.log.status import LogStatus
from exporter_proxy.table import FOR_EVER, Life, Table
from exporter_proxy.turns import turns_of_loop

logger = logging.getLogger(__name__)

_MOST_SLICE = 2**20
_LEAST_SLICE = 4096
# What a slice takes: longer than other turns, for slices as short as those cost a sixth more.
_SLICE_SECONDS = 0.0005
# After a round has found something, the next one waits that long: much comes at once then.
_PAUSE_SECONDS = 0.05

# A file that was there may be missing for that long before it is said to be.
_ROTATION_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Means:
    """What a section works with.

    Attributes:
        table: Where its app is.
        admission: Lets it in.
        stats: Of the source.
        apart: Calls a function in a thread; not more at once than files may be read at once.
        watch: Called with the directories in which something may happen.
    """

    table: Table
    admission: Admission
    stats: SourceStats
    apart: Apart
    watch: Callable[["Section", set[str]], None] = lambda _section, _folders: None


class Section:
    """Follows what one section names, until it is told to stop.

    Args:
        config: The section.
        counter: Counts its lines.
        means: What it works with.
        life: How long the app lives if the files can't be followed.
        monotonic: The clock of the intervals, in seconds.
    """

    def __init__(
        self,
        config: LogConfig,
        counter: Counter,
        means: Means,
        *,
        life: Life = FOR_EVER,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config
        self.counter = counter
        self.status = LogStatus(config.app_name, config.path)
        self._table = means.table
        self._apart = means.apart
        self._watch = means.watch
        self._life = life
        self._monotonic = monotonic
        self._follower = Follower(_following(config))
        self._keeping = Keeping(
            self._follower, self.status, means.apart, config.source, monotonic=monotonic
        )
        self._showing = Showing(
            means.table,
            means.admission,
            means.stats,
            means.apart,
            config.source,
            monotonic=monotonic,
        )
        # What the names of rotated files begin with.
        self._stem = os.path.basename(os.path.realpath(config.path)).partition(".")[0]  # noqa: PTH119
        self._woken = asyncio.Event()
        self._stopping = False
        # What the next round begins with: the configuration of a reload.
        self._next: tuple[LogConfig, Counter | None, Life] | None = None
        self._slice = 2**15
        # Counts are those of all lines that were there when it began.
        self._is_caught_up = False
        self._has_looked_well = False
        self._troubled_at = float("inf")

    def concerns(self, name: str) -> bool:
        """Tell whether what happens to a file of that name may matter."""
        return is_pattern(self.config.path) or name.startswith(self._stem)

    def wake(self) -> None:
        """Look at once: something has happened."""
        self._woken.set()

    def follow(self, config: LogConfig, counter: Counter | None, life: Life) -> None:
        """Go on under another configuration of the same path, where reading is.

        Args:
            config: The section.
            counter: Counts the lines from now on; None: what counts them now.
            life: See :class:`Section`.
        """
        if self._next is not None and counter is None:
            counter = self._next[1]
        self._next = (config, counter, life)
        self.wake()

    def stop(self) -> None:
        """Have :meth:`run` return, after the block that is being counted."""
        self._stopping = True
        self.wake()

    async def run(self) -> None:
        """Follow until :meth:`stop` is called."""
        # Also 0 is something to count from.
        self._is_caught_up = not await self._keeping.restore(self.config, self.counter)
        try:
            while not self._stopping:
                self._take_over()
                try:
                    found = await self._round()
                except Exception as error:  # noqa: BLE001, a bug costs this round, not the following
                    text = f"internal error: {type(error).__name__}"
                    self._showing.fail(self.config, text, bug=error)
                    found = False
                await self._wait(hurry=found)
            await self._finish()
        finally:
            self._keeping.close()
            self._follower.close()

    def leave(self) -> None:
        """Take away what the table has of it: it is followed no more."""
        leave(self._table, self.config.app_name, self.config.source)

    def _take_over(self) -> None:
        """Put into force what :meth:`follow` was given: between blocks, so that nothing tears."""
        if self._next is None:
            return
        (config, counter, self._life), self._next = self._next, None
        if config.app_name != self.config.app_name:
            self.leave()
            self.status.app = config.app_name
        if counter is not None:
            self.counter = counter
        self.config = config
        self._follower.configure(_following(config))
        self._showing.is_new = self._keeping.is_due = True

    async def _round(self) -> bool:
        """Look at the files, count what is new; tell whether there was something."""
        await self._look()
        if self._is_caught_up and self._showing.is_first:
            # What is shown can be gone back to: a kill finds where this began.
            await self._keeping.save(self.config, self.counter)
            await self._update()
        found = False
        while not self._stopping and self._next is None:
            block: Block | None = await self._apart(self._follower.next_block)
            if block is None:
                if not self._follower.has_truncated:
                    break
                await self._look()
                if not self._follower.has_truncated:
                    continue
                # Its copy is being packed.
                break
            found = True
            await self._count(block)
            now = self._monotonic()
            if self._is_caught_up and self._showing.may_update(self.config, now):
                await self._update()
            self._keeping.save_if_due(self.config, self.counter, now)
        else:
            return found
        self._is_caught_up = True
        now = self._monotonic()
        is_stale = not self._follower.problems and self._showing.needs_refresh(self._life, now)
        if self._showing.may_update(self.config, now) and (self._showing.is_new or is_stale):
            await self._update()
        self._keeping.save_if_due(self.config, self.counter, now)
        self._take_status()
        return found

    async def _look(self) -> None:
        follower = self._follower
        before = (follower.renamed, follower.truncated)
        await self._apart(follower.look)
        self._watch(self, follower.folders())
        if (follower.renamed, follower.truncated) != before:
            # A rotated file may be deleted.
            self._keeping.hurry()
        for loss in follower.losses:
            logger.warning("lines lost: source=%s: %s", self.config.source, loss)
        follower.losses.clear()
        self._take_status()
        now = self._monotonic()
        if follower.problems:
            self._troubled_at = min(self._troubled_at, now)
            # Between the two halves of a rotation there is no file.
            if not self._has_looked_well or now - self._troubled_at >= _ROTATION_SECONDS:
                self._showing.fail(self.config, "; ".join(follower.problems[:3]))
        else:
            self._has_looked_well = True
            self._troubled_at = float("inf")
            self._showing.worked(self.config)

    async def _update(self) -> None:
        await self._showing.update(self.config, self.counter, self._life)

    def _take_status(self) -> None:
        status, follower = self.status, self._follower
        status.lag = follower.lag()
        status.cut = follower.cut
        status.rotations["rename"] = follower.renamed
        status.rotations["truncate"] = follower.truncated
        status.errors["read"] = follower.read_errors
        status.problems = follower.problems

    async def _count(self, block: Block) -> None:
        """Count a block's lines in slices, each in a turn of the loop."""
        lines, view = block.lines, memoryview(block.lines)
        start, turns = 0, turns_of_loop()
        self._keeping.is_torn = True
        while start < len(lines):
            end, count = slice_end(lines, start, self._slice)
            await turns.turn()
            # of this thread: what others take of a busy machine says nothing about the lines
            began = time.thread_time()
            self.counter.feed(view[start:end], block.lane, count)
            self._adapt(end - start, time.thread_time() - began)
            start = end
        self._follower.accept(block)
        self._keeping.is_torn = False
        self.status.bytes += len(lines)
        self._keeping.is_due = True
        if lines:
            self._showing.is_new = True

    def _adapt(self, size: int, seconds: float) -> None:
        """Have slices take as long as they may, whatever the lines cost."""
        if seconds > _SLICE_SECONDS or size > self._slice / 2:
            fit = int(size * _SLICE_SECONDS / max(seconds, _SLICE_SECONDS / 2))
            self._slice = min(max(fit, _LEAST_SLICE), _MOST_SLICE)

    async def _wait(self, *, hurry: bool) -> None:
        if self._stopping or self._next is not None:
            return
        if hurry:
            await asyncio.sleep(_PAUSE_SECONDS)
        timeout = self.config.poll_interval
        if self._showing.is_new:
            # What was counted since the last update waits for the next.
            timeout = min(timeout, self.config.update_interval)
        try:
            async with asyncio.timeout(timeout):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()

    async def _finish(self) -> None:
        """Show and keep what was counted last."""
        if self._showing.is_new and self._is_caught_up:
            await self._update()
        await self._keeping.finish(self.config, self.counter)


def _following(config: LogConfig) -> Following:
    return Following(
        config.path,
        from_end=config.start == "end",
        max_line=config.max_line,
        max_files=config.max_files,
    )
