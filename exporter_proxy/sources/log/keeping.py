"""The checkpoint of a section: read when it begins, written beside its work."""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

from exporter_proxy.config import LogConfig
from exporter_proxy.repeats import Streak
from exporter_proxy.sources.log.checkpoint import (
    Checkpoint,
    CheckpointError,
    make,
    read_checkpoint,
    write_checkpoint,
)
from exporter_proxy.sources.log.compiling import Counter
from exporter_proxy.sources.log.follower import Follower
from exporter_proxy.sources.log.status import LogStatus

logger = logging.getLogger(__name__)

Apart = Callable[..., Awaitable[Any]]
"""Calls a function in a thread."""


class Keeping:
    """Keeps places and counts of one section together, if it has a checkpoint.

    Its methods are called while nobody looks or reads: places and counts are of one moment.

    Args:
        follower: Has the places.
        status: Where checkpoints and faults are counted.
        apart: See :data:`Apart`.
        source: The section, as the log names it.
        monotonic: The clock of the intervals, in seconds.

    Attributes:
        is_due: There is something that no checkpoint has.
        is_torn: Counts go beyond the places that the follower has: within a block.
    """

    def __init__(
        self,
        follower: Follower,
        status: LogStatus,
        apart: Apart,
        source: str,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.is_due = False
        self.is_torn = False
        self._follower = follower
        self._status = status
        self._apart = apart
        self._source = source
        self._monotonic = monotonic
        self._saved_at = monotonic()
        self._saving: asyncio.Task[None] | None = None
        self._streak = Streak(logger, "checkpoint", f"source={source}")

    async def restore(self, config: LogConfig, counter: Counter) -> bool:
        """Go on from the checkpoint; tell whether there was one."""
        path = config.checkpoint
        if not path:
            return False
        try:
            found = await self._apart(read_checkpoint, path)
            if found is None:
                return False
            if found.path != os.fsencode(config.path):
                raise CheckpointError("is of another path")  # noqa: TRY301, one place for all
        except (CheckpointError, OSError) as error:
            self._status.errors["checkpoint"] += 1
            reason = error.strerror if isinstance(error, OSError) else str(error)
            logger.warning("no checkpoint: source=%s: %s: %s", self._source, path, reason or error)
            return False
        try:
            counter.restore(found.counts)
        except Exception as error:  # noqa: BLE001, whatever it is, it can't be restored
            # What is counted has changed; the places are as good as before.
            logger.warning(
                "counting begins anew: source=%s: checkpoint %s: %s", self._source, path, error
            )
        self._follower.restore(found.lanes, found.looked_ns)
        self._follower.cut = found.cut
        return True

    def hurry(self) -> None:
        """Have the next checkpoint written at once: a file that it should not need may go."""
        self.is_due = True
        self._saved_at = float("-inf")

    def save_if_due(self, config: LogConfig, counter: Counter, now: float) -> None:
        """Begin to write a checkpoint if it is time; its content is that of this moment."""
        if not (config.checkpoint and self.is_due):
            return
        if now - self._saved_at < config.checkpoint_interval:
            return
        if self._saving is None or self._saving.done():
            writing = self._write(config.checkpoint, self._checkpoint(config, counter))
            self._saving = asyncio.create_task(writing)

    async def save(self, config: LogConfig, counter: Counter) -> None:
        """Write a checkpoint, after the one that is being written."""
        if self._saving is not None:
            await self._saving
        if config.checkpoint and not self.is_torn:
            await self._write(config.checkpoint, self._checkpoint(config, counter))

    def _checkpoint(self, config: LogConfig, counter: Counter) -> Checkpoint:
        follower = self._follower
        self.is_due = False
        self._saved_at = self._monotonic()
        return make(
            config.path, follower.looked_ns, follower.records(), counter.state(), follower.cut
        )

    async def _write(self, path: str, checkpoint: Checkpoint) -> None:
        try:
            await self._apart(write_checkpoint, path, checkpoint)
        except OSError as error:
            self.is_due = True
            self._status.errors["checkpoint"] += 1
            self._streak.failed(f"{path}: {error.strerror or error}")
            return
        self._status.checkpoints += 1
        self._streak.worked()

    async def finish(self, config: LogConfig, counter: Counter) -> None:
        """Keep what was counted last."""
        if self._saving is not None:
            await self._saving
        if self.is_due:
            await self.save(config, counter)

    def close(self) -> None:
        """Write no more. Idempotent."""
        if self._saving is not None:
            self._saving.cancel()
