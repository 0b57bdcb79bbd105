"""Keeps the table on disk: brings it back at the start, then follows what changes."""

import asyncio
import contextlib
import logging
import sqlite3
import time
from datetime import UTC, datetime

from exporter_proxy.clocks import boot_id
from exporter_proxy.errors import StartError
from exporter_proxy.state.files import StateFile, describe
from exporter_proxy.state.record import Saved
from exporter_proxy.state.restoring import (
    IsWanted,
    Now,
    Restored,
    Restorer,
    Seen,
    change_of,
    in_order,
    look,
)
from exporter_proxy.state.schema import DamagedError
from exporter_proxy.state.stats import StateCollector, StateStats
from exporter_proxy.state.store import Store
from exporter_proxy.state.thread import DiskThread
from exporter_proxy.table import FORGET_SECONDS, FindLife, Payload, Table
from exporter_proxy.table.payload_feed import PayloadFeed

logger = logging.getLogger(__name__)

# What is in the table is on disk a second later: half of it is left for the disk.
SAVE_SECONDS = 0.25
# A batch is one transaction; looking at so many apps takes the loop about a millisecond.
_BATCH_APPS = 1000
_BATCH_BYTES = 16 << 20
# What a disk can do to us; anything else is a bug, whose traceback is to be logged.
_EXPECTED = (DamagedError, OSError, StartError, sqlite3.Error)
# How long after a failure it is tried again, at first and at last.
_RETRY_SECONDS = (0.5, 10.0)
# Rows put back at a time.
_RESTORE_APPS = 500
# How long the last save may take before the process ends without it.
_LAST_SAVE_SECONDS = 30.0
_HURRIED_SAVE_SECONDS = 2.0


class Keeper:
    """The keeper of one state file.

    Args:
        table: What is kept.
        path: Of the file.
        forget_after: Seconds for which a dropped app is remembered.
        is_wanted: Tells what of the file is to be put back.
        find_life: Tells how long apps live whose senders didn't say it; None: as long as they did.
    """

    def __init__(
        self,
        table: Table,
        path: str,
        *,
        forget_after: float = FORGET_SECONDS,
        is_wanted: IsWanted = lambda _app, _source: True,
        find_life: FindLife | None = None,
    ) -> None:
        self.stats = StateStats()
        self.collector = StateCollector(self.stats, self.pending)
        self._table = table
        self._boot = boot_id()
        self._file = StateFile(path)
        self._store = Store(self._file.path)
        self._forget_after = forget_after
        self._is_wanted = is_wanted
        self._find_life = find_life
        self._thread = DiskThread()
        self._feed = PayloadFeed()
        # What is being written.
        self._under_way: dict[str, Payload | None] = {}
        self._following: asyncio.Task[None] | None = None
        # Batches are written one after another, whoever asks for them.
        self._saving = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._trouble: _Trouble | None = None

    def pending(self) -> tuple[int, int]:
        """Return how many apps are not saved yet, and how many bytes of payloads they have."""
        written = sum(len(piece) for each in self._under_way.values() for piece in each or ())
        return len(self._feed) + len(self._under_way), self._feed.bytes + written

    async def start(self) -> None:
        """Put back what the file has, then follow the table.

        Raises:
            StartError: The file can't be had.
        """
        started = time.perf_counter()
        self._file.acquire()
        self._store = Store(self._file.path)
        try:
            saved = await self._thread.call(self._read)
        except StartError:
            self._file.release()
            raise
        restored = await self._restore(saved)
        self.stats.restored_apps = restored.apps
        if saved:
            logger.info(
                "state restored: file=%s apps=%d bytes=%d in %.2f s",
                self._file.path,
                restored.apps,
                restored.bytes,
                time.perf_counter() - started,
            )
        self._following = asyncio.create_task(self._follow())

    async def stop(self, *, hurry: bool = False) -> None:
        """Save all that is in the table, and close the file. Idempotent.

        Nothing may write the table any more. It may be cancelled, and then called again.

        Args:
            hurry: Wait for a disk that is slow a short time only.
        """
        if self._following is None:
            self._thread.close()
            self._file.release()
            return
        self._stopping.set()
        seconds = _HURRIED_SAVE_SECONDS if hurry else _LAST_SAVE_SECONDS
        _, late = await asyncio.wait({self._following}, timeout=seconds)
        self._following.cancel()
        self._following = None
        if late or len(self._feed) or self._under_way:
            logger.error(
                "state is not saved: file=%s apps=%d: %s",
                self._file.path,
                self.pending()[0],
                "the disk takes too long" if late else "it could not be written",
            )
        closed = self._thread.call(self._store.close)
        self._thread.close()
        if not late:
            await asyncio.wait({closed}, timeout=seconds)
        self._file.release()

    # At the start.

    def _read(self) -> list[Saved]:
        """Return what the file has; runs in the thread.

        Raises:
            StartError: A damaged file can't be set aside.
        """
        try:
            self._store.open()
            return in_order(self._store.read())
        except (DamagedError, OSError) as error:
            self._set_aside(error)
        except sqlite3.Error as error:
            raise StartError(
                f"exporter.state_file: can't read {self._file.path}: {error}"
            ) from error
        return []

    def _set_aside(self, error: Exception) -> None:
        """Begin with an empty file in place of a damaged one; runs in the thread.

        Raises:
            StartError: That can't be done.
        """
        self._store.close()
        try:
            aside = self._file.set_aside(datetime.now(UTC))
            self._store.open()
        except (DamagedError, OSError, sqlite3.Error) as failure:
            raise StartError(
                f"exporter.state_file: {self._file.path} is damaged ({describe(error)}) and can't "
                f"be set aside: {describe(failure)}"
            ) from failure
        self.stats.set_aside += 1
        logger.error(
            "state file is damaged, a new one begins empty: file=%s set_aside_as=%s: %s",
            self._file.path,
            aside.name,
            describe(error),
        )

    async def _restore(self, saved: list[Saved]) -> Restored:
        now = Now(*self._table.clocks(), self._boot)
        restorer = Restorer(self._table, now, self._forget_after, self._is_wanted, self._find_life)
        for first in range(0, len(saved), _RESTORE_APPS):
            restorer.put_back(saved[first : first + _RESTORE_APPS])
            await asyncio.sleep(0)
        restored = restorer.outcome
        # What the file has is not followed; from here on everything is.
        self._feed = self._table.payload_feed()
        for app in restored.changed:
            self._feed.note(app)
        if restored.unwanted:
            logger.info(
                "apps left out whose endpoints the configuration does not have any more: %d",
                restored.unwanted,
            )
        if restored.no_room:
            logger.warning(
                "apps left out as the table is full: %d (exporter.max_apps is %d)",
                restored.no_room,
                self._table.max_apps,
            )
        return restored

    # From then on.

    async def _follow(self) -> None:
        """Save what changes until it is stopped, and then what is left."""
        while not self._stopping.is_set():
            delay = SAVE_SECONDS if self._trouble is None else self._trouble.retry_after
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
            await self.save()
        # Once more, if the last time was a failure.
        await self.save()

    async def save(self) -> bool:
        """Write all that is pending, in batches; tell whether that succeeded."""
        async with self._saving:
            while len(self._feed):
                if not await self._save_some():
                    return False
            return True

    async def _save_some(self) -> bool:
        taken = self._under_way = self._feed.take(_BATCH_APPS, _BATCH_BYTES)
        started = time.perf_counter()
        try:
            now = Now(*self._table.clocks(), self._boot)
            seen = [look(self._table, app, payload) for app, payload in taken.items()]
            await self._thread.call(lambda: self._write(seen, now))
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug must not end the saving either
            self._under_way = {}
            self._feed.give_back(taken)
            self._failed(error)
            return False
        self._under_way = {}
        self.stats.saves += 1
        self.stats.saved_apps += len(taken)
        self.stats.seconds += time.perf_counter() - started
        self.stats.last_save_ns, _ = self._table.clocks()
        self._succeeded()
        return True

    def _write(self, seen: list[Seen], now: Now) -> None:
        """Write a batch; runs in the thread."""
        try:
            self._store.write([change_of(each, now) for each in seen])
        except DamagedError as error:
            self._set_aside(error)
            raise
        finally:
            self.stats.file_bytes = self._file.bytes

    def _failed(self, error: Exception) -> None:
        self.stats.failures += 1
        if self._trouble is None:
            self._trouble = _Trouble(time.monotonic())
            logger.error(
                "state is not saved, it will be tried again: file=%s: %s",
                self._file.path,
                describe(error),
                exc_info=None if isinstance(error, _EXPECTED) else error,
            )
        self._trouble.failures += 1

    def _succeeded(self) -> None:
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            logger.info(
                "state is saved again: file=%s after %d failed attempts in %.0f s",
                self._file.path,
                trouble.failures,
                time.monotonic() - trouble.since,
            )


class _Trouble:
    """That, and since when, saving fails."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.failures = 0

    @property
    def retry_after(self) -> float:
        """Seconds until the next attempt."""
        first, most = _RETRY_SECONDS
        return min(most, first * 2.0 ** min(self.failures - 1, 10))
