"""What a reader makes of exposition text, and what indexes and writers work on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import msgspec

Format = Literal["text", "openmetrics"]

FamilyType = Literal[
    "counter",
    "gauge",
    "histogram",
    "summary",
    "untyped",
    # OpenMetrics alone has these. The text page shows them as types it knows.
    "gaugehistogram",
    "info",
    "stateset",
]


class Family(msgspec.Struct, eq=False, gc=False):
    r"""One metric family of one application: readable, and written the way Prometheus writes.

    Attributes:
        name: As HELP and TYPE carry it in the text format 0.0.4: an OpenMetrics counter's with its
            ``_total``, an info's with its ``_info``.
        type: ``untyped`` where the sender gives none.
        typed: Whether the sender gave a type.
        help: HELP text, escaped as in the text format (``\\`` and ``\n``); None: none given.
        unit: OpenMetrics' UNIT; empty: none.
        samples: Lines of the text format 0.0.4, each ending in a newline: what is in them, names
            included, can be read by every Prometheus parser.
        count: How many samples.
        openmetrics: The lines as OpenMetrics has them, where they differ (timestamps in seconds,
            exemplars); None: as ``samples``.
        quoted: Whether the name, or the name of a label, is UTF-8 that must stand in quotes. The
            name is then kept as raw UTF-8, and samples as ``{"my.metric","label.x"="v"} 1`` (or
            ``name{"label.x"="v"} 1``) in both renderings: writers escape what a reader can't take.
            It may be the label of an exemplar alone.
        aliased: Whether such names are replaced by those of ``aliases.py``.
        origin: The name before it was escaped, where that is another; None: it is the same.
        written: What writers keep here of what they made of it; nothing that leads back here: the
            garbage collector does not see families, of which there are very many.
    """

    name: bytes
    type: FamilyType
    samples: bytes
    count: int
    help: bytes | None = None
    typed: bool = True
    unit: bytes = b""
    openmetrics: bytes | None = None
    quoted: bool = False
    aliased: bool = False
    origin: bytes | None = None
    written: Any = None


class Quarantined(NamedTuple):
    """A family that can't be read, or part of whose lines can't.

    Attributes:
        name: The family's name as far as it can be told; may be empty.
        line: Number of the first line that can't be read, from 1.
        reason: From the fixed set of findings.
        message: What is wrong with it, for a person; quotes the line, cut.
        text: The family's lines as they came.
    """

    name: bytes
    line: int
    reason: str
    message: str
    text: bytes


class Finding(NamedTuple):
    """A repair, a warning or a note.

    Attributes:
        reason: From the fixed set of findings.
        times: How often it came up.
        line: Number of the first line, from 1; 0: it is not known.
        what: What it is about first, where no line tells it: a series, or a family; may be empty.
    """

    reason: str
    times: int
    line: int
    what: str = ""


@dataclass(slots=True)
class Exposition:
    """A payload, read.

    Attributes:
        format: What it was read as.
        families: Those that can be shown, by their first line; no name twice.
        quarantined: Those that can't.
        findings: What was repaired or is worth a warning, one for each reason.
        samples: How many samples ``families`` have.
    """

    format: Format
    families: Sequence[Family] = ()
    quarantined: Sequence[Quarantined] = ()
    findings: Sequence[Finding] = field(default_factory=tuple)
    samples: int = 0
