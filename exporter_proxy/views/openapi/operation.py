"""What is said of an operation of the scrape port."""

from dataclasses import dataclass, field

from exporter_proxy.views.openapi.schemas import STRING, Schema
from exporter_proxy.views.responses import Needs

JSON, TEXT, HTML = "application/json", "text/plain", "text/html"
OPENMETRICS = "application/openmetrics-text"

Answers = dict[int, tuple[str, dict[str, Schema]]]
"""What each status means, and the body's schema by its media type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of an operation."""

    name: str
    about: str
    place: str = "query"
    schema: Schema = field(default_factory=lambda: STRING)
    is_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A method of a path.

    Attributes:
        methods: Those that do the same, in lower case; ``get`` has a ``head`` beside it.
        path: In OpenAPI's notation.
        name: Names it for programs.
        about: What it does, in a sentence.
        needs: What its sender must have the right to.
        answers: What can be answered, but for what any operation may be.
        parameters: What it takes.
        body: What is sent, by media type.
        tagged: Whether what is shown has an entity tag.
    """

    methods: tuple[str, ...]
    path: str
    name: str
    about: str
    answers: Answers
    needs: Needs = "scrape"
    parameters: tuple[Parameter, ...] = ()
    body: dict[str, Schema] | None = None
    tagged: bool = False
