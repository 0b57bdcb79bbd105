"""The OpenAPI document says what the routes do."""

import json
import re
from dataclasses import replace
from typing import Any

from aiohttp import web

from exporter_proxy import __version__
from exporter_proxy.access import Access
from exporter_proxy.config import Config
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.pushgateway import Api
from exporter_proxy.sources.pushing import Pushing
from exporter_proxy.table import Table
from exporter_proxy.views.openapi import pushing
from exporter_proxy.views.openapi.document import make_document
from exporter_proxy.views.server import Views
from tests.views.conftest import Port
from tests.views.test_guard import LIFECYCLE

PUSHED = {operation.path for operation in pushing.OPERATIONS}


def shown_path(canonical: str) -> str:
    """Return a route's path as OpenAPI writes it, where aiohttp has a pattern with a name."""
    return re.sub(r"\{(\w+):[^}]*\}", r"{\1}", canonical)


async def test_every_route_is_described_and_every_description_a_route(port: Port) -> None:
    """With the right that it needs. Routes for any method say that there is no such one."""
    backing = replace(port.views._backing, lifecycle=LIFECYCLE)
    app = Views(backing, port.settings()).application()
    routes: dict[tuple[str, str], Any] = {}
    for route in app.router.routes():
        assert route.resource is not None
        if route.method != "*":
            handler: Any = route.handler
            path = shown_path(route.resource.canonical)
            routes[path, route.method.lower()] = handler.needs
    described = {
        (path, method): operation["x-right"]
        for path, methods in make_document()["paths"].items()
        for method, operation in methods.items()
        if path not in PUSHED
    }

    assert described == routes


async def test_every_route_of_the_pushgateway_api_is_described() -> None:
    """Their routes are for any method: which there are is tried against a running proxy."""
    app, table, config = web.Application(), Table(), Config()
    Pushing(config, table, Admission(table), Access(config)).add_to(app.router)
    paths = {route.resource.canonical for route in app.router.routes() if route.resource}
    # A path for a group without labels, and one for those that have some.
    groups = {path.replace("{key}", "{job}") for path in map(shown_path, paths)}
    groups |= {f"{path}/{{label}}/{{value}}" for path in groups if path.endswith("{job}")}

    assert groups == PUSHED


def test_operations_of_the_pushgateway_api_need_the_right_that_is_described() -> None:
    for operation in pushing.OPERATIONS:
        for method in operation.methods:
            assert operation.needs == Api.right(method.upper(), operation.path)


async def test_the_document_is_served(port: Port) -> None:
    status, headers, body = await port.get("/openapi.json")

    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(body) == json.loads(json.dumps(make_document()))
    assert json.loads(body)["info"]["version"] == __version__
    assert await port.page("/openapi.json") == body


def test_names_of_operations_are_unique() -> None:
    names = [
        operation["operationId"]
        for methods in make_document()["paths"].values()
        for operation in methods.values()
    ]

    assert len(set(names)) == len(names)


def test_head_has_no_bodies() -> None:
    for methods in make_document()["paths"].values():
        assert ("head" in methods) == ("get" in methods)
        for answer in methods.get("head", {"responses": {}})["responses"].values():
            assert "content" not in answer
