"""What is wrong with apps, as their sources see it."""

from collections.abc import Callable

from exporter_proxy.table.rows import Problem


class Problems(dict[str, Problem]):
    """``{app: what is wrong with it}``, in the order in which it began.

    A problem that goes on keeps the time it began, whatever is said of it.

    Args:
        wall_ns: The time of day, in nanoseconds since the epoch.
    """

    def __init__(self, wall_ns: Callable[[], int]) -> None:
        super().__init__()
        self._wall_ns = wall_ns

    def say(self, app: str, text: str | None, *, source: str) -> bool:
        """Say what is wrong with ``app``; None: nothing is. Tell whether it began or ended."""
        previous = self.get(app)
        if text is None:
            self.pop(app, None)
            return previous is not None
        self[app] = Problem(app, source, text, self._since_ns(previous))
        return previous is None

    def refuse(self, app: str, text: str, *, source: str) -> bool:
        """Say why an update of ``app`` was refused; tell whether a problem began by that."""
        previous = self.get(app)
        if previous is not None and not previous.is_refusal:
            # Its source says more than we could.
            return False
        self[app] = Problem(app, source, text, self._since_ns(previous), is_refusal=True)
        return previous is None

    def forgive(self, app: str) -> None:
        """Forget that an update was refused."""
        problem = self.get(app)
        if problem is not None and problem.is_refusal:
            del self[app]

    def _since_ns(self, previous: Problem | None) -> int:
        return self._wall_ns() if previous is None else previous.since_ns
