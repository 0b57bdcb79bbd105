"""Every operation of the scrape port. A test holds this table to the routes that there are."""

from exporter_proxy.views.openapi import pushing
from exporter_proxy.views.openapi.operation import (
    HTML,
    JSON,
    OPENMETRICS,
    TEXT,
    Answers,
    Operation,
    Parameter,
)
from exporter_proxy.views.openapi.schemas import STRING, Schema, ref

_YES: Schema = {
    "type": "string",
    "description": "Anything but 0, false and no is a yes",
    "examples": ["1"],
}
# An address as Prometheus takes it, and a name without control characters that is not blank.
_TARGET = r"^(?:[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$"
_CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_NAME = rf"^[^{_CONTROL}]*[^\s{_CONTROL}][^{_CONTROL}]*$"
_ERROR = {TEXT: ref("Error")}
_LINE: dict[str, Schema] = {TEXT: STRING}


def _error(about: str) -> tuple[str, dict[str, Schema]]:
    return about, _ERROR


def _format(*names: str) -> Parameter:
    return Parameter(
        name="format",
        about="Counts more than Accept",
        schema={"type": "string", "enum": [*names]},
    )


_APP = Parameter(
    name="app",
    about="The app's name; a slash is written %2F",
    place="path",
    schema={"type": "string", "minLength": 1},
)
_NAMES = Parameter(
    name="name[]",
    about="Only this family, or these",
    schema={"type": "array", "items": STRING},
)
_STRICT = Parameter(
    name="strict", about="Without what scrapers can't read, also for people", schema=_YES
)
_FRESH = Parameter(name="fresh", about="Has one app, if it is polled, polled before", schema=_YES)
_STALE = Parameter(
    name="stale", about="Takes metrics of one app that are not fresh for good", schema=_YES
)
_TIMEOUT = Parameter(
    name="X-Prometheus-Scrape-Timeout-Seconds",
    about="How long a fresh poll may take, the way of the answer included",
    place="header",
)
_PAGE = "The page", {TEXT: STRING, OPENMETRICS: STRING}
_NO_VERBATIM = _error('name[] needs exporter.exposition = "merged"')
_ONE_APP: Answers = {
    404: _error("No such app, or it was dropped"),
    502: _error("The last poll of the app failed, or the one that was asked for"),
    503: _error("The app waits for its next poll"),
    504: _error("The app expired, or its poll took too long"),
}
_UNCHANGED: tuple[str, dict[str, Schema]] = "The reader has the page already", {}

OPERATIONS = (
    Operation(
        methods=("get",),
        path="/",
        name="home",
        about="A page with links to the others",
        answers={200: ("The page", {HTML: STRING})},
    ),
    Operation(
        methods=("get",),
        path="/metrics",
        name="metrics",
        about="The metrics of all apps; with ?app= of some, and with one alone as long as it is up",
        parameters=(
            Parameter(
                name="app",
                about="Only this app, or these",
                schema={"type": "array", "items": STRING},
            ),
            _NAMES,
            _FRESH,
            _STALE,
            _STRICT,
            _TIMEOUT,
        ),
        answers={200: _PAGE, 304: _UNCHANGED, 400: _NO_VERBATIM, **_ONE_APP},
        tagged=True,
    ),
    Operation(
        methods=("get",),
        path="/metrics/self",
        name="selfMetrics",
        about="The proxy's own metrics",
        parameters=(_NAMES,),
        answers={200: _PAGE, 304: _UNCHANGED, 404: _error("They are turned off")},
        tagged=True,
    ),
    Operation(
        methods=("get",),
        path="/apps",
        name="apps",
        about="Which app was updated when, and by whom",
        parameters=(_format("text", "html", "json"),),
        answers={
            200: ("The table", {TEXT: STRING, HTML: STRING, JSON: ref("Apps")}),
            400: _error("An unknown format"),
        },
    ),
    Operation(
        methods=("get",),
        path="/apps/{app}",
        name="app",
        about="All that is known of one app",
        parameters=(_APP, _format("json", "text", "html")),
        answers={
            200: ("What is known", {JSON: ref("App"), TEXT: STRING, HTML: STRING}),
            400: _error("An unknown format"),
            404: _error("No such app"),
        },
    ),
    Operation(
        methods=("delete",),
        path="/apps/{app}",
        name="deleteApp",
        about="Forgets an app wholly; one that is polled comes back with its next poll",
        needs="push",
        parameters=(_APP,),
        answers={200: ("It is deleted", _LINE), 404: _error("No such app")},
    ),
    Operation(
        methods=("get",),
        path="/apps/{app}/metrics",
        name="appMetrics",
        about="The metrics of one app, as long as it is up",
        parameters=(_APP, _NAMES, _FRESH, _STALE, _STRICT, _TIMEOUT),
        answers={200: _PAGE, 304: _UNCHANGED, 400: _NO_VERBATIM, **_ONE_APP},
        tagged=True,
    ),
    Operation(
        methods=("get",),
        path="/sd",
        name="targets",
        about="Every app as a target of its own, for Prometheus's HTTP service discovery",
        parameters=(
            Parameter(
                name="target",
                about="Where Prometheus finds this port, if not where it asks",
                schema={"type": "string", "pattern": _TARGET},
            ),
        ),
        answers={
            200: ("The targets", {JSON: ref("Targets")}),
            400: _error("target or Host is no address"),
        },
    ),
    Operation(
        methods=("get",),
        path="/proxy",
        name="proxy",
        about="Asks a module now; without module, says which there are",
        parameters=(
            Parameter(name="module", about="Which; all other parameters are handed to it"),
            _format("text", "html", "json"),
            _TIMEOUT,
        ),
        answers={
            200: (
                "The module's page, or the modules",
                {TEXT: STRING, OPENMETRICS: STRING, HTML: STRING, JSON: ref("Modules")},
            ),
            400: _error("An unknown format, or the module takes no such parameters"),
            404: _error("No such module"),
            502: _error("The module failed"),
            503: _error("Others of the module were running all the time, or the proxy is stopping"),
            504: _error("The module took too long"),
        },
    ),
    Operation(
        methods=("post",),
        path="/lint",
        name="lint",
        about="Says what would happen to metrics, and keeps nothing",
        parameters=(
            Parameter(
                name="app",
                about="As if this app had pushed them",
                schema={"type": "string", "pattern": _NAME, "maxLength": 256},
            ),
            _format("text", "openmetrics"),
        ),
        body={TEXT: STRING},
        answers={
            200: ("The report", {JSON: ref("LintReport")}),
            400: _error("An unknown parameter, a bad name, or a body that is not what it says"),
            408: _error("The body did not come in time"),
            413: _error("The body is too large"),
            415: _error("An unknown Content-Encoding"),
        },
    ),
    Operation(
        methods=("get",),
        path="/health",
        name="health",
        about="How the proxy and each of its sources are",
        answers={
            200: ("Metrics are shown", {JSON: ref("Health")}),
            503: ("The page can't be made", {JSON: ref("Health")}),
        },
    ),
    Operation(
        methods=("get",),
        path="/-/healthy",
        name="healthy",
        about="Whether the page can be made",
        needs="nothing",
        answers={200: ("It can", _LINE), 503: ("It can't", _LINE)},
    ),
    Operation(
        methods=("get",),
        path="/-/ready",
        name="ready",
        about="Whether metrics are taken",
        needs="nothing",
        answers={200: ("They are", _LINE), 503: ("They are not", _LINE)},
    ),
    Operation(
        methods=("post", "put"),
        path="/-/reload",
        name="reload",
        about="Reads the configuration again, if exporter.enable_lifecycle allows it",
        needs="admin",
        answers={
            200: ("It is in force", _LINE),
            403: _error("It is not allowed"),
            500: ("It can't be used; the one before stays in force", _LINE),
            503: ("The proxy stops, or another reload is under way", _LINE),
        },
    ),
    Operation(
        methods=("post", "put"),
        path="/-/quit",
        name="quit",
        about="Ends the proxy in order, if exporter.enable_lifecycle allows it",
        needs="admin",
        answers={200: ("It ends", _LINE), 403: _error("It is not allowed")},
    ),
    Operation(
        methods=("get",),
        path="/openapi.json",
        name="openapi",
        about="This document",
        answers={200: ("The document", {JSON: {"type": "object"}})},
    ),
    *pushing.OPERATIONS,
)
