"""How the following of a section goes."""

from collections import Counter as Tally
from dataclasses import dataclass, field
from typing import Literal

Rotation = Literal["rename", "truncate"]
ReadFault = Literal["checkpoint", "read"]


@dataclass(slots=True)
class LogStatus:
    """How the following of one section goes; written by it, read by the self-metrics.

    Attributes:
        app: The app that has the metrics.
        path: What is followed.
        bytes: How many were read.
        lag: By file: bytes that were written and are not read.
        cut: Lines that were shortened.
        rotations: How often files were rotated away or truncated.
        errors: How often something couldn't be read or written.
        checkpoints: How often a checkpoint was written.
        problems: What is wrong at the moment, a sentence each.
    """

    app: str
    path: str
    bytes: int = 0
    lag: dict[str, int] = field(default_factory=dict)
    cut: int = 0
    rotations: "Tally[Rotation]" = field(default_factory=Tally)
    errors: "Tally[ReadFault]" = field(default_factory=Tally)
    checkpoints: int = 0
    problems: list[str] = field(default_factory=list)
