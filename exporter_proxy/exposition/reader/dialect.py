"""Where the text format and OpenMetrics differ for a reader: names, suffixes, timestamps."""

from dataclasses import dataclass
from typing import Final

from exporter_proxy.exposition.grammar import LARGEST_TIMESTAMP, LineError, shown
from exporter_proxy.exposition.model import FamilyType, Format

SUFFIXES: Final = (
    b"_bucket",
    b"_count",
    b"_sum",
    b"_total",
    b"_created",
    b"_info",
    b"_gcount",
    b"_gsum",
)
"""What a sample's name may have beyond its family's."""

_TEXT_SUFFIXES: dict[FamilyType, tuple[bytes, ...]] = {
    "histogram": (b"_bucket", b"_sum", b"_count"),
    "summary": (b"_sum", b"_count"),
    "gaugehistogram": (b"_bucket", b"_gsum", b"_gcount"),
    "info": (b"_info",),
}
_OPENMETRICS_SUFFIXES: dict[FamilyType, tuple[bytes, ...]] = {
    "counter": (b"_total", b"_created"),
    "histogram": (b"_bucket", b"_sum", b"_count", b"_created"),
    "summary": (b"_sum", b"_count", b"_created"),
    "gaugehistogram": (b"_bucket", b"_gsum", b"_gcount"),
    "info": (b"_info",),
}

_SUFFIXED: dict[FamilyType, bytes] = {"counter": b"_total", "info": b"_info"}

# Seconds from which a timestamp must be milliseconds: the year 5138, or 3 March 1973.
_MILLISECONDS_FROM = 100_000_000_000


@dataclass(frozen=True, slots=True)
class Dialect:
    """A format, as the readers need it.

    Attributes:
        format: Its name.
        suffixes: For a type, the suffixes that its samples may have.
        seconds: Whether timestamps are seconds.
    """

    format: Format
    suffixes: dict[FamilyType, tuple[bytes, ...]]
    seconds: bool

    def text_name(self, family: bytes, kind: FamilyType, sample: bytes) -> bytes:
        """Return the name that the family of a sample has in the text format.

        Args:
            family: The name that HELP and TYPE carry here.
            kind: The family's type.
            sample: The sample's name, which is the family's or that with a suffix of its type.
        """
        if kind == "info" or (self.seconds and kind == "counter"):
            return sample
        if self.seconds and sample.endswith(b"_created"):
            return sample
        return family

    def usual_suffix(self, kind: FamilyType) -> bytes:
        """Return what a family's name has in the text format that it has not here."""
        return _SUFFIXED.get(kind, b"") if self.seconds else b""

    def empty_name(self, family: bytes, kind: FamilyType) -> bytes:
        """Return the name in the text format of a family that has no samples."""
        suffix = _SUFFIXED.get(kind) if self.seconds else None
        return family if suffix is None or family.endswith(suffix) else family + suffix


TEXT: Final = Dialect("text", _TEXT_SUFFIXES, seconds=False)
OPENMETRICS: Final = Dialect("openmetrics", _OPENMETRICS_SUFFIXES, seconds=True)


def text_timestamp(token: bytes) -> int:
    """Return a timestamp of the text format, in milliseconds.

    Raises:
        LineError: ``bad_timestamp``. Prometheus takes no sign, though Go's own reader does.
    """
    if token.isdigit() and len(token) <= 40 and (number := int(token)) <= LARGEST_TIMESTAMP:
        return number
    raise LineError(
        "bad_timestamp", f"timestamp {shown(token)} is not a whole number of milliseconds"
    )


def openmetrics_timestamp(token: bytes) -> tuple[int, bool]:
    """Return a timestamp of OpenMetrics, in milliseconds, and whether it came as such.

    Raises:
        LineError: ``bad_timestamp``.
    """
    seconds, _, fraction = token.partition(b".")
    if (
        len(token) <= 40
        and seconds.isdigit()
        and (fraction.isdigit() or token == seconds)
        and (number := int(seconds)) <= LARGEST_TIMESTAMP
    ):
        if number >= _MILLISECONDS_FROM:
            return number, True
        # cut as Prometheus cuts it
        return number * 1000 + int(fraction[:3].ljust(3, b"0")), False
    raise LineError("bad_timestamp", f"timestamp {shown(token)} is not a number of seconds")


def in_seconds(milliseconds: int) -> bytes:
    """Return a timestamp as OpenMetrics writes it, exactly."""
    seconds, rest = divmod(milliseconds, 1000)
    return b"%d.%03d" % (seconds, rest) if rest else b"%d" % seconds
