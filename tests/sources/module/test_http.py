"""Exporters over HTTP."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from exporter_proxy.errors import ModuleError
from exporter_proxy.modules import TEXT_TYPE, Ask
from exporter_proxy.sources.module.http import HttpModule
from exporter_proxy.sources.module.kind import Outcome
from exporter_proxy.sources.poll.client import PollClient
from exporter_proxy.sources.poll.request import ACCEPT
from tests.sources.module.modules import module
from tests.sources.polling import http_server

ANY = Ask()


async def fetch(handler, ask=ANY, seconds=10.0, path="/metrics", **keys: Any):
    """Return what a module brings whose exporter answers by ``handler``."""
    async with http_server(handler) as url:
        client = PollClient()
        try:
            kind = HttpModule(module(kind="http", url=f"{url}{path}", **keys), client)
            return await kind.fetch(ask, seconds)
        finally:
            await client.close()


def answering(body: str = "x 1\n", **keys: Any):
    async def handler(request):
        handler.request = request
        return web.Response(text=body, **keys)

    return handler


@pytest.mark.parametrize(
    ("path", "params", "query"),
    [
        ("/m", (), ""),
        ("/m?a=1", (), "a=1"),
        (
            "/m",
            (("module", "http_2xx"), ("target", "http://a/?b=c&d")),
            "module=http_2xx&target=http://a/?b%3Dc%26d",
        ),
        ("/m?a=1", (("a", "ä +"), ("a", "\r\n#")), "a=1&a=%C3%A4+%2B&a=%0D%0A%23"),
    ],
)
async def test_parameters(path, params, query):
    """Added to those of the URL; whatever is in them, they stay values."""
    handler = answering()
    answer = await fetch(handler, Ask(params), path=path)

    assert answer.payload == (b"x 1\n",)
    assert handler.request.raw_path.partition("?")[2] == query
    assert [*handler.request.query.items()][-len(params) or 99 :] == [*params]


async def test_only_declared_parameters():
    with pytest.raises(ModuleError) as caught:
        await fetch(answering(), Ask((("b", "1"),)), params={"a": "x"})
    assert caught.value.reason == "bad_params"


@pytest.mark.parametrize(
    ("accept", "asked"),
    [
        ("", ACCEPT),
        ("application/openmetrics-text;version=1.0.0;q=0.9, text/plain;q=0.5",) * 2,
        (
            "application/vnd.google.protobuf;proto=x.Y;encoding=delimited,text/plain;q=0.3",
            "text/plain;q=0.3",
        ),
        ("application/vnd.google.protobuf", ACCEPT),
        ("a/b, " * 1000, ACCEPT),
    ],
)
async def test_formats(accept, asked):
    """What we can look into is passed on, and how long there is."""
    handler = answering()
    await fetch(handler, Ask(accept=accept), 9.5)

    assert handler.request.headers["Accept"] == asked
    assert handler.request.headers["X-Prometheus-Scrape-Timeout-Seconds"] == "9.5"


@pytest.mark.parametrize(
    ("declared", "passed"),
    [
        ("application/openmetrics-text; version=1.0.0; charset=utf-8",) * 2,
        ("text/plain; version=0.0.4; charset=utf-8",) * 2,
        ("text/html; charset=utf-8", TEXT_TYPE),
        ("application/javascript", TEXT_TYPE),
    ],
)
async def test_content_type(declared, passed):
    """Nothing that a browser would run is passed on as such."""
    assert (await fetch(answering(headers={"Content-Type": declared}))).content_type == passed


@pytest.mark.parametrize(
    ("handler", "reason", "told"),
    [
        (answering(status=503), "http_status", "HTTP status 503"),
        (
            answering("x" * 101),
            "body_too_large",
            "the body is larger than 100 bytes (max_body_size)",
        ),
    ],
)
async def test_failures(handler, reason, told):
    with pytest.raises(ModuleError) as caught:
        await fetch(handler, max_body_size=100)
    assert (caught.value.reason, str(caught.value)) == (reason, told)


async def test_too_late():
    """Not by the module's own time alone."""

    async def handler(_):
        await asyncio.sleep(1)

    with pytest.raises(ModuleError) as caught:
        await fetch(handler, seconds=0.1)
    assert (caught.value.reason, str(caught.value)) == (
        "timeout",
        "no complete answer within 0.1 s",
    )


async def test_credentials_and_polls():
    """As endpoints have them; user info of the URL is one way."""
    handler = answering()
    async with http_server(handler) as url:
        client = PollClient()
        config = module(
            kind="http",
            url=url.replace("//", "//me:secret@"),
            headers={"X-Scope": "a"},
            interval=1,
            app="node",
        )
        assert "secret" not in repr(config)
        outcomes = await HttpModule(config, client).poll()
        await client.close()
    assert outcomes == {"node": Outcome((b"x 1\n",))}
    assert handler.request.headers["Authorization"] == "Basic bWU6c2VjcmV0"
    assert handler.request.headers["X-Scope"] == "a"
