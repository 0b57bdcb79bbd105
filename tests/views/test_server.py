"""Which path answers what, and what happens to requests that can't be answered."""

import logging
from collections.abc import Iterator
from typing import Never

import pytest
from aiohttp import ClientPayloadError

from exporter_proxy import __version__
from exporter_proxy.views.server import PAGES
from tests.views.conftest import Port


async def test_first_page_links_to_every_path(port: Port) -> None:
    status, headers, body = await port.get("/")

    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert __version__.encode() in body
    for path in PAGES:
        assert f'<a href="{path}">'.encode() in body
        assert (await port.get(path))[0] == 200


async def test_healthy(port: Port) -> None:
    port.is_ready = False

    assert await port.page("/-/healthy") == b"exporter-proxy is healthy.\n"


async def test_ready_only_when_it_is(port: Port) -> None:
    assert (await port.get("/-/ready"))[::2] == (200, b"exporter-proxy is ready.\n")

    port.is_ready = False

    assert (await port.get("/-/ready"))[::2] == (503, b"exporter-proxy is not ready.\n")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_another_path_is_told_what_there_is(port: Port, method: str) -> None:
    status, _, body = await port.get("/metric%0A<s>", method)

    assert status == 404
    assert body == (
        b'error: nothing at "/metric\\n<s>"; there is '
        b"/, /metrics, /metrics/self, /apps, /sd, /proxy, /health, /-/healthy, /-/ready, "
        b"/openapi.json, which describes all of them and what takes POST, PUT and DELETE\n"
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_another_method_is_told_what_there_is(port: Port, method: str) -> None:
    status, headers, body = await port.get("/metrics", method)

    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert body == f'error: /metrics takes GET and HEAD, not "{method}"\n'.encode()


@pytest.mark.parametrize("path", ["/", *PAGES, "/nothing"])
async def test_all_answers_forbid_guessing_types(port: Port, path: str) -> None:
    _, headers, _ = await port.get(path)

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Server"] == "exporter-proxy"


async def test_an_error_of_ours_costs_one_request(
    port: Port, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with its traceback, counted, and the next request is answered."""

    def fail(*_: object) -> Never:
        raise RuntimeError("out of order")

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr("exporter_proxy.views.pages.Pages._lay_out", fail)
        status, _, body = await port.get("/metrics")

    assert (status, body) == (500, b"error: internal error, see the log of exporter-proxy\n")
    (record,) = caplog.records
    assert record.getMessage() == "answering failed: path=/metrics"
    assert record.exc_info is not None
    status, _, body = await port.get("/-/healthy")
    assert status == 503
    assert body.startswith(b"exporter-proxy is not healthy: the last scrape ended in an error")
    assert port.self_metrics is not None
    assert (port.self_metrics.scrapes.scrapes, port.self_metrics.scrapes.failures) == (1, 1)
    assert await port.page()
    assert await port.page("/-/healthy") == b"exporter-proxy is healthy.\n"


async def test_an_error_in_the_middle_of_a_page_cuts_it(
    bare_port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A response that has begun can't become an error; it must not look complete either."""
    bare_port.table.update("a", (b"a 1\n" * 1_000_000,), source="test")

    def chunks(_: object) -> Iterator[bytes]:
        yield b"a 1\n"
        raise RuntimeError("out of order")

    monkeypatch.setattr("exporter_proxy.views.page.text_chunks", chunks)
    with pytest.raises(ClientPayloadError):
        await bare_port.get("/metrics")
