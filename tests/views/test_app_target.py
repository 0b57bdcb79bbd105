"""One app as a target: a scrape of it alone fails while it is down."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import quote

import pytest
import pytest_asyncio

from exporter_proxy.errors import PollError
from exporter_proxy.views.app_target import patience_of
from tests.views.conftest import NO_RULES, Port

TIME = "2022-05-22 23:51:52.939898700 UTC"


@pytest_asyncio.fixture(params=["merged", "verbatim"])
async def each_port(request: pytest.FixtureRequest) -> AsyncIterator[Port]:
    """A scrape port of either kind."""
    rules = (lambda _: NO_RULES) if request.param == "merged" else None
    port = Port(self_metrics=False, rules=rules)
    await port.start()
    yield port
    await port.stop()


def paths(app: str, query: str = "") -> tuple[str, str]:
    """Return both ways to ask for an app's metrics."""
    name = quote(app, safe="")
    return f"/metrics?app={name}&{query}", f"/apps/{name}/metrics?{query}"


async def answers(port: Port, app: str, query: str = "", **headers: str) -> tuple[int, str]:
    """Ask both ways, which have to answer the same; return status and body."""
    found = [(await port.get(path, **headers))[::2] for path in paths(app, query)]
    assert found[0] == found[1]
    return found[0][0], found[0][1].decode()


def up(port: Port, app: str = "a", value: int = 1) -> None:
    port.table.update(app, (b"m %d\n" % value,), source="s")


async def test_an_app_that_is_up(each_port: Port) -> None:
    port = each_port
    up(port)
    up(port, "b", 2)
    port.table.refuse("a", "update refused: more than 5 samples", source="s")
    status, page = await answers(port, "a")

    assert status == 200
    assert "m 1\n" in page
    assert "m 2\n" not in page


async def test_an_app_that_is_not_there(each_port: Port) -> None:
    port = each_port
    up(port)
    port.table.drop("a")

    assert await answers(port, "a") == (404, f'error: "a" was dropped at {TIME}\n')
    assert (await answers(port, "a", "stale=1"))[0] == 404
    assert await answers(port, "no") == (404, 'error: no app "no"; /apps shows all there are\n')
    assert (await port.get("/metrics?app="))[0] == 404


async def test_an_app_that_expired_and_stays(merged_port: Port) -> None:
    table = merged_port.table
    table.update("a", (b"m 1\n",), source="s", expire_after=30, on_expire="mark")
    merged_port.monotonic.now += 30
    assert table.expire() == ["a"]

    expected = f'error: "a" has sent nothing for too long: expired since {TIME}\n'
    assert await answers(merged_port, "a") == (504, expected)
    status, page = await answers(merged_port, "a", "stale=1")
    assert (status, "m 1\n" in page) == (200, True)

    up(merged_port)
    assert (await answers(merged_port, "a"))[0] == 200


async def test_an_app_whose_polls_fail(merged_port: Port) -> None:
    """Whether its metrics stay, go or never came: what Prometheus calls up is 0."""
    table = merged_port.table
    up(merged_port)
    expected = 502, 'error: "a": poll failing: HTTP status 500\n'
    table.set_problem("a", "poll failing: HTTP status 500", source="s")
    assert await answers(merged_port, "a") == expected
    assert (await answers(merged_port, "a", "stale=true"))[0] == 200

    table.drop("a")
    assert await answers(merged_port, "a") == expected

    table.set_problem("b", "poll failing: HTTP status 500", source="s")
    assert (await answers(merged_port, "b"))[0] == 502


async def test_an_app_that_waits_for_its_poll(merged_port: Port) -> None:
    merged_port.polls["a"] = nothing

    assert await answers(merged_port, "a") == (503, 'error: "a" waits for its next poll\n')


async def test_several_apps_are_no_target(merged_port: Port) -> None:
    up(merged_port)

    assert b"m 1\n" in await merged_port.page("/metrics?app=a&app=no&fresh=1")


async def test_head_is_answered_alike(merged_port: Port) -> None:
    up(merged_port)
    for app in ("a", "no"):
        for path in paths(app):
            status, headers, _ = await merged_port.get(path)
            assert await merged_port.get(path, "HEAD") == (status, headers, b"")


@pytest.mark.parametrize(
    "app",
    ["a/b", "x/metrics", "metrics", "https://x/y?z#k", "%2F", "100%", "a b", "<&>", "漢", "+", "/"],
)
async def test_any_name(merged_port: Port, app: str) -> None:
    """In a path a slash is written ``%2F``."""
    up(merged_port, app)
    client = merged_port.client
    name = quote(app, safe="")
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(
        f"GET /apps/{name}/metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )
    answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"m 1\n" in answer
    assert b"m 1\n" in (await merged_port.page(f"/metrics?app={name}"))


async def test_a_path_may_select_families(merged_port: Port) -> None:
    merged_port.table.update("a", (b"m 1\nn 2\n",), source="s")

    assert b"\nn 2" not in await merged_port.page("/apps/a/metrics?name[]=m&app=b")


# -- polled now ------------------------------------------------------------------------------


async def nothing() -> None:
    """Do nothing."""


def failing(reason: str) -> Callable[[], Awaitable[None]]:
    async def poll() -> None:
        raise PollError("went wrong", reason=reason)  # type: ignore[arg-type]

    return poll


async def test_fresh_shows_what_a_poll_brings(each_port: Port) -> None:
    port = each_port
    polls = 0

    async def poll() -> None:
        nonlocal polls
        polls += 1
        up(port, "a", polls)

    port.polls["a"] = poll
    for number, path in enumerate((*paths("a", "fresh=1"), *paths("a", "fresh=true")), 1):
        assert b"m %d\n" % number in await port.page(path)
    assert b"m 4\n" in await port.page("/metrics?app=a")
    assert b"m 4\n" in await port.page("/metrics?app=a&fresh=0")


async def test_fresh_is_ignored_where_nothing_is_polled(merged_port: Port) -> None:
    up(merged_port)

    assert (await answers(merged_port, "a", "fresh=1"))[0] == 200
    assert (await answers(merged_port, "no", "fresh=1"))[0] == 404


@pytest.mark.parametrize(
    ("reason", "status"), [("timeout", 504), ("connect", 502), ("http_status", 502)]
)
async def test_fresh_passes_on_that_a_poll_failed(
    merged_port: Port, reason: str, status: int
) -> None:
    """Even where metrics of before are kept."""
    up(merged_port)
    merged_port.polls["a"] = failing(reason)
    expected = status, 'error: poll of "a" failed: went wrong\n'

    assert await answers(merged_port, "a", "fresh=1&stale=1") == expected


async def test_fresh_waits_no_longer_than_the_scraper(merged_port: Port) -> None:
    up(merged_port)
    merged_port.polls["a"] = asyncio.Event().wait  # type: ignore[assignment]
    status, line = await answers(
        merged_port, "a", "fresh=1", X_Prometheus_Scrape_Timeout_Seconds="0.02"
    )

    assert status == 504
    assert line == (
        'error: poll of "a" took more than 0.015 s, which is what the scrape timeout leaves for '
        "it\n"
    )


async def test_fresh_waits_until_what_came_was_read(merged_port: Port) -> None:
    """Large payloads are read in several turns, while the page shows what was before."""
    up(merged_port)
    line = b'big{x="%06d"} 1\n'
    payload = b"".join(line % number for number in range(200_000))

    async def poll() -> None:
        merged_port.table.update("a", (payload,), source="s")

    merged_port.polls["a"] = poll
    page = await merged_port.page("/metrics?app=a&fresh=1")

    assert page.count(b"\nbig{") == 200_000


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("10", 9.5),
        ("2", 1.5),
        ("1", 0.75),
        ("0.1", pytest.approx(0.075)),
        ("1e3", 999.5),
        (None, None),
        ("", None),
        ("0", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("x", None),
        ("1" * 1000, None),
    ],
)
def test_what_a_scraper_leaves_for_a_poll(header: str | None, seconds: float | None) -> None:
    assert patience_of(header) == seconds
