"""When what is to end next, for many things whose end is put off again and again."""

import heapq


class Deadlines:
    """The earliest moments at which apps have to be looked at.

    To put an app's end off costs nothing: its entry stays, comes up too early, and is then entered
    anew. So there is no entry an update, and what an update costs is at most logarithmic in the
    number of apps.
    """

    def __init__(self) -> None:
        # At least one for each app that is entered.
        self._heap: list[tuple[float, str]] = []
        # app: its earliest deadline in the heap
        self._entered: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._heap)

    def enter(self, app: str, deadline: float) -> None:
        """Have ``app`` come up at that moment or before."""
        entered = self._entered.get(app)
        if entered is not None and entered <= deadline:
            return
        self._entered[app] = deadline
        heapq.heappush(self._heap, (deadline, app))
        # Deadlines that only ever get shorter would leave an entry an update.
        if len(self._heap) > 2 * len(self._entered) + 64:
            self._heap = [(due, name) for name, due in self._entered.items()]
            heapq.heapify(self._heap)

    def is_due(self, now: float) -> bool:
        """Tell whether an app has come up."""
        return bool(self._heap) and self._heap[0][0] <= now

    def pop(self) -> str:
        """Take out the app that comes up first, and return it."""
        deadline, app = heapq.heappop(self._heap)
        if self._entered.get(app) == deadline:
            del self._entered[app]
        return app
