"""From the body of a push to a segment of a group: read, judged, written as the table has it."""

from collections.abc import Generator, Iterable, Mapping, Sequence

from exporter_proxy.errors import PayloadError
from exporter_proxy.exposition.escaping import quoted_name
from exporter_proxy.exposition.lines import windows, without_timestamps
from exporter_proxy.exposition.model import Exposition, Family, FamilyType, Finding, Format
from exporter_proxy.exposition.reader import read_in_steps
from exporter_proxy.payload.compression import unpack_in_steps
from exporter_proxy.payload.metric_families import CONTENT_TYPE as PROTOBUF
from exporter_proxy.payload.metric_families import convert_in_steps
from exporter_proxy.payload.text import PIECE_BYTES, TextBuilder
from exporter_proxy.sources.pushgateway.group import OWN, Group, Segment
from exporter_proxy.sources.pushgateway.series import repeated_in_steps, shown, with_label_names
from exporter_proxy.sources.pushgateway.shapes import LARGEST_BODY, Shape, Shapes, skeleton_of
from exporter_proxy.table import Payload

_OPENMETRICS = "application/openmetrics-text"
_MARK = b"\xef\xbb\xbf"
_NEWLINE = b"\n"
_WINDOW = 131_072
# What a family takes beside its samples.
_FAMILY_BYTES = 4_096
_TEXT_TYPES: dict[FamilyType, bytes] = {
    "gaugehistogram": b"untyped",
    "info": b"gauge",
    "stateset": b"gauge",
}


class Bodies:
    """Reads what is pushed.

    Args:
        max_size: Bytes that a body may have, unpacked.
        honor_timestamps: Whether samples may have timestamps.
    """

    def __init__(self, max_size: int, *, honor_timestamps: bool) -> None:
        self._max_size = max_size
        self._honor_timestamps = honor_timestamps
        self.shapes = Shapes()

    def known(self, text: bytes) -> tuple[bytes | None, Shape | None]:
        """Return a text's skeleton, and its shape if texts of that shape were read before."""
        _check_nul(text)
        skeleton = skeleton_of(text if text.endswith(_NEWLINE) else text + _NEWLINE)
        return skeleton, None if skeleton is None else self.shapes.find(skeleton)

    def read(
        self, group: Group, body: bytes, content_type: str, encoding: str, now: float
    ) -> Generator[None, None, Segment]:
        """Read a body and judge it by itself, in steps of some milliseconds.

        Raises:
            PayloadError: What is wrong with it.
        """
        if encoding:
            body = yield from unpack_in_steps(body, encoding, self._max_size)
        kind, _, parameters = content_type.partition(";")
        findings: list[Finding] = []
        if kind.strip().lower() == PROTOBUF and "delimited" in parameters:
            converted = yield from convert_in_steps(body, self._max_size)
            body = converted.text
            findings = [
                Finding(what, times, 0) for what, times in converted.dropped.items() if times
            ]
        start = 0
        if body.startswith(_MARK):
            start = len(_MARK)
            findings.append(Finding("byte_order_mark", 1, 1))
        declared: Format | None = None
        if kind.strip().lower() == _OPENMETRICS:
            declared = "openmetrics"
        skeleton: bytes | None = None
        if len(body) <= LARGEST_BODY:
            body = body[start:]
            skeleton, shape = self.known(body)
            payload = _whole(body)
            if shape is not None and not findings and not shape.may_have(group.written):
                return Segment(payload, shape, now)
        else:
            payload = yield from pieces_in_steps(body, start)
        return (yield from self._read(group, payload, skeleton, declared, findings, now))

    def _read(  # all that is known of a body
        self,
        group: Group,
        payload: Payload,
        skeleton: bytes | None,
        declared: Format | None,
        findings: Sequence[Finding],
        now: float,
    ) -> Generator[None, None, Segment]:
        exposition = yield from read_in_steps(payload, format=declared)
        _check_readable(exposition)
        families = [family for family in exposition.families if family.name not in OWN]
        names: set[bytes] | None = set()
        stamped = False
        for family in families:
            for window in windows(family.samples, _WINDOW):
                stamped = stamped or len(without_timestamps(window)) != len(window)
                names = with_label_names(names, window)
                yield
            twice = yield from repeated_in_steps(family, group.written)
            if twice is not None:
                raise PayloadError(
                    "pushed metrics are invalid or inconsistent with existing metrics: "
                    f"the series {shown(twice)} is there twice",
                    reason="inconsistent_metrics",
                )
        if stamped and not self._honor_timestamps:
            raise PayloadError(
                "pushed metrics must not have timestamps (push.honor_timestamps)",
                reason="inconsistent_metrics",
            )
        # HELP and TYPE alone make no family, as in Pushgateway.
        kinds = {each.name: each.type for each in families if each.count}
        shape = Shape(kinds, names, has_more=len(kinds) < len(families))
        openmetrics = exposition.format == "openmetrics"
        if openmetrics and not _reads_as_openmetrics(payload):
            openmetrics = False
            payload = yield from text_in_steps(families)
        elif len(families) != len(exposition.families):
            # Whatever a body has of the families that each group has, they are the group's.
            openmetrics = False
            payload = yield from text_in_steps(families)
        elif not openmetrics and not stamped and not shape.may_have(group.written):
            self.shapes.keep(skeleton, shape)
        return Segment(payload, shape, now, openmetrics=openmetrics, findings=findings)


def families_in_steps(segment: Segment) -> Generator[None, None, Sequence[Family]]:
    """Return what a segment holds."""
    return (yield from read_in_steps(segment.payload)).families


def without_in_steps(
    segment: Segment, names: Mapping[bytes, FamilyType]
) -> Generator[None, None, Segment | None]:
    """Return what is left of a segment without some families; None: nothing."""
    left = {name: kind for name, kind in segment.shape.families.items() if name not in names}
    if len(left) == len(segment.shape.families):
        return segment
    if not left:
        return None
    return (yield from _as_text(segment, Shape(left, segment.shape.label_names)))


def as_text_in_steps(segment: Segment) -> Generator[None, None, Segment]:
    """Return a segment as text, which can stand beside others."""
    if not segment.openmetrics and not segment.shape.has_more:
        return segment
    return (yield from _as_text(segment, segment.shape))


def _as_text(segment: Segment, shape: Shape) -> Generator[None, None, Segment]:
    families = yield from families_in_steps(segment)
    wanted = [family for family in families if family.name in shape.families]
    kept = Shape(shape.families, shape.label_names)
    text = yield from text_in_steps(wanted)
    return Segment(text, kept, segment.pushed_at, findings=segment.findings)


def text_in_steps(families: Iterable[Family]) -> Generator[None, None, Payload]:
    """Return families as a payload in the text format 0.0.4."""
    builder = TextBuilder()
    added = 0
    for family in families:
        name = quoted_name(family.name)
        if family.help is not None:
            builder.add(b"# HELP %b %b\n" % (name, family.help))
        if family.typed:
            kind = _TEXT_TYPES.get(family.type, family.type.encode())
            builder.add(b"# TYPE %b %b\n" % (name, kind))
        for window in windows(family.samples, PIECE_BYTES):
            builder.add(window)
            added += _FAMILY_BYTES + len(window)
            if added >= PIECE_BYTES:
                added = 0
                yield
    return builder.finish()


def pieces_in_steps(text: bytes, start: int) -> Generator[None, None, Payload]:
    """Return a text from a place on as a payload.

    Raises:
        PayloadError: It has a NUL in it.
    """
    cut: list[bytes] = []
    while start < len(text):
        end = text.find(_NEWLINE, start + PIECE_BYTES) + 1 or len(text)
        cut.append(text[start:end])
        _check_nul(cut[-1])
        start = end
        yield
    return tuple(cut)


def _whole(text: bytes) -> Payload:
    """Return a short text as a payload."""
    return (text,) if text else ()


def _check_nul(text: bytes) -> None:
    if b"\0" in text:
        raise PayloadError("the metrics hold a NUL byte", reason="nul_byte")


def _check_readable(exposition: Exposition) -> None:
    if not exposition.quarantined:
        return
    first = min(exposition.quarantined, key=lambda each: each.line)
    raise PayloadError(
        f"text format parsing error in line {first.line}: {first.message}",
        reason="invalid_metrics",
    )


def _reads_as_openmetrics(payload: Payload) -> bool:
    """Tell whether the page's reader, to which nothing is declared, takes it for OpenMetrics."""
    return bool(payload) and payload[-1].rstrip().endswith(b"# EOF")
