"""Requests are looked at before their views do; no route is left out."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import bcrypt
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from exporter_proxy.access import Access
from exporter_proxy.config import Config, read
from exporter_proxy.views.guard import Guard, refuse_push
from exporter_proxy.views.lifecycle import Lifecycle
from exporter_proxy.views.responses import guarded
from exporter_proxy.views.server import PageSettings, Views
from tests.views.conftest import Clock, Port

HASH = bcrypt.hashpw(b"wonder", bcrypt.gensalt(4)).decode()


def basic(user: str, password: str) -> str:
    """Return the header of a user."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Guarded:
    """Routes behind a guard, asked as by a peer on this machine.

    Attributes:
        access: What the guard asks.
        clock: That of the guard.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self.clock = Clock(0.0)
        self.access = Access(read(document), self.clock)

    async def start(self, client: Any) -> None:
        """Serve."""

        async def show(request: web.Request) -> web.Response:
            return web.Response(text="shown")

        async def write(request: web.Request) -> web.StreamResponse:
            app = request.match_info["app"]
            return refuse_push(request, app) or web.Response(text=f"wrote {app}")

        app = web.Application()
        Guard(self.access).install(app)
        app.router.add_get("/read", guarded(show))
        app.router.add_get("/probe", guarded(show, "nothing"))
        app.router.add_post("/write/{app}", guarded(write, "push"))
        app.router.add_post("/admin", guarded(show, "admin"))
        self._client = await client(app)

    async def ask(
        self, path: str, authorization: str | None = None, origin: str | None = None
    ) -> tuple[int, list[str], str]:
        """Return status, challenges and body."""
        headers = {} if authorization is None else {"Authorization": authorization}
        if origin is not None:
            headers["Origin"] = origin
        method = "GET" if path in {"/read", "/probe"} else "POST"
        async with self._client.request(method, path, headers=headers) as answer:
            challenges = answer.headers.getall("WWW-Authenticate", [])
            return answer.status, challenges, await answer.text()

    async def statuses(self, authorization: str | None = None) -> list[int]:
        """Return what reading, writing two apps and administering are answered with."""
        paths = ("/read", "/write/mine", "/write/yours", "/admin")
        return [(await self.ask(path, authorization))[0] for path in paths]


@pytest_asyncio.fixture
async def behind(tmp_path) -> AsyncIterator[Any]:
    """Serve routes behind a guard; gets a web file's text and sections of the configuration."""
    opened: list[Any] = []

    async def client(app: web.Application) -> Any:
        opened.append(TestClient(TestServer(app)))
        await opened[-1].start_server()
        return opened[-1]

    async def make(web_text: str | None = None, **sections: Any) -> Guarded:
        if web_text is not None:
            (tmp_path / "web.yml").write_text(web_text)
            sections.setdefault("exporter", {})["web_config_file"] = str(tmp_path / "web.yml")
        made = Guarded(sections)
        opened.append(made.access)
        await made.start(client)
        return made

    yield make
    for each in opened:
        closed = each.close()
        if closed is not None:
            await closed


async def test_pages_of_other_sites(behind):
    """Who looks at one has their browser neither write nor end the proxy; reading is harmless."""
    guarded_routes = await behind()

    for path in ("/write/mine", "/admin"):
        status, _, told = await guarded_routes.ask(path, origin="http://evil.example")
        assert (status, told) == (403, "error: pages of other sites may not do this\n")
    assert (await guarded_routes.ask("/read", origin="http://evil.example"))[0] == 200


async def test_nothing_is_configured(behind):
    """This machine may do everything, and nobody looks at readers."""
    guarded_routes = await behind()

    assert await guarded_routes.statuses() == [200, 200, 200, 200]
    # Credentials that nobody asked for do no harm.
    assert await guarded_routes.statuses("Bearer x") == [200, 200, 200, 200]
    assert await guarded_routes.statuses("Nonsense") == [200, 200, 200, 200]
    assert not guarded_routes.access.active


async def test_users(behind):
    """Who has no right password gets 401, and is told how to say who they are."""
    routes = await behind(f"basic_auth_users: {{alice: {HASH}}}")

    assert await routes.statuses(basic("alice", "wonder")) == [200, 200, 200, 200]
    assert await routes.statuses() == [401, 401, 401, 401]
    for wrong in (
        basic("alice", "wander"),
        basic("bob", "wonder"),
        basic("alice", ""),
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + "A" * 6_000,
        "basic " + base64.b64encode(b"\xff\xfe:\x00").decode(),
    ):
        status, challenges, body = await routes.ask("/read", wrong)
        assert (status, challenges) == (401, ["Basic"])
        assert body == "error: the name or the password is wrong\n"
    assert (await routes.ask("/probe"))[0] == 200
    assert (await routes.ask("/probe", basic("alice", "wander")))[0] == 200
    assert routes.access.stats.refused["no_credentials"] == 4
    assert routes.access.stats.refused["wrong_credentials"] == 8


async def test_roles(behind):
    """401 to who is not known, 403 to who is, where an entry does not give it."""
    routes = await behind(
        f"basic_auth_users: {{alice: {HASH}}}",
        access=[
            {"user": "alice", "rights": ["scrape", "admin"]},
            {"bearer_token": "tok-en", "rights": ["push"], "apps": "mine"},
        ],
    )

    assert await routes.statuses(basic("alice", "wonder")) == [200, 403, 403, 200]
    assert await routes.statuses("Bearer tok-en") == [403, 200, 403, 403]
    assert await routes.statuses("bearer   tok-en") == [403, 200, 403, 403]
    assert await routes.statuses("Bearer tok-en2") == [401, 401, 401, 401]
    status, challenges, body = await routes.ask("/write/yours", "Bearer tok-en")
    assert (status, challenges) == (403, [])
    assert body == (
        'error: the bearer of access[1] may not write here as "yours": no [[access]] entry for it '
        'has rights = ["push"] for this app\n'
    )
    assert (await routes.ask("/read"))[1] == ["Basic", "Bearer"]


async def test_rate_limit(behind):
    """A bucket of tokens, which probes don't take from."""
    routes = await behind("rate_limit: {interval: 10s, burst: 2}")

    assert await routes.statuses() == [200, 200, 429, 429]
    assert (await routes.ask("/probe"))[0] == 200
    routes.clock.now += 9.0
    assert (await routes.ask("/read"))[0] == 429
    routes.clock.now += 1.0
    assert await routes.statuses() == [200, 429, 429, 429]
    routes.clock.now += 1000.0
    assert await routes.statuses() == [200, 200, 429, 429]


async def test_too_many_checks(behind, monkeypatch):
    """503, and when to try again."""
    monkeypatch.setattr("exporter_proxy.access.passwords._MAX_WAITING", 0)
    routes = await behind(f"basic_auth_users: {{alice: {HASH}}}")

    assert (await routes.ask("/read", basic("alice", "wonder")))[0] == 503
    assert routes.access.stats.refused["busy"] == 1


async def test_another_configuration(behind, tmp_path):
    """It counts from the next request on; one with a mistake in it changes nothing."""
    routes = await behind()
    closed = read({"access": [{"bearer_token": "tok-en", "rights": ["scrape"]}]})
    change = await routes.access.prepare(closed)
    assert (await routes.ask("/read"))[0] == 200
    change.commit()

    assert await routes.statuses() == [401, 401, 401, 401]
    assert await routes.statuses("Bearer tok-en") == [200, 403, 403, 403]
    with pytest.raises(Exception, match="can't be read"):
        await routes.access.prepare(read({"exporter": {"web_config_file": "/missing"}}))
    assert (await routes.ask("/read"))[0] == 401
    (await routes.access.prepare(Config())).commit()
    assert (await routes.ask("/read"))[0] == 200


async def test_headers_of_the_web_file(behind, tmp_path):
    """They are on every answer, refusals too."""
    routes = await behind(
        "http_server_config: {headers: {X-Frame-Options: deny, X-XSS-Protection: ''}}\n"
        f"basic_auth_users: {{alice: {HASH}}}"
    )
    for path in ("/read", "/probe", "/nothing"):
        async with routes._client.get(path) as answer:
            assert answer.headers["X-Frame-Options"] == "deny"
            assert "X-XSS-Protection" not in answer.headers


# Routes of methods that change something, which yet need no more than the right to read.
ONLY_READ = {"/lint"}


async def nothing() -> Any:
    """Do nothing."""


LIFECYCLE = Lifecycle(lambda: True, nothing, lambda: None)


async def test_no_route_is_left_out(port: Port) -> None:
    """Every one goes through the guard, and those that may change something need more."""
    backing = replace(port.views._backing, lifecycle=LIFECYCLE)
    app = Views(backing, PageSettings()).application()
    assert "/-/quit" in {route.resource.canonical for route in app.router.routes()}
    for route in app.router.routes():
        handler: Any = route.handler
        assert hasattr(handler, "needs"), f"{route.method} {route.resource}: not guarded"
        path = route.resource.canonical if route.resource is not None else ""
        if handler.needs == "nothing":
            assert path in {"/-/healthy", "/-/ready"}
        if route.method not in {"GET", "HEAD", "*"} and path not in ONLY_READ:
            assert handler.needs in {"push", "admin"}, f"{route.method} {path}"
