"""``/proxy``: what is asked of modules, and what comes back."""

import gzip
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from exporter_proxy.errors import ModuleError
from exporter_proxy.modules import OPENMETRICS_TYPE, Answer, Ask, ModuleStatus
from tests.views.conftest import Port

TIMEOUT = "X-Prometheus-Scrape-Timeout-Seconds"


class FakeModules:
    """Answers as the test says, and keeps what it was asked."""

    def __init__(self) -> None:
        self.modules = [
            ModuleStatus("node", "http", app="node", interval=15.0, params=None, up=True),
            ModuleStatus("<b>&", "exec", up=False, last_error='exit status 3: "<i>"'),
            ModuleStatus("files", "directory", files={"a\udcff": 1.5}),
        ]
        self.answer: Answer | ModuleError = Answer((b"x 1\n",))
        self.asked: list[tuple[str, Ask]] = []

    async def ask(self, module: str, ask: Ask) -> Answer:
        """See :class:`Modules`."""
        self.asked.append((module, ask))
        if isinstance(self.answer, ModuleError):
            raise self.answer
        return self.answer


@pytest.fixture
def modules() -> FakeModules:
    return FakeModules()


@pytest_asyncio.fixture
async def proxying(modules: FakeModules) -> AsyncIterator[Port]:
    port = Port(modules=modules)
    await port.start()
    yield port
    await port.stop()


async def test_page(proxying: Port, modules: FakeModules):
    modules.answer = Answer((b"x 1\n", b"y 2\n# EOF\n"), OPENMETRICS_TYPE, modified=1_700_000_000.5)
    status, headers, body = await proxying.get("/proxy?module=node")

    assert (status, body) == (200, b"x 1\ny 2\n# EOF\n")
    assert headers == {
        "Content-Type": OPENMETRICS_TYPE,
        "Content-Length": "14",
        "Cache-Control": "no-store",
        "Last-Modified": "Tue, 14 Nov 2023 22:13:20 GMT",
        "Server": "exporter-proxy",
        "Vary": "Accept, Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }


async def test_empty_page(proxying: Port, modules: FakeModules):
    modules.answer = Answer(())
    assert await proxying.page("/proxy?module=node") == b""


@pytest.mark.parametrize(
    ("query", "module", "params"),
    [
        ("module=node", "node", ()),
        ("a=1&module=node&a=2", "node", (("a", "1"), ("a", "2"))),
        ("module=node&module=http_2xx", "node", (("module", "http_2xx"),)),
        ("module=a%26b%0A&target=%2F%3F", "a&b\n", (("target", "/?"),)),
        ("module=", "", ()),
        ("module=node&format=json", "node", (("format", "json"),)),
    ],
)
async def test_what_is_asked(proxying: Port, modules: FakeModules, query, module, params):
    """The first module is ours, all else its own."""
    await proxying.get(f"/proxy?{query}", Accept="text/plain;q=0.5")

    assert modules.asked == [(module, Ask(params, None, "text/plain;q=0.5"))]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("10", 9.75),
        ("0.3", 0.15),
        ("1e-300", 5e-301),
        ("0", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
    ],
)
async def test_time(proxying: Port, modules: FakeModules, header, seconds):
    """A little less than the scraper has; nonsense is nothing."""
    await proxying.get("/proxy?module=node", **{TIMEOUT: header})

    assert modules.asked[0][1].timeout == seconds


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("unknown_module", 404),
        ("bad_params", 400),
        ("busy", 503),
        ("stopping", 503),
        ("timeout", 504),
        ("http_status", 502),
        ("exit_status", 502),
        ("invalid_metrics", 502),
        ("too_old", 502),
    ],
)
async def test_failures(proxying: Port, modules: FakeModules, reason, status):
    """One line, whatever is in the name."""
    modules.answer = ModuleError("it is broken", reason=reason)
    told = {404: 'error: there is no module "a\\n<b>": see /proxy\n'}
    answered, headers, body = await proxying.get("/proxy?module=a%0A<b>")

    assert answered == status
    assert body.decode() == told.get(status, 'error: module "a\\n<b>": it is broken\n')
    assert headers["Content-Type"] == "text/plain; charset=utf-8"


async def test_bug(proxying: Port, modules: FakeModules, monkeypatch, caplog):
    async def broken(_module, _ask):
        raise KeyError

    monkeypatch.setattr(modules, "ask", broken)
    status, _, body = await proxying.get("/proxy?module=node")

    assert (status, body) == (500, b"error: internal error, see the log of exporter-proxy\n")
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("size", [1, 100, 30_000, 3_000_000])
async def test_compressed(proxying: Port, modules: FakeModules, size):
    """What is short is not, what is long is in a thread; and a long one is sent in pieces."""
    text = b'x_total{number="%d"} 1\n'
    payload = tuple(
        b"".join(text % number for number in range(start, start + 1000))
        for start in range(0, size // 20 + 1, 1000)
    )
    if size < 1000:
        payload = (payload[0][:size],)
    page = b"".join(payload)
    modules.answer = Answer(payload)
    assert await proxying.page("/proxy?module=node") == page
    _, headers, body = await proxying.get("/proxy?module=node", Accept_Encoding="gzip")
    if size < 1000:
        assert "Content-Encoding" not in headers
        assert body == page
    else:
        assert headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(body) == page
        assert len(body) < len(page) / 3
    _, headers, _ = await proxying.get("/proxy?module=node", Accept_Encoding="zstd, gzip")
    assert headers.get("Content-Encoding") == (None if size < 1000 else "zstd")


async def test_list_for_programs(proxying: Port):
    for asked in ({"path": "/proxy", "Accept": "application/json"}, {"path": "/proxy?format=json"}):
        status, headers, body = await proxying.get(**asked)
        assert (status, headers["Content-Type"]) == (200, "application/json")
    node, program, files = json.loads(body)["modules"]
    assert node == {
        "module": "node",
        "kind": "http",
        "path": "/proxy?module=node",
        "app": "node",
        "interval_seconds": 15.0,
        "params": None,
        "up": True,
        "last_error": None,
        "requests": 0,
        "runs": 0,
        "failures": {},
        "files": {},
    }
    assert program["path"] == "/proxy?module=%3Cb%3E%26"
    assert (program["app"], program["up"], program["params"]) == (None, False, [])
    assert files["files"] == {"a\\udcff": 1.5}


async def test_list_for_people(proxying: Port):
    assert (await proxying.page("/proxy")).decode() == (
        "/proxy?module=node  http  ok\n"
        '/proxy?module=%3Cb%3E%26  exec  failing: exit status 3: "<i>"\n'
        "/proxy?module=files  directory  not asked yet\n"
    )
    page = (await proxying.page("/proxy", Accept="text/html")).decode()
    assert '<a href="/proxy?module=node">node</a>' in page
    assert '<a href="/apps/node">node</a>' in page
    assert "&lt;b&gt;&amp;" in page
    assert "&lt;i&gt;" in page
    assert "<b>" not in page
    status, _, body = await proxying.get("/proxy?format=xml")
    assert (status, body) == (400, b'error: format="xml"; there is text, html, json\n')


async def test_no_modules(port: Port):
    """It says so, and where there would be some."""
    assert await port.page("/proxy") == b"no modules: see [[module]]\n"
    assert json.loads(await port.page("/proxy?format=json")) == {"modules": []}
    assert b"No module." in await port.page("/proxy?format=html")
    status, _, body = await port.get("/proxy?module=a")
    assert (status, body) == (404, b'error: there is no module "a": see /proxy\n')


async def test_methods(proxying: Port, modules: FakeModules):
    status, _, body = await proxying.get("/proxy?module=node", "POST")
    assert (status, body) == (405, b'error: /proxy takes GET and HEAD, not "POST"\n')
    assert not modules.asked
    status, _, body = await proxying.get("/proxy?module=node", "HEAD")
    assert (status, body) == (200, b"")
