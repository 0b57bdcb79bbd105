"""What the log says of a module, and of each of its parts apart."""

import logging
import time
from collections.abc import Callable, Sequence

from exporter_proxy.errors import ModuleError, quote
from exporter_proxy.repeats import Crowd, Streak

logger = logging.getLogger(__name__)


class ModuleStreaks:
    """Follows a module over its runs.

    Parts, such as the files of a directory, fail and work each for itself: one that flaps says
    nothing of another, and one that fails all the time doesn't hide the others.

    Args:
        name: The module's.
        monotonic: A clock in seconds.
    """

    def __init__(self, name: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._about = f"module={quote(name)}"
        self._monotonic = monotonic
        self._whole = Streak(logger, "module", self._about, monotonic=monotonic)
        # Of parts that failed not long ago, also of those that are gone: they may come again.
        self._parts: dict[str, Streak] = {}
        self._crowd = Crowd(
            logger,
            f"more files of a module fail or work again than are named here: {self._about}: "
            "/health tells how many fail",
            monotonic,
        )

    def note(self, errors: Sequence[ModuleError], bug: Exception | None = None) -> None:
        """Take note of a run.

        Args:
            errors: What was wrong, at most one with each part; one of the whole stands alone.
            bug: What is behind it, if it is our fault.
        """
        failed = {error.part: error for error in errors}
        whole = failed.pop("", None)
        if whole is not None:
            level = logging.WARNING if bug is None else logging.ERROR
            self._whole.failed(f"reason={whole.reason}: {whole}", level=level, bug=bug)
            # Nothing is known of its parts.
            return
        self._whole.worked()
        for part, error in failed.items():
            self._part(part).failed(f"reason={error.reason}: {error}")
        for part, streak in list(self._parts.items()):
            if part not in failed:
                streak.worked()
                if streak.is_old:
                    del self._parts[part]

    def _part(self, part: str) -> Streak:
        streak = self._parts.get(part)
        if streak is None:
            about = f"{self._about} file={quote(part)}"
            streak = self._parts[part] = Streak(
                logger, "module", about, monotonic=self._monotonic, crowd=self._crowd
            )
        return streak
