"""The OpenAPI document, made of the table of operations. Pure.

See https://spec.openapis.org/oas/v3.1.0.
"""

from typing import Any

from exporter_proxy import __version__
from exporter_proxy.views.openapi.operation import Operation, Parameter
from exporter_proxy.views.openapi.operations import OPERATIONS
from exporter_proxy.views.openapi.schemas import SCHEMAS, Schema, ref

# What any request may be answered with that somebody has to have a right to.
_REFUSALS = {
    401: "Nobody was named who may do this, or what proves it is wrong",
    403: "Whoever asks may not do this",
    429: "More requests than rate_limit allows",
    503: "Too many passwords are being checked",
}
_CHALLENGED = 401
_TAGGED = (200, 304)
_HEADER = {"schema": {"type": "string"}}
_ERROR = {"text/plain": ref("Error")}


def make_document() -> dict[str, Any]:
    """Return the document: ``paths`` in the order of the table, methods in lower case."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        shown = paths.setdefault(operation.path, {})
        for method in _methods(operation):
            shown[method] = _operation(operation, method)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "exporter-proxy",
            "version": __version__,
            "description": "The metrics of many applications on one port.",
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
        # As long as nothing is configured nobody has to say who they are.
        "security": [{}, {"basic": []}, {"bearer": []}],
    }


def _methods(operation: Operation) -> tuple[str, ...]:
    if "get" in operation.methods:
        return (*operation.methods, "head")
    return operation.methods


def _operation(operation: Operation, method: str) -> dict[str, Any]:
    is_main = method == operation.methods[0]
    answers = _answers(operation)
    if method == "head":
        for answer in answers.values():
            answer.pop("content", None)
    found: dict[str, Any] = {
        "operationId": operation.name if is_main else f"{operation.name}_{method}",
        "summary": operation.about,
        # What [[access]] sections call it.
        "x-right": operation.needs,
        "parameters": [*map(_parameter, operation.parameters)],
        "responses": {str(status): answer for status, answer in sorted(answers.items())},
    }
    if operation.body is not None:
        found["requestBody"] = {"required": True, "content": _content(operation.body)}
    if operation.needs == "nothing":
        found["security"] = []
    return found


def _answers(operation: Operation) -> dict[int, dict[str, Any]]:
    """Return what an operation may be answered with, by status."""
    answers = {500: _answer(500, "An error of the proxy's own", _ERROR)}
    if operation.needs != "nothing":
        for status, about in _REFUSALS.items():
            answers[status] = _answer(status, about, _ERROR)
    for status, (about, content) in operation.answers.items():
        other = answers.get(status)
        if other is None:
            answers[status] = _answer(status, about, content)
        else:
            other["description"] = f"{about}; or: {other['description']}"
            other["content"] = {**other["content"], **_content(content)}
    if operation.tagged:
        for status in _TAGGED:
            answers[status]["headers"] = {"ETag": _HEADER, "Vary": _HEADER}
    return answers


def _answer(status: int, about: str, content: dict[str, Schema]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": about}
    if content:
        answer["content"] = _content(content)
    if status == _CHALLENGED:
        answer["headers"] = {"WWW-Authenticate": _HEADER}
    return answer


def _content(schemas: dict[str, Schema]) -> dict[str, Any]:
    return {name: {"schema": schema} for name, schema in schemas.items()}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.about,
        "schema": parameter.schema,
    }
    if parameter.place == "path" or parameter.is_required:
        found["required"] = True
    if parameter.schema.get("type") == "array":
        # ?app=a&app=b
        found |= {"style": "form", "explode": True}
    return found
