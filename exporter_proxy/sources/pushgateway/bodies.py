"""From the body of a push to a segment of a group: read, judged, written as the table has it."""

from collections.abc import Generator, Mapping, Sequence

from exporter_proxy.errors import PayloadError
from exporter_proxy.exposition.escaping import quoted_name
from exporter_proxy.exposition.lines import windows, without_timestamps
from exporter_proxy.exposition.model import Exposition, Family, FamilyType, Finding, Format
from exporter_proxy.exposition.reader import read, read_in_steps
from exporter_proxy.payload.compression import unpack_in_steps
from exporter_proxy.payload.metric_families import CONTENT_TYPE as PROTOBUF
from exporter_proxy.payload.metric_families import convert_in_steps
from exporter_proxy.payload.text import PIECE_BYTES, TextBuilder
from exporter_proxy.sources.pushgateway.group import OWN, Group, Segment
from exporter_proxy.sources.pushgateway.series import label_names, repeated_in_steps, shown
from exporter_proxy.sources.pushgateway.shapes import Shape, Shapes, skeleton_of
from exporter_proxy.table import Payload

_OPENMETRICS = "application/openmetrics-text"
_MARK = b"\xef\xbb\xbf"
_NEWLINE = b"\n"
_WINDOW = 131_072
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
        if b"\0" in text:
            raise PayloadError("the metrics hold a NUL byte", reason="nul_byte")
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
            converted = yield from convert_in_steps(body)
            body = converted.text
            findings = [
                Finding(what, times, 0) for what, times in converted.dropped.items() if times
            ]
        if body.startswith(_MARK):
            body = body.removeprefix(_MARK)
            findings.append(Finding("byte_order_mark", 1, 1))
        declared: Format | None = None
        if kind.strip().lower() == _OPENMETRICS:
            declared = "openmetrics"
        skeleton, shape = self.known(body)
        if shape is None or findings or group.written.keys() & shape.label_names:
            return (yield from self._read(group, body, skeleton, declared, findings, now))
        return Segment(pieces(body), shape, now)

    def _read(  # all that is known of a body
        self,
        group: Group,
        body: bytes,
        skeleton: bytes | None,
        declared: Format | None,
        findings: Sequence[Finding],
        now: float,
    ) -> Generator[None, None, Segment]:
        payload = pieces(body)
        exposition = yield from read_in_steps(payload, format=declared)
        _check_readable(exposition)
        families = [family for family in exposition.families if family.name not in OWN]
        names: frozenset[bytes] = frozenset()
        stamped = False
        for family in families:
            for window in windows(family.samples, _WINDOW):
                stamped = stamped or len(without_timestamps(window)) != len(window)
                names |= label_names(window)
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
            payload = text_of(families)
        elif len(families) != len(exposition.families):
            # Whatever a body has of the families that each group has, they are the group's.
            openmetrics = False
            payload = text_of(families)
        elif not openmetrics and not stamped and not group.written.keys() & names:
            self.shapes.keep(skeleton, shape)
        return Segment(payload, shape, now, openmetrics=openmetrics, findings=findings)


def families_of(segment: Segment) -> Sequence[Family]:
    """Return what a segment holds."""
    return read(segment.payload).families


def without(segment: Segment, names: Mapping[bytes, FamilyType]) -> Segment | None:
    """Return what is left of a segment without some families; None: nothing."""
    left = {name: kind for name, kind in segment.shape.families.items() if name not in names}
    if len(left) == len(segment.shape.families):
        return segment
    if not left:
        return None
    return _as_text(segment, families_of(segment), Shape(left, segment.shape.label_names))


def as_text(segment: Segment) -> Segment:
    """Return a segment as text, which can stand beside others."""
    if not segment.openmetrics and not segment.shape.has_more:
        return segment
    return _as_text(segment, families_of(segment), segment.shape)


def _as_text(segment: Segment, families: Sequence[Family], shape: Shape) -> Segment:
    wanted = [family for family in families if family.name in shape.families]
    kept = Shape(shape.families, shape.label_names)
    return Segment(text_of(wanted), kept, segment.pushed_at, findings=segment.findings)


def text_of(families: Sequence[Family]) -> Payload:
    """Return families as a payload in the text format 0.0.4."""
    builder = TextBuilder()
    for family in families:
        name = quoted_name(family.name)
        if family.help is not None:
            builder.add(b"# HELP %b %b\n" % (name, family.help))
        if family.typed:
            kind = _TEXT_TYPES.get(family.type, family.type.encode())
            builder.add(b"# TYPE %b %b\n" % (name, kind))
        builder.add(family.samples)
    return builder.finish()


def pieces(text: bytes) -> Payload:
    """Return a text as a payload."""
    if not text:
        return ()
    if len(text) < 2 * PIECE_BYTES:
        return (text,)
    cut: list[bytes] = []
    start = 0
    while start < len(text):
        end = text.find(_NEWLINE, start + PIECE_BYTES) + 1 or len(text)
        cut.append(text[start:end])
        start = end
    return tuple(cut)


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
