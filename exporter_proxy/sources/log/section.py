"""One ``[[log]]`` section at work: looks, reads, counts, updates its app, keeps a checkpoint."""

import asyncio
import logging
import os
import time
from collections import Counter as Tally
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from exporter_proxy.config import LogConfig
from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.message import Push
from exporter_proxy.repeats import Streak
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.base import SourceStats
from exporter_proxy.sources.belonging import leave
from exporter_proxy.sources.log.block import Block
from exporter_proxy.sources.log.checkpoint import (
    Checkpoint,
    CheckpointError,
    make,
    read_checkpoint,
    write_checkpoint,
)
from exporter_proxy.sources.log.compiling import Counter
from exporter_proxy.sources.log.follower import Follower, Following
from exporter_proxy.sources.log.lines import slice_end
from exporter_proxy.sources.log.names import is_pattern
from exporter_proxy.table import FOR_EVER, Life, Payload, Table
from exporter_proxy.turns import TURN_SECONDS, turns_of_loop

logger = logging.getLogger(__name__)

# Calls a function in a thread.
Apart = Callable[..., Awaitable[Any]]

_PIECE_BYTES = 2**20
_LEAST_SLICE = 4096
# An expositon larger than that is rendered in a thread: it takes about a millisecond.
_SMALL_BYTES = 2**16
# A log that says nothing is as well followed as one that does: its app is fresh.
_REFRESH_SECONDS = 15.0
# After a round has found something, the next one waits that long: much comes at once then.
_PAUSE_SECONDS = 0.05

# A file that was there may be missing for that long before it is said to be.
_ROTATION_SECONDS = 2.0

Rotation = Literal["rename", "truncate"]
ReadFault = Literal["checkpoint", "read"]


@dataclass(slots=True)
class LogStatus:
    """How the following of one section goes; written by it, read by the self-metrics.

    Attributes:
        app: The app that has the metrics.
        path: What is followed.
        bytes: How many were read.
        lag: By file: bytes that were written and are not read.
        cut: Lines that were shortened.
        rotations: How often files were rotated away or truncated.
        errors: How often something couldn't be read or written.
        checkpoints: How often a checkpoint was written.
        problems: What is wrong at the moment, a sentence each.
    """

    app: str
    path: str
    bytes: int = 0
    lag: dict[str, int] = field(default_factory=dict)
    cut: int = 0
    rotations: "Tally[Rotation]" = field(default_factory=Tally)
    errors: "Tally[ReadFault]" = field(default_factory=Tally)
    checkpoints: int = 0
    problems: list[str] = field(default_factory=list)


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
        self._admission = means.admission
        self._stats = means.stats
        self._apart = means.apart
        self._watch = means.watch
        self._life = life
        self._monotonic = monotonic
        self._follower = Follower(_following(config))
        # What the names of rotated files begin with.
        self._stem = os.path.basename(os.path.realpath(config.path)).partition(".")[0]  # noqa: PTH119
        self._woken = asyncio.Event()
        self._stopping = False
        # What the next round begins with: the configuration of a reload.
        self._next: tuple[LogConfig, Counter | None, Life] | None = None
        self._slice = 2**15
        # Counts that are not what the table has, or a checkpoint.
        self._is_new = True
        self._is_unsaved = False
        # Counts go beyond the places that the follower has: within a block.
        self._is_torn = False
        # Counts are those of all lines that were there when it began.
        self._is_caught_up = False
        self._has_looked_well = False
        self._troubled_at = float("inf")
        self._updated_at = float("-inf")
        self._saved_at = monotonic()
        self._saving: asyncio.Task[None] | None = None
        self._following_streak = Streak(logger, "following", f"source={config.source}")
        self._update_streak = Streak(logger, "update", f"source={config.source}")
        self._checkpoint_streak = Streak(logger, "checkpoint", f"source={config.source}")

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
        await self._restore()
        try:
            while not self._stopping:
                self._take_over()
                try:
                    found = await self._round()
                except Exception as error:  # noqa: BLE001, a bug costs this round, not the following
                    self._fail(f"internal error: {type(error).__name__}", bug=error)
                    found = False
                await self._wait(hurry=found)
            await self._finish()
        finally:
            if self._saving is not None:
                self._saving.cancel()
            self._follower.close()

    def leave(self) -> None:
        """Take away what the table has of it: it is followed no more."""
        leave(self._table, self.config.app_name, self.config.source)

    async def _restore(self) -> None:
        """Go on from the checkpoint, if there is one."""
        path = self.config.checkpoint
        if not path:
            # Also 0 is something to count from.
            self._is_caught_up = True
            return
        try:
            found = await self._apart(read_checkpoint, path)
            if found is None:
                self._is_caught_up = True
                return
            if found.path != self.config.path.encode("utf-8", "surrogateescape"):
                raise CheckpointError("is of another path")  # noqa: TRY301, one place for all
            try:
                self.counter.restore(found.counts)
            except Exception as error:  # noqa: BLE001, whatever it is, it can't be restored
                # What is counted has changed; the places are as good as before.
                logger.warning(
                    "counting begins anew: source=%s: checkpoint %s: %s",
                    self.config.source,
                    path,
                    error,
                )
            self._follower.restore(found.lanes, found.looked_ns)
            self._follower.cut = found.cut
        except (CheckpointError, OSError) as error:
            self._is_caught_up = True
            self.status.errors["checkpoint"] += 1
            reason = error.strerror if isinstance(error, OSError) else str(error)
            logger.warning(
                "no checkpoint: source=%s: %s: %s", self.config.source, path, reason or error
            )

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
        self._is_new = self._is_unsaved = True

    async def _round(self) -> bool:
        """Look at the files, count what is new; tell whether there was something."""
        await self._look()
        if self._is_caught_up and self._updated_at == float("-inf"):
            # What is shown can be gone back to: a kill finds where this began.
            await self._save()
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
            if self._is_caught_up and now - self._updated_at >= self.config.update_interval:
                await self._update()
            self._save_if_due(now)
        else:
            return found
        self._is_caught_up = True
        now = self._monotonic()
        is_due = now - self._updated_at >= self.config.update_interval
        if is_due and (self._is_new or self._needs_refresh(now)):
            await self._update()
        self._save_if_due(now)
        self._take_status()
        return found

    async def _look(self) -> None:
        follower = self._follower
        before = (follower.renamed, follower.truncated)
        await self._apart(follower.look)
        self._watch(self, follower.folders())
        if (follower.renamed, follower.truncated) != before:
            # A rotated file may be deleted: a checkpoint should not need it.
            self._is_unsaved = True
            self._saved_at = float("-inf")
        for loss in follower.losses:
            logger.warning("lines lost: source=%s: %s", self.config.source, loss)
        follower.losses.clear()
        self._take_status()
        now = self._monotonic()
        if follower.problems:
            self._troubled_at = min(self._troubled_at, now)
            # Between the two halves of a rotation there is no file.
            if not self._has_looked_well or now - self._troubled_at >= _ROTATION_SECONDS:
                self._fail("; ".join(follower.problems[:3]))
        else:
            self._has_looked_well = True
            self._troubled_at = float("inf")
            self._following_streak.worked()
            problem = self._table.problems.get(self.config.app_name)
            if (
                problem is not None
                and not problem.is_refusal
                and problem.source == self.config.source
            ):
                self._table.set_problem(self.config.app_name, None, source=self.config.source)

    def _take_status(self) -> None:
        status, follower = self.status, self._follower
        status.lag = follower.lag()
        status.cut = follower.cut
        status.rotations["rename"] = follower.renamed
        status.rotations["truncate"] = follower.truncated
        status.errors["read"] = follower.read_errors
        status.problems = follower.problems

    def _fail(self, text: str, *, bug: Exception | None = None) -> None:
        # The source is named before it, and has the path.
        brief = text.removeprefix(f"{self.config.path}: ")
        self._following_streak.failed(
            brief, level=logging.WARNING if bug is None else logging.ERROR, bug=bug
        )
        self._stats.fail(f"{self.config.source}: {brief}")
        self._table.set_problem(
            self.config.app_name, f"following failing: {text}", source=self.config.source
        )

    async def _count(self, block: Block) -> None:
        """Count a block's lines in slices, each in a turn of the loop."""
        lines, view = block.lines, memoryview(block.lines)
        start, turns = 0, turns_of_loop()
        self._is_torn = True
        while start < len(lines):
            end = slice_end(lines, start, self._slice)
            await turns.turn()
            # of this thread: what others take of a busy machine says nothing about the lines
            began = time.thread_time()
            self.counter.feed(view[start:end], block.lane)
            self._adapt(end - start, time.thread_time() - began)
            start = end
        self._follower.accept(block)
        self._is_torn = False
        self.status.bytes += len(lines)
        self._is_unsaved = True
        if lines:
            self._is_new = True

    def _adapt(self, size: int, seconds: float) -> None:
        """Have slices take as long as a turn, whatever the lines cost."""
        if seconds > TURN_SECONDS or size > self._slice / 2:
            fit = int(size * TURN_SECONDS / max(seconds, TURN_SECONDS / 2))
            self._slice = min(max(fit, _LEAST_SLICE), _PIECE_BYTES)

    def _needs_refresh(self, now: float) -> bool:
        if self._follower.problems:
            return False
        return now - self._updated_at >= min(_REFRESH_SECONDS, self._life.expire_after / 3)

    async def _update(self) -> None:
        """Give the table what was counted."""
        app, source = self.config.app_name, self.config.source
        self._is_new = False
        self._updated_at = self._monotonic()
        row = self._table.get(app)
        if row is not None and row.source == source and row.size > _SMALL_BYTES:
            text = await self._apart(self.counter.exposition)
        else:
            text = self.counter.exposition()
        payload = _pieces(text)
        try:
            for _ in self._admission.judge(app, payload):
                await turns_of_loop().turn()
            self._admission.apply([Push(app, payload, None)], source=source, life=self._life)
        except PayloadError as error:
            self._is_new = True
            self._table.refuse(app, f"update refused: {error}", source=source, expected=True)
            self._stats.fail(f"{source}: update refused: {error}")
            self._stats.rejected[error.reason] += 1
            self._update_streak.failed(f"reason={error.reason}: {error}")
            return
        self._update_streak.worked()
        self._stats.updates += 1
        self._stats.last_success_ns = time.time_ns()

    def _save_if_due(self, now: float) -> None:
        config = self.config
        if not (config.checkpoint and self._is_unsaved):
            return
        if now - self._saved_at < config.checkpoint_interval:
            return
        if self._saving is None or self._saving.done():
            self._saving = asyncio.create_task(self._write(self._checkpoint()))

    async def _save(self) -> None:
        if self.config.checkpoint and not self._is_torn:
            await self._write(self._checkpoint())

    def _checkpoint(self) -> Checkpoint:
        """Return places and counts as they are at this moment: nobody looks or reads meanwhile."""
        follower = self._follower
        self._is_unsaved = False
        self._saved_at = self._monotonic()
        return make(
            self.config.path,
            follower.looked_ns,
            follower.records(),
            self.counter.state(),
            follower.cut,
        )

    async def _write(self, checkpoint: Checkpoint) -> None:
        path = self.config.checkpoint
        try:
            await self._apart(write_checkpoint, path, checkpoint)
        except OSError as error:
            self._is_unsaved = True
            self.status.errors["checkpoint"] += 1
            self._checkpoint_streak.failed(f"{path}: {error.strerror or error}")
            return
        self.status.checkpoints += 1
        self._checkpoint_streak.worked()

    async def _wait(self, *, hurry: bool) -> None:
        if self._stopping or self._next is not None:
            return
        if hurry:
            await asyncio.sleep(_PAUSE_SECONDS)
        timeout = self.config.poll_interval
        if self._is_new:
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
        if self._is_new and self._is_caught_up:
            await self._update()
        if self._saving is not None:
            await self._saving
        if self._is_unsaved:
            await self._save()


def _following(config: LogConfig) -> Following:
    return Following(
        config.path,
        from_end=config.start == "end",
        max_line=config.max_line,
        max_files=config.max_files,
    )


def _pieces(text: bytes) -> Payload:
    """Return a text as a payload: pieces of about 1 MiB, cut at line ends."""
    pieces: list[bytes] = []
    start = 0
    while len(text) - start > 2 * _PIECE_BYTES:
        end = text.index(b"\n", start + _PIECE_BYTES) + 1
        pieces.append(text[start:end])
        start = end
    return (*pieces, text[start:]) if pieces else (text,)
