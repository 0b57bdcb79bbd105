"""What each app has sent, what it was told has arrived, and whether a page shows that."""

import re
import time
from collections import Counter, deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

# Labels of the proxy's and of groups stand before or behind; their values may hold braces.
_SAMPLE = re.compile(
    rb'^soak_value\{[^\n]*?soak="([^"]+)",part="(\d+)"[^\n]*\} (\d+)', re.MULTILINE
)
_MOST_PARTS = 9
# Acknowledgements of an app that are remembered: more than come in the seconds that matter.
_REMEMBERED = 64
# Complaints of one kind that are told of.
_TOLD = 5


def parts(app: str, number: int) -> int:
    """Return how many samples a payload has: others each time, so that old ones would be seen."""
    return 1 + (sum(app.encode()) + number * 7) % _MOST_PARTS


def payload(app: str, number: int) -> str:
    """Return an app's payload with that number, which is each sample's value, too."""
    lines = ["# HELP soak_value The payload's number.", "# TYPE soak_value gauge"]
    lines += [
        f'soak_value{{soak="{app}",part="{part}"}} {number}' for part in range(parts(app, number))
    ]
    if app.endswith("7"):
        own = f"soak_of_{app}_seconds"
        lines += [
            f"# TYPE {own} histogram",
            f'{own}_bucket{{le="0.1"}} {number}',
            f'{own}_bucket{{le="+Inf"}} {number + 1}',
            f"{own}_sum {number}.5",
            f"{own}_count {number + 1}",
        ]
    return "\n".join(lines) + "\n"


class Moment(NamedTuple):
    """What has to be on a page that is asked for now.

    Attributes:
        floor: {app: the payload that has arrived, or a later one}
        life: Which start of the process it is.
    """

    floor: Mapping[str, int]
    life: int


class Ledger:
    """Keeps the books.

    Attributes:
        sent: {app: number of its last payload, whether it arrived or not}
        arrived: {app: number of the last one that it was told has arrived}
        life: How often the process was started.
        complaints: What was wrong, the first of each kind.
        wrong: How many complaints there are, by kind.
        updates: Payloads that arrived, by wire.
        unsaved: Payloads that were younger than a second when the process was killed, and gone.
    """

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        self.arrived: dict[str, int] = {}
        self.life = 0
        self.complaints: list[str] = []
        self.wrong: Counter[str] = Counter()
        self.updates: Counter[str] = Counter()
        self.unsaved = 0
        self._history: dict[str, deque[tuple[float, int]]] = {}

    def begin(self, app: str) -> int:
        """Return the number of an app's next payload."""
        self.sent[app] += 1
        return self.sent[app]

    def taken(self, app: str, number: int, wire: str, life: int) -> bool:
        """Note that a payload has arrived, if it was told by the process that it was sent to."""
        if life != self.life:
            return False
        self.updates[wire] += 1
        self.arrived[app] = max(number, self.arrived.get(app, 0))
        history = self._history.setdefault(app, deque(maxlen=_REMEMBERED))
        history.append((time.monotonic(), number))
        return True

    def killed(self, since: float) -> None:
        """Note that the process is about to be killed; count on what arrived before ``since``."""
        # From here on nobody's word counts: the kernel closes connections as if all were well.
        self.life += 1
        for app, history in self._history.items():
            kept = max((number for when, number in history if when <= since), default=0)
            if kept < self.arrived[app] and len(history) == _REMEMBERED and not kept:
                self.complain("soak", f"{app} pushes too often for this book")
            self.unsaved += sum(when > since for when, _ in history)
            self.arrived[app] = kept
            history.clear()
            if kept:
                history.append((since, kept))

    def moment(self) -> Moment:
        """Return what a page has to show that is asked for now."""
        return Moment(dict(self.arrived), self.life)

    def complain(self, kind: str, text: str) -> None:
        """Note that something is wrong."""
        self.wrong[kind] += 1
        if self.wrong[kind] <= _TOLD:
            when = datetime.now(UTC)
            self.complaints.append(f"{kind}: {when:%H:%M:%S.%f}: {text}")

    def check(self, page: bytes, asked: Moment) -> dict[str, int]:
        """Compare a page with the books; return which payload of each app it shows."""
        if asked.life != self.life:
            return {}
        found: dict[str, dict[int, int]] = {}
        for app, part, number in _SAMPLE.findall(page):
            found.setdefault(app.decode(), {})[int(part)] = int(number)
        shown = {}
        for app, values in found.items():
            number = max(values.values())
            shown[app] = number
            if values != dict.fromkeys(range(parts(app, number)), number):
                self.complain("torn", f"{app} shows what it never sent: {values}")
            elif number > self.sent[app]:
                self.complain("invented", f"{app} shows {number}, sent was {self.sent[app]}")
        for app, number in asked.floor.items():
            if shown.get(app, 0) < number:
                self.complain("lost", f"{app} shows {shown.get(app)}, {number} had arrived")
        return shown
