"""All that is known of one app."""

import asyncio
import json
import re
from urllib.parse import quote

import pytest

from exporter_proxy.health import describe_target
from exporter_proxy.sources.base import Failure, TargetStatus
from tests.views.conftest import Port

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PAYLOAD = b"# TYPE a gauge\r\na 1\r\n# TYPE b counter\nb_total 1\n# TYPE c gauge\nc{ 1\n"


async def details(port: Port, app: str) -> dict[str, object]:
    """Return what is shown as JSON, without the current time."""
    status, headers, body = await port.get("/apps/" + quote(app, safe=""))
    assert (status, headers["Content-Type"]) == (200, "application/json")
    found: dict[str, object] = json.loads(body)
    assert found.pop("current_time") == "2022-05-22 23:51:52.939898700 UTC"
    return found


async def test_shows_all_that_is_known(merged_port: Port) -> None:
    merged_port.table.update("a", (PAYLOAD,), source="127.0.0.1:6554", expire_after=30)
    merged_port.monotonic.now += 10
    found = await details(merged_port, "a")
    quarantined = found.pop("quarantined")
    findings = found.pop("findings")
    assert found.pop("conflicts") == []

    assert isinstance(findings, list)
    assert {"reason": "carriage_returns", "times": 2, "line": 1, "what": None} in findings
    assert isinstance(quarantined, list)
    assert [(each["family"], each["line"]) for each in quarantined] == [("c", 6)]
    assert set(quarantined[0]) == {"family", "line", "reason", "message"}
    families = found.pop("families")
    assert isinstance(families, list)
    assert {"name": "a", "type": "gauge", "samples": 1} in families
    assert all(not each["name"].startswith("exporter_proxy_") for each in families)
    assert str(found.pop("state")).startswith("quarantined: line 6: ")
    assert found == {
        "app": "a",
        "up": True,
        "last_update": "2022-05-22 23:51:52.939898700 UTC",
        "last_update_ns": 1_653_263_512_939_898_700,
        "source": "127.0.0.1:6554",
        "problem": None,
        "samples": sum(each["samples"] for each in families),
        "bytes": len(PAYLOAD),
        "updates": 1,
        "expire_after_seconds": 30.0,
        "on_expire": "drop",
        "expires_in_seconds": 20.0,
        "expired_since": None,
        "dropped": None,
        "poll": None,
    }


async def test_verbatim_payloads_are_not_read(bare_port: Port) -> None:
    bare_port.table.update("a", (PAYLOAD,), source="x")
    found = await details(bare_port, "a")

    assert (found["state"], found["samples"]) == ("ok", 3)
    assert found["expires_in_seconds"] is None
    assert found["families"] is found["findings"] is None
    assert found["quarantined"] is found["conflicts"] is None


async def test_an_app_that_was_dropped(merged_port: Port) -> None:
    merged_port.table.update("a", (PAYLOAD,), source="x")
    merged_port.table.drop("a")
    found = await details(merged_port, "a")

    assert (found["state"], found["up"], found["samples"]) == ("dropped", False, 0)
    assert found["last_update_ns"] == 1_653_263_512_939_898_700
    assert (found["source"], found["expire_after_seconds"]) == ("x", None)
    assert found["dropped"] == "2022-05-22 23:51:52.939898700 UTC"
    assert b'Dropped</th><td class="">2022-05-22 23:51:52' in await merged_port.page(
        "/apps/a?format=html"
    )


async def test_an_app_that_expired_and_stays(merged_port: Port) -> None:
    """It is down, and says since when, until it is updated."""
    await expires_and_comes_back(merged_port)


async def test_an_app_that_expired_and_is_not_read(bare_port: Port) -> None:
    await expires_and_comes_back(bare_port)


async def expires_and_comes_back(port: Port) -> None:
    port.table.update("a", (b"a 1\n",), source="x", expire_after=30, on_expire="mark")
    port.monotonic.now += 30
    assert port.table.expire() == ["a"]
    found = await details(port, "a")

    assert (found["state"], found["up"]) == ("expired since 2022-05-22 23:51:52 UTC", False)
    assert (found["samples"], found["expires_in_seconds"]) == (1, None)
    assert found["expired_since"] == "2022-05-22 23:51:52.939898700 UTC"
    assert found["dropped"] is None
    page = await port.page("/apps/a?format=html")
    assert b'Expired since</th><td class="">2022-05-22 23:51:52.9' in page

    port.table.update("a", (b"a 2\n",), source="x", expire_after=30, on_expire="mark")
    found = await details(port, "a")

    assert (found["state"], found["up"], found["expired_since"]) == ("ok", True, None)
    assert found["expires_in_seconds"] == 30.0


async def test_an_app_whose_update_was_refused(merged_port: Port) -> None:
    """It is up, and says why its metrics are old, until an update is taken."""
    merged_port.table.update("a", (b"a 1\n",), source="x")
    merged_port.table.refuse("a", "update refused: more than 5 samples", source="x")
    found = await details(merged_port, "a")

    assert (found["state"], found["up"]) == ("update refused: more than 5 samples", True)
    assert found["problem"] == {
        "message": "update refused: more than 5 samples",
        "since": "2022-05-22 23:51:52.939898700 UTC",
    }
    merged_port.table.update("a", (b"a 1\n",), source="x")
    found = await details(merged_port, "a")
    assert (found["state"], found["problem"]) == ("ok", None)


async def nothing() -> None:
    """Do nothing."""


async def test_an_app_that_is_polled(merged_port: Port) -> None:
    """It tells how its polls fare, also before the first, and what went wrong after it is over."""
    status = TargetStatus("external_poll: x:1", "a")
    merged_port.polls["a"] = nothing
    merged_port.poll_statuses["a"] = status
    found = await details(merged_port, "a")
    assert (found["state"], found["last_update"]) == ("waits for its next poll", None)
    assert found["source"] == "external_poll: x:1"
    assert (found["poll"], found["up"]) == (describe_target(status), False)

    status.polls, status.failures["timeout"] = 2, 1
    status.last_failure = Failure("no answer <in> time", 1_653_263_512_000_000_000)
    merged_port.table.update("a", (b"a 1\n",), source="external_poll: x:1")
    found = await details(merged_port, "a")
    assert (found["state"], found["up"]) == ("ok", True)
    assert found["poll"] == describe_target(status)
    page = (await merged_port.page("/apps/a?format=html")).decode()
    assert "no answer &lt;in&gt; time (2022-05-22T23:51:52.000Z)" in page
    assert '<th scope="row">Failed polls</th><td class="">timeout 1</td>' in page


async def test_the_page_of_an_app_tells_its_time_to_live_and_leads_to_its_metrics(
    merged_port: Port,
) -> None:
    merged_port.table.update("a/b", (b"a 1\n",), source="x", expire_after=90, on_expire="mark")
    page = (await merged_port.page("/apps/a%2Fb?format=html")).decode()

    assert "90 s; then it is kept, and said to be down" in page
    (link,) = re.findall(r'href="([^"]+/metrics)"', page)
    assert b"a 1\n" in await raw_get(merged_port, link)


async def test_an_app_that_never_had_metrics(merged_port: Port) -> None:
    merged_port.table.set_problem("a", "poll failing: timeout", source="external_poll: x:1")
    found = await details(merged_port, "a")

    assert (found["state"], found["up"]) == ("poll failing: timeout", False)
    assert (found["last_update"], found["source"]) == (None, "external_poll: x:1")
    assert found["problem"] == {
        "message": "poll failing: timeout",
        "since": "2022-05-22 23:51:52.939898700 UTC",
    }


@pytest.mark.parametrize(
    "app", ["a/b", "https://x/y?z#k", "%2F", "100%", "a b", "<&>", "漢", "{x}", "+", "x//y"]
)
async def test_any_name_is_found_by_its_link(merged_port: Port, app: str) -> None:
    merged_port.table.update(app, (b"a 1\n",), source="x")
    page = (await merged_port.page("/apps", accept=BROWSER)).decode()
    path = page.split('<td><a href="')[1].split('"')[0]
    body = await raw_get(merged_port, path)

    assert json.loads(body)["app"] == app


async def raw_get(port: Port, path: str) -> bytes:
    """Ask for a path as it stands: clients have ideas of their own about escapes."""
    reader, writer = await asyncio.open_connection(port.client.host, port.client.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 200 "), head
    return body


async def test_a_browser_gets_a_page(merged_port: Port) -> None:
    merged_port.table.update("<a>", (PAYLOAD,), source='"x"', expire_after=30)
    merged_port.table.set_problem("<a>", "poll failing: <b>", source="x")
    _, headers, body = await merged_port.get("/apps/%3Ca%3E", accept=BROWSER)
    page = body.decode()

    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<h1>&lt;a&gt;</h1>" in page
    assert '<td class="bad">poll failing: &lt;b&gt;</td>' in page
    assert (
        '<tr><td class="name">a</td><td>gauge</td>'
        '<td class="number" data-what="samples">1</td></tr>\n'
    ) in page
    assert (
        '<tr><td class="number" data-what="line">1</td><td>carriage_returns</td>'
        '<td class="number" data-what="times">2</td><td class="long"></td>'
        "<td>lines end in <code>\\r\\n</code>; read as <code>\\n</code></td></tr>\n"
    ) in page
    held_back = page.partition("<h2>Held back</h2>")[2].partition("</table>")[0]
    assert '<td class="name">c</td><td>bad_labels</td>' in held_back
    assert "30.0 s" in page
    assert "<a>" not in page
    assert await merged_port.page("/apps/%3Ca%3E?format=html") == body


async def test_a_browser_is_told_that_payloads_are_not_read(bare_port: Port) -> None:
    bare_port.table.update("a", (PAYLOAD,), source="x")

    assert b"not read" in await bare_port.page("/apps/a?format=html")


@pytest.mark.parametrize("shown", ["json", "text", "html"])
async def test_an_app_of_many_families_is_drawn_in_chunks(merged_port: Port, shown: str) -> None:
    payload = b"".join(b"m%d 1\n" % number for number in range(2_500))
    merged_port.table.update("a", (payload,), source="x")
    body = await merged_port.page(f"/apps/a?format={shown}")

    assert body.count(b"untyped") - body.count(b"no TYPE line; untyped") == 2_500
    if shown == "json":
        assert len(json.loads(body)["families"]) == 2_500


async def test_an_unknown_app_is_told_where_all_are(merged_port: Port) -> None:
    assert (await merged_port.get("/apps/no%0Ane"))[::2] == (
        404,
        b'error: no app "no\\nne"; /apps shows all there are\n',
    )


async def test_an_unknown_format_is_told_which_there_are(merged_port: Port) -> None:
    assert (await merged_port.get("/apps/a?format=xml"))[::2] == (
        400,
        b'error: format="xml"; there is json, text, html\n',
    )


@pytest.mark.parametrize("shown", ["json", "text", "html"])
async def test_head_has_the_same_headers(merged_port: Port, shown: str) -> None:
    merged_port.table.update("a", (PAYLOAD,), source="x")
    status, headers, _ = await merged_port.get(f"/apps/a?format={shown}")

    assert await merged_port.get(f"/apps/a?format={shown}", "HEAD") == (status, headers, b"")


async def test_conflicts_name_the_other_app(merged_port: Port) -> None:
    """Both sides are told what the other has."""
    merged_port.table.update("a", (b"# TYPE x counter\nx 1\n",), source="s")
    merged_port.table.update("b", (b'# TYPE x gauge\nx{c="d"} 1\n',), source="s")
    found = [(await details(merged_port, app))["conflicts"] for app in ("a", "b")]
    page = await merged_port.page("/apps/b", Accept="text/html")

    conflicts = [[(each["reason"], each["app"], each["wins"]) for each in one] for one in found]  # type: ignore[attr-defined]
    assert conflicts == [[("type_conflict", "b", True)], [("type_conflict", "a", False)]]
    assert b"<h2>Conflicts</h2>" in page
    assert b'<td><a href="/apps/a">a</a></td>' in page
    remedy = "give the metric the same TYPE in both apps, or another name in one of them"
    assert f"<td>{remedy}</td></tr>".encode() in page
    text = (await merged_port.page("/apps/b?format=text")).decode()
    assert "\nConflicts:\n  x: type_conflict: TYPE is counter in app " in text
    assert f"\n    {remedy}\n" in text


async def test_notes_are_told_apart_from_what_was_repaired(merged_port: Port) -> None:
    payload = b"a 1\r\nb 1 1000\n"
    merged_port.table.update("x", (payload,), source="s")
    page = (await merged_port.page("/apps/x", accept=BROWSER)).decode()
    titles = re.findall("<h2>([^<]*)</h2>", page)
    tables = dict(zip(titles, page.split("<h2>")[1:], strict=True))

    assert titles == ["Warnings", "Repairs", "Notes", "Metric families"]
    assert "old_timestamp" in tables["Warnings"]
    assert "carriage_returns" in tables["Repairs"]
    assert "samples of a family have no TYPE line" in tables["Notes"]


async def test_a_terminal_gets_text_if_it_asks(merged_port: Port) -> None:
    """Line by line, with nothing in it that would move the cursor."""
    payload = b'# TYPE a gauge\r\na 1\r\n# TYPE c gauge\nc{ \x1b[2J"\nd 1\nd 1\n'
    merged_port.table.update("<a>", (payload,), source="s", expire_after=30)
    _, headers, body = await merged_port.get("/apps/%3Ca%3E", accept="text/plain")
    lines = body.decode().splitlines()

    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert lines[0] == "App:          <a>"
    assert lines[2] == "Last update:  2022-05-22 23:51:52.939898700 UTC"
    assert "Expires in:   30.0 s" in lines
    assert lines[lines.index("Held back:") + 1].startswith("  line 4: c: bad_labels: ")
    repairs = lines.index("Repairs:")
    assert lines[repairs + 1 : repairs + 3] == [
        "  line 1: carriage_returns (2 times)",
        "    lines end in `\\r\\n`; read as `\\n`",
    ]
    assert lines[-2:] == ["  a  gauge      1 sample", "  d  untyped    2 samples"]
    assert all(line.isprintable() for line in lines)
    assert await merged_port.page("/apps/%3Ca%3E?format=text") == body
    assert json.loads(await merged_port.page("/apps/%3Ca%3E", accept="*/*"))["app"] == "<a>"


async def test_text_tells_that_payloads_are_not_read(bare_port: Port) -> None:
    bare_port.table.update("a", (PAYLOAD,), source="x")

    assert b"\n\nPayloads are not read" in await bare_port.page("/apps/a?format=text")
