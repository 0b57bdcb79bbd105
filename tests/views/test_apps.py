"""The table of apps, for people and programs."""

import asyncio
import json
import re

import pytest

from tests.views.conftest import Port

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def fill(port: Port) -> None:
    """Two apps as a newcomer has them."""
    now = port.wall_ns.now
    port.wall_ns.now = 1_653_263_507_971_181_300
    polled = "external_poll: 127.0.0.1:1027"
    port.table.update(polled, (b"# TYPE a gauge\na 1\na 2\n",), source=polled)
    port.wall_ns.now = 1_653_263_467_406_709_200
    pushed = "/var/run/exporter-proxy-receiver.sock"
    port.table.update("foo_bar_app1_metrics", (b"b 1\n",), source=pushed)
    port.wall_ns.now = now


# The first three columns are the shape that people and scripts know.
TABLE = """\
+---------------------------------------------------------------------------------------------------------------------------------------------------+
| Current time: 2022-05-22 23:51:52.939898700 UTC                                                                                                   |
+---------------------------------------------------------------------------------------------------------------------------------------------------+
| +-------------------------------+-----------------------------------+---------------------------------------+---------+-------+---------+-------+ |
| | App Name                      | Last Update Time (UTC)            | Source                                | Samples | Bytes | Updates | State | |
| +-------------------------------+-----------------------------------+---------------------------------------+---------+-------+---------+-------+ |
| | external_poll: 127.0.0.1:1027 | 2022-05-22 23:51:47.971181300 UTC | external_poll: 127.0.0.1:1027         |       2 |    23 |       1 | ok    | |
| +-------------------------------+-----------------------------------+---------------------------------------+---------+-------+---------+-------+ |
| | foo_bar_app1_metrics          | 2022-05-22 23:51:07.406709200 UTC | /var/run/exporter-proxy-receiver.sock |       1 |     4 |       1 | ok    | |
| +-------------------------------+-----------------------------------+---------------------------------------+---------+-------+---------+-------+ |
+---------------------------------------------------------------------------------------------------------------------------------------------------+
"""  # noqa: E501 - as a person sees it


async def test_draws_the_table(port: Port) -> None:
    fill(port)
    status, headers, body = await port.get("/apps", accept="*/*")

    assert body.decode() == TABLE
    assert status == 200
    assert headers == {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(TABLE)),
        "Vary": "Accept",
        "Cache-Control": "no-store",
        "Server": "exporter-proxy",
        "X-Content-Type-Options": "nosniff",
    }


async def test_json_has_the_same(port: Port) -> None:
    fill(port)
    port.table.set_problem("new", "poll failing: timeout", source="external_poll: x:1")
    _, headers, body = await port.get("/apps", accept="application/json")

    assert headers["Content-Type"] == "application/json"
    assert json.loads(body) == {
        "current_time": "2022-05-22 23:51:52.939898700 UTC",
        "apps": [
            {
                "app": "external_poll: 127.0.0.1:1027",
                "last_update": "2022-05-22 23:51:47.971181300 UTC",
                "last_update_ns": 1_653_263_507_971_181_300,
                "source": "external_poll: 127.0.0.1:1027",
                "samples": 2,
                "bytes": 23,
                "updates": 1,
                "state": "ok",
            },
            {
                "app": "foo_bar_app1_metrics",
                "last_update": "2022-05-22 23:51:07.406709200 UTC",
                "last_update_ns": 1_653_263_467_406_709_200,
                "source": "/var/run/exporter-proxy-receiver.sock",
                "samples": 1,
                "bytes": 4,
                "updates": 1,
                "state": "ok",
            },
            {
                "app": "new",
                "last_update": None,
                "last_update_ns": None,
                "source": "external_poll: x:1",
                "samples": 0,
                "bytes": 0,
                "updates": 0,
                "state": "poll failing: timeout",
            },
        ],
    }
    assert await port.page("/apps?format=json") == body


async def test_html_has_the_same_escaped(port: Port) -> None:
    fill(port)
    port.table.update("<script>&", (b"a 1\n",), source='"quoted"')
    port.table.set_problem("<script>&", "poll failing: <b>", source="x")
    _, headers, body = await port.get("/apps", accept=BROWSER)
    page = body.decode()

    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert "3 apps, 1 not ok. Current time: 2022-05-22 23:51:52.939898700 UTC." in page
    assert (
        '<tr><td><a href="/apps/foo_bar_app1_metrics">foo_bar_app1_metrics</a></td>'
        '<td class="time">2022-05-22 23:51:07<span class="fine">.406709200 UTC</span></td>'
        '<td>/var/run/exporter-proxy-receiver.sock</td><td class="number">1</td>'
        '<td class="number">4</td><td class="number">1</td><td class="ok">ok</td></tr>\n'
    ) in page
    assert '<td><a href="/apps/%3Cscript%3E%26">&lt;script&gt;&amp;</a></td>' in page
    assert "<td>&quot;quoted&quot;</td>" in page
    assert '<td class="bad">poll failing: &lt;b&gt;</td>' in page
    assert "<script" not in page
    assert await port.page("/apps?format=html") == body


async def test_format_counts_more_than_accept(port: Port) -> None:
    assert (await port.page("/apps?format=text", accept=BROWSER)).startswith(b"+---")


async def test_an_unknown_format_is_told_which_there_are(port: Port) -> None:
    assert (await port.get("/apps?format=xml"))[::2] == (
        400,
        b'error: format="xml"; there is text, html, json\n',
    )


@pytest.mark.parametrize("shown", ["text", "html", "json"])
async def test_head_has_the_same_headers(port: Port, shown: str) -> None:
    fill(port)
    status, headers, _ = await port.get(f"/apps?format={shown}")

    assert await port.get(f"/apps?format={shown}", "HEAD") == (status, headers, b"")


async def test_shows_what_is_wrong(port: Port) -> None:
    """Of apps with metrics and of those that never had any."""
    fill(port)
    state = "poll failing: connection refused"
    port.table.set_problem("foo_bar_app1_metrics", state, source="x")
    port.table.set_problem("new", "poll failing: timeout", source="external_poll: x:1")
    lines = (await port.page("/apps")).decode().splitlines()
    _, second, third = ([cell.strip() for cell in line.split("|")] for line in lines[6:-1:2])

    assert second[-3] == "poll failing: connection refused"
    assert third[2:5] == ["new", "never", "external_poll: x:1"]

    port.table.set_problem("foo_bar_app1_metrics", None, source="x")

    assert b"connection refused" not in await port.page("/apps")


@pytest.mark.parametrize("shown", ["text", "html", "json"])
async def test_an_empty_table(port: Port, shown: str) -> None:
    body = (await port.page(f"/apps?format={shown}")).decode()

    assert "2022-05-22 23:51:52.939898700 UTC" in body
    if shown == "text":
        assert len(body.splitlines()) == 7
    if shown == "json":
        assert json.loads(body)["apps"] == []


@pytest.mark.parametrize("shown", ["text", "html", "json"])
async def test_a_long_table_is_sent_in_chunks(port: Port, shown: str) -> None:
    """All apps are there, in order."""
    for app in range(8_000):
        port.table.update(f"app-{app:04}-", (b"a 1\n",), source="127.0.0.1:6554")
    _, headers, body = await port.get(f"/apps?format={shown}")
    text = body.decode()

    assert headers["Content-Length"] == str(len(body))
    assert len(body) > 1_048_576
    # Of names that are there more than once, the first place counts.
    shown_in_order = list(dict.fromkeys(re.findall(r"app-(\d{4})-", text)))
    assert shown_in_order == [f"{app:04}" for app in range(8_000)]
    if shown == "json":
        assert len(json.loads(body)["apps"]) == 8_000


async def test_a_reader_never_gets_a_table_older_than_its_request(port: Port) -> None:
    """Although readers that come together share one drawing."""
    for app in range(3_000):
        port.table.update(f"app{app}", (b"a 1\n",), source="127.0.0.1:6554")
    pages = [asyncio.create_task(port.page("/apps?format=json")) for _ in range(3)]
    await asyncio.gather(*pages[:1])
    port.table.update("late", (b"a 1\n",), source="127.0.0.1:6554")

    assert b'"late"' in await port.page("/apps?format=json")
    await asyncio.gather(*pages)


async def test_counts_samples_once_an_update(port: Port) -> None:
    fill(port)
    await port.page("/apps")
    row = port.table.get("foo_bar_app1_metrics")
    assert row is not None
    assert row.derived is not None
    row.derived["samples"] = 77

    assert b"|      77 |" in await port.page("/apps")

    port.table.update("foo_bar_app1_metrics", (b"b 1\n", b"c 1\n"), source="x")

    assert b"|       2 |     8 |       2 |" in await port.page("/apps")


async def test_state_says_since_when_an_app_is_expired(port: Port) -> None:
    """And what else is wrong with it; one that was dropped keeps its last time."""
    for app in ("a", "b"):
        port.table.update(app, (b"x 1\n",), source="s", expire_after=5, on_expire="mark")
    port.table.update("c", (b"x 1\n",), source="s", expire_after=5)
    port.table.refuse("b", "update refused: more than 5 bytes", source="s")
    port.table.refuse("c", "update refused: more than 5 bytes", source="s")
    port.monotonic.now += 5
    port.table.expire()
    apps = json.loads(await port.page("/apps?format=json"))["apps"]

    assert [(each["app"], each["state"]) for each in apps] == [
        ("a", "expired since 2022-05-22 23:51:52 UTC"),
        ("b", "expired since 2022-05-22 23:51:52 UTC; update refused: more than 5 bytes"),
        ("c", "update refused: more than 5 bytes"),
    ]
    assert apps[2]["last_update_ns"] == 1_653_263_512_939_898_700
