"""The operations of what is pushed: those of sources, which views know only by their routes."""

from exporter_proxy.views.openapi.operation import (
    JSON,
    OPENMETRICS,
    TEXT,
    Answers,
    Operation,
    Parameter,
)
from exporter_proxy.views.openapi.schemas import STRING, Schema, ref

PROTOBUF = "application/vnd.google.protobuf"

_LINE = {TEXT: STRING}
_API_ERROR = {JSON: ref("ApiError"), TEXT: STRING}
_TTL = Parameter(
    name="ttl",
    about="How long the group lives if nothing else comes",
    schema={"type": "string", "examples": ["30s"]},
)
_TTL_HEADER = Parameter(name="X-TTL", about=_TTL.about, place="header", schema=_TTL.schema)
# A value in a path can't be empty, nor have a slash: such ones are written in base64.
_PART: Schema = {"type": "string", "pattern": r"^[^/\u0000]+$"}
_BASE64: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]+=*$"}
_LABEL = (
    Parameter(
        name="label",
        about="The name of a label of the group; more pairs may follow",
        place="path",
        schema={"type": "string", "pattern": "^(?!__)[a-zA-Z_][a-zA-Z0-9_]*(@base64)?$"},
    ),
    Parameter(
        name="value", about="Its value, in base64 if its name says so", place="path", schema=_PART
    ),
)
_REFUSED: Answers = {
    400: ("It can't be read, or does not go together with another group", _LINE),
    404: ("Turned off: push.pushgateway_api", _LINE),
    408: ("The body did not come in time", _LINE),
    413: ("The body is larger than push.max_body_size", _LINE),
    415: ("An encoding that is not read", _LINE),
    503: ("The table is full", _LINE),
}
_API_REFUSED: Answers = {
    400: ("It can't be read", _API_ERROR),
    404: ("Turned off by the configuration", _LINE),
}


def _group(suffix: str, number: int, job: Schema) -> tuple[Operation, ...]:
    """Return the operations of groups whose job is written one way, with a label or without."""
    path = f"/metrics/job{suffix}/{{job}}" + ("/{label}/{value}" if number else "")
    key = (
        Parameter(name="job", about="The job of the group", place="path", schema=job),
        *(_LABEL if number else ()),
    )
    ending = ("Base64" if suffix else "") + ("Labelled" if number else "")
    pushes = tuple(
        Operation(
            methods=(method,),
            path=path,
            name=f"{name}{ending}",
            about=about,
            needs="push",
            parameters=(*key, _TTL, _TTL_HEADER),
            body={TEXT: STRING, OPENMETRICS: STRING, PROTOBUF: {}},
            answers={200: ("It is there", {}), **_REFUSED},
        )
        for method, name, about in (
            ("put", "replaceGroup", "Replaces all that a group has"),
            ("post", "addToGroup", "Replaces a group's families of the same names"),
        )
    )
    delete = Operation(
        methods=("delete",),
        path=path,
        name=f"deleteGroup{ending}",
        about="Deletes a group, whether it is there or not",
        needs="push",
        parameters=key,
        answers={202: ("It is not there", {}), **{key: _REFUSED[key] for key in (400, 404)}},
    )
    return (*pushes, delete)


_APP_REFUSED: Answers = {
    400: ("It can't be read", _LINE),
    404: ("Turned off: push.app_api", _LINE),
    408: ("The body did not come in time", _LINE),
    413: ("The body is larger than push.max_body_size, or than the app may send", _LINE),
    415: ("An encoding that is not read", _LINE),
    429: ("The app is updated too often", _LINE),
    503: ("The table is full", _LINE),
}
_APP = Parameter(
    name="app",
    about="The app; a slash in its name is %2F",
    place="path",
    schema={"type": "string", "pattern": r"^[!-.0-~]{1,256}$"},
)
_APP_PUSHES = tuple(
    Operation(
        methods=(method,),
        path=path,
        name=f"{method}{name}",
        about=about,
        needs="push",
        parameters=parameters,
        body=body,
        answers={200: ("It is there", {}), **_APP_REFUSED},
    )
    for method in ("put", "post")
    for path, name, about, parameters, body in (
        (
            "/push/{app}",
            "App",
            "Replaces all that an app has",
            (_APP, _TTL, _TTL_HEADER),
            {TEXT: STRING, OPENMETRICS: STRING},
        ),
        (
            "/push",
            "Apps",
            "Replaces all that some apps have",
            (_TTL, _TTL_HEADER),
            {JSON: ref("Documents")},
        ),
    )
)

OPERATIONS = (
    *_APP_PUSHES,
    *_group("", 0, _PART),
    *_group("", 1, _PART),
    *_group("@base64", 0, _BASE64),
    *_group("@base64", 1, _BASE64),
    Operation(
        methods=("get",),
        path="/api/v1/status",
        name="gatewayStatus",
        about="Version, start, and what is configured, in Pushgateway's form",
        answers={200: ("The status", {JSON: ref("ApiSuccess")}), **_API_REFUSED},
    ),
    Operation(
        methods=("get",),
        path="/api/v1/metrics",
        name="gatewayMetrics",
        about="All groups and their metrics, in Pushgateway's form",
        answers={200: ("The groups", {JSON: ref("ApiSuccess")}), **_API_REFUSED},
    ),
    Operation(
        methods=("delete",),
        path="/api/v1/groups",
        name="deleteGroups",
        about="Deletes the groups that match",
        needs="push",
        parameters=(
            Parameter(
                name="match[]",
                about="A selector; one matcher at least must not match the empty value",
                is_required=True,
                schema={
                    "type": "array",
                    "minItems": 1,
                    "items": {"type": "string", "examples": ['{job=~"batch.*",instance=""}']},
                },
            ),
            Parameter(
                name="dry_run",
                about="Only says which they would be",
                schema={"type": "string", "enum": ["0", "1", "false", "true"]},
            ),
        ),
        answers={200: ("Those that matched", {JSON: ref("ApiSuccess")}), **_API_REFUSED},
    ),
    Operation(
        methods=("post",),
        path="/api/v1/push",
        name="pushGroups",
        about="Takes many groups, all or none",
        needs="push",
        body={JSON: ref("Groups")},
        answers={
            200: ("All were taken", {JSON: ref("ApiSuccess")}),
            **{status: (about, _API_ERROR) for status, (about, _) in _REFUSED.items()},
        },
    ),
    Operation(
        methods=("put",),
        path="/api/v1/admin/wipe",
        name="wipe",
        about="Deletes all groups, if push.enable_admin_api allows it",
        needs="admin",
        answers={202: ("They are gone", {}), 404: ("Turned off", _LINE)},
    ),
)
