"""What an app may send: how many samples, how many bytes, how often."""

from collections import OrderedDict
from collections.abc import Callable, Generator
from dataclasses import dataclass

from exporter_proxy.clocks import boot_seconds
from exporter_proxy.errors import PayloadError
from exporter_proxy.exposition.samples import count_samples
from exporter_proxy.table import Payload

# Pieces of a payload, of some 256 KiB, whose line ends are counted in one go.
_PIECES_A_STEP = 8
# What an app that was silent may make up for at once, so that its timer's jitter costs nothing.
_BURST_SECONDS = 10.0
_LEAST_BURST = 2.0


@dataclass(frozen=True, slots=True)
class Limit:
    """A number, and the key of the configuration that says so, for messages."""

    value: float
    key: str


@dataclass(frozen=True, slots=True)
class Budget:
    """What an app may send; None: as much as it likes.

    Attributes:
        samples: Of one update: lines that are neither blank nor comments.
        bytes: Of one update's exposition text.
        rate: Updates a second.
    """

    samples: Limit | None = None
    bytes: Limit | None = None
    rate: Limit | None = None

    def __bool__(self) -> bool:
        """Tell whether there is any limit."""
        return not (self.samples is None and self.bytes is None and self.rate is None)


def check_size(payload: Payload, budget: Budget) -> Generator[None, None, None]:
    """Check an update in steps of some milliseconds.

    Raises:
        PayloadError: ``app_over_bytes`` or ``app_over_samples``.
    """
    limit = budget.bytes
    if limit is not None and sum(map(len, payload)) > limit.value:
        raise PayloadError(
            f"more than {limit.value:.0f} bytes ({limit.key})",
            reason="app_over_bytes",
        )
    limit = budget.samples
    if limit is not None and (yield from _exceeds(payload, limit.value)):
        raise PayloadError(
            f"more than {limit.value:.0f} samples ({limit.key})",
            reason="app_over_samples",
        )


def _exceeds(payload: Payload, most: float) -> Generator[None, None, bool]:
    """Tell whether a payload has more than so many samples; not how many more."""
    # No sample without a line: counting line ends costs a tenth of counting samples.
    lines = len(payload)
    for number, piece in enumerate(payload, 1):
        lines += piece.count(b"\n")
        if lines > most:
            break
        if number % _PIECES_A_STEP == 0:
            yield
    else:
        return False
    samples = 0
    for piece in payload:
        for counted in count_samples(piece):
            samples += counted
            if samples > most:
                return True
            yield
    return False


class Rates:
    """How often apps were updated of late: a token bucket each (ITU-T I.371, Annex A: GCRA).

    Of an app a single number is kept: when its bucket will be full again. One whose bucket is full
    is as good as unknown, so that those are forgotten, two at each update: names that never come
    again take no room.

    Args:
        clock: Seconds of the clock of ages.
    """

    def __init__(self, clock: Callable[[], float] = boot_seconds) -> None:
        self._clock = clock
        # The one that was updated longest ago first, but for those that were looked at in vain.
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def check(self, app: str, limit: Limit) -> None:
        """Check that ``app`` may be updated now.

        Raises:
            PayloadError: ``app_over_rate``.
        """
        interval = 1 / limit.value
        burst = max(_LEAST_BURST, _BURST_SECONDS * limit.value)
        ahead = self._full_at.get(app, 0.0) - self._clock()
        # A thousandth of an update, for what floats round.
        if ahead > (burst - 1 + 1e-3) * interval:
            raise PayloadError(
                f"more than {limit.value:g} updates a second ({limit.key})",
                reason="app_over_rate",
            )

    def take(self, app: str, limit: Limit) -> None:
        """Take note that ``app`` is updated now."""
        now = self._clock()
        self._full_at[app] = max(self._full_at.get(app, 0.0), now) + 1 / limit.value
        self._full_at.move_to_end(app)
        for _ in range(2):
            self._forget_one(now)

    def _forget_one(self, now: float) -> None:
        oldest = next(iter(self._full_at))
        if self._full_at[oldest] > now:
            # To the end: what comes after it may be forgotten.
            self._full_at.move_to_end(oldest)
        else:
            del self._full_at[oldest]
