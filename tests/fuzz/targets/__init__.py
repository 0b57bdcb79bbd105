"""One module for each surface that takes bytes from outside.

Each has

- ``TOKENS``: what means something there, for mutations to put in;
- ``target()``: a context in which a function is called with one input after another. It raises
  where a promise is broken;
- ``seeds()``, where inputs to begin with are made rather than written down.
"""

import importlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
"""A folder for each target."""

NAMES = (
    "json_wire",
    "capnp_wire",
    "detection",
    "exposition",
    "pages",
    "config_file",
    "web_config",
    "receiver",
    "scrape_port",
    "poll_answer",
    "state_file",
)
"""All targets, in the order in which they are run."""

Check = Callable[[bytes], None]


class Target(NamedTuple):
    """A surface to be tried.

    Attributes:
        name: Of its module and its corpus.
        tokens: What means something there.
        open: Gives the function that tries one input.
        seeds: Inputs to begin with.
    """

    name: str
    tokens: Sequence[bytes]
    open: Callable[[], AbstractContextManager[Check]]
    seeds: Sequence[bytes]


def load(name: str) -> Target:
    """Import a target and what it begins with."""
    module = importlib.import_module(f"{__name__}.{name}")
    made: Callable[[], list[bytes]] = getattr(module, "seeds", list)
    kept = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
    return Target(name, module.TOKENS, module.target, [*kept, *made()])
