"""``POST /lint``: a report, and nothing is kept."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient

from exporter_proxy.catalog import Catalog
from exporter_proxy.exposition.rules import Rules
from exporter_proxy.table import Table
from exporter_proxy.views import lint
from exporter_proxy.views.lint import LintView, wrong_method
from exporter_proxy.views.responses import guarded
from exporter_proxy.views.slices import in_slices
from tests.views.conftest import Clock, Server


class Lint:
    """A port with nothing but ``/lint``, and the table behind it."""

    def __init__(self, *, merged: bool = True, max_bytes: int = 100_000) -> None:
        self.table = Table()
        self.rules: dict[str, Rules] = {}
        rules = (lambda app: self.rules.get(app, Rules())) if merged else None
        clock = Clock(1_653_263_512_939_898_700)
        catalog = Catalog(self.table, rules=rules, wall_ns=clock)
        view = LintView(
            self.table,
            catalog.index,
            lambda: in_slices(catalog.refresh()),
            rules=rules,
            wall_ns=clock,
            max_bytes=max_bytes,
        )
        app = web.Application()
        app.router.add_post("/lint", guarded(view.handle))
        app.router.add_route("*", "/lint", wrong_method)
        self.client: TestClient[Any, Any] = TestClient(Server(app))

    async def post(self, data: Any, query: str = "", **headers: str) -> tuple[int, str]:
        """Return status and body of an answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.post(f"/lint{query}", data=data, headers=named) as response:
            return response.status, await response.text()

    async def report(self, data: Any, query: str = "", **headers: str) -> dict[str, Any]:
        """Return the report, where there has to be one."""
        status, body = await self.post(data, query, **headers)
        assert status == 200, body
        report: dict[str, Any] = json.loads(body)
        return report


@pytest_asyncio.fixture
async def port() -> AsyncIterator[Lint]:
    port = Lint()
    await port.client.start_server()
    yield port
    await port.client.close()


async def test_reports(port: Lint) -> None:
    """As JSON; what the table has is as before."""
    port.table.update("shop", (b"# TYPE a gauge\na 1\n",), source="test")
    generation = port.table.generation

    async with port.client.post("/lint", data=b"# TYPE a gauge\na 2\n") as response:
        body = await response.text()

    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert json.loads(body) == {
        "format": "text",
        "samples": 1,
        "held_back": True,
        "refused": None,
        "app": "lint",
        "apps": 1,
        "families": [{"name": "a", "type": "gauge", "samples": 1}],
        "findings": [],
        "quarantined": [],
        "conflicts": [
            {
                "family": "a",
                "reason": "same_series",
                "app": "shop",
                "other": "a",
                "wins": False,
                "held_back": "this",
                "times": 1,
                "effect": (
                    'app "shop" has the series "a" too; a page in OpenMetrics has that one alone, '
                    "and Prometheus keeps one"
                ),
                "remedy": ('give each app a label of its own, as exporter.app_label = "app" does'),
            }
        ],
    }
    assert port.table.generation == generation


async def test_names_the_other_app(port: Lint) -> None:
    """Of many; an app that was dropped leaves no gap, and what an app has itself counts not."""
    for number in range(5):
        port.table.update(f"app{number}", (b"m%d 1\n" % number,), source="test")
    port.table.drop("app1")

    report = await port.report(b"m3 1\nm2 1\nm1 1\n", "?app=app2")

    assert [(each["family"], each["app"]) for each in report["conflicts"]] == [("m3", "app3")]
    assert (report["app"], report["apps"]) == ("app2", 3)


async def test_names_the_proxy_for_what_it_tells_of_an_app(port: Lint) -> None:
    """Also of one that was dropped: it is still on the page."""
    port.table.update("shop", (b"a 1\n",), source="test")
    port.table.drop("shop")

    report = await port.report(b'exporter_proxy_app_up{app="shop"} 1\n')

    assert [(each["reason"], each["app"]) for each in report["conflicts"]] == [
        ("same_series", "exporter-proxy")
    ]


async def test_names_a_target_that_never_answered_after_the_proxy(port: Lint) -> None:
    """It has no row; what is told of it is the proxy's."""
    port.table.set_problem("far", "poll failing", source="test")

    report = await port.report(b'exporter_proxy_app_up{app="far"} 1\n')

    assert [(each["reason"], each["app"]) for each in report["conflicts"]] == [
        ("same_series", "exporter-proxy")
    ]


async def test_does_what_is_done_to_the_app(port: Lint) -> None:
    """Labels and filters are as if the app had pushed it."""
    port.table.update("shop", (b"a 1\n",), source="test")
    port.rules["mine"] = Rules(labels={"app": "mine"})

    report = await port.report(b"a 1\n", "?app=mine")

    assert (report["held_back"], report["conflicts"]) == (False, [])


async def test_a_family_that_a_conflict_hides_is_not_shown(port: Lint) -> None:
    port.table.update("shop", (b"# TYPE a histogram\n",), source="test")

    report = await port.report(b"a 1\nb 1\n")

    assert [family["name"] for family in report["families"]] == ["b"]
    assert (report["samples"], report["held_back"]) == (1, True)


async def test_compares_nothing_where_payloads_are_shown_verbatim() -> None:
    port = Lint(merged=False)
    await port.client.start_server()
    port.table.update("shop", (b"a 1\n",), source="test")

    report = await port.report(b"a 1\n")

    assert (report["app"], report["apps"], report["conflicts"]) == (None, None, [])
    await port.client.close()


async def test_takes_gzip(port: Lint) -> None:
    data = gzip.compress(b"a 1\n" * 10)

    assert (await port.report(data, Content_Encoding="gzip"))["samples"] == 10


async def test_takes_a_declared_format(port: Lint) -> None:
    assert (await port.report(b"a 1\n", "?format=openmetrics"))["format"] == "openmetrics"


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize(
    ("data", "query", "headers", "expected"),
    [
        pytest.param(
            b"a 1\n",
            "?format=json",
            {},
            (400, 'error: format is text or openmetrics, not "json"\n'),
            id="format",
        ),
        pytest.param(
            b"a 1\n",
            "?name=a",
            {},
            (400, 'error: takes ?app= and ?format=, not "name"\n'),
            id="key",
        ),
        pytest.param(
            b"a 1\n", "?app=", {}, (400, "error: an app's name must not be empty\n"), id="app"
        ),
        pytest.param(
            b"a 1\n",
            "",
            {"Content_Encoding": "compress"},
            (415, 'error: takes identity and gzip, not "compress"\n'),
            id="encoding",
        ),
        pytest.param(
            b"a" * 100_001,
            "",
            {},
            (413, "error: the payload is larger than 100000 bytes\n"),
            id="too_large",
        ),
        pytest.param(
            gzip.compress(b"a" * 100_001),
            "",
            {"Content_Encoding": "gzip"},
            (413, "error: the payload is larger than 100000 bytes\n"),
            id="too_large_unpacked",
        ),
        pytest.param(
            b"a 1\n",
            "",
            {"Content_Encoding": "gzip"},
            (400, "error: the payload is not what its headers say\n"),
            id="no_gzip",
        ),
    ],
)
async def test_refuses(
    data: bytes,
    query: str,
    headers: dict[str, str],
    expected: tuple[int, str],
    port: Lint,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert await port.post(data, query, **headers) == expected
    assert await port.report(b"a 1\n")
    assert not [each for each in caplog.records if each.levelname == "ERROR"]


async def test_takes_post_alone(port: Lint) -> None:
    async with port.client.get("/lint") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
        assert await response.text() == 'error: /lint takes POST, not "GET"\n'


async def test_a_sender_may_not_take_for_ever(port: Lint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lint, "_RECEIVE_SECONDS", 0.05)
    never = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"a 1\n"
        await never.wait()

    assert await port.post(slowly()) == (408, "error: the payload did not come within 0.05 s\n")


async def test_any_number_may_ask_at_once(port: Lint) -> None:
    """Some of them wait for their turn."""
    reports = await asyncio.gather(*(port.report(b"a %d\n" % number) for number in range(12)))

    assert all(report["samples"] == 1 for report in reports)


async def test_slow_senders_keep_nobody_waiting(port: Lint) -> None:
    """However many there are."""
    go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"a 1\n"
        await go_on.wait()

    slow = [asyncio.ensure_future(port.post(slowly())) for _ in range(8)]
    await asyncio.sleep(0)

    assert (await port.report(b"b 1\n"))["samples"] == 1
    assert not any(each.done() for each in slow)

    go_on.set()
    assert [status for status, _ in await asyncio.gather(*slow)] == [200] * 8


async def test_large_payloads_take_turns(port: Lint, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them get one."""
    monkeypatch.setattr(lint, "_SMALL_BYTES", 10)
    payload = b"".join(b"a%d 1\n" % number for number in range(100))

    reports = await asyncio.gather(*(port.report(payload) for _ in range(12)))

    assert all(report["samples"] == 100 for report in reports)


async def test_is_on_the_scrape_port() -> None:
    from tests.views.conftest import Port  # noqa: PLC0415 - the fixture of that name is another

    port = Port()
    await port.start()
    async with port.client.post("/lint", data=b"a 1\n") as response:
        assert (await response.json())["samples"] == 1
    await port.stop()
