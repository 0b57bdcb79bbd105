"""Who gets which page: by format, by selection, by what a reader has already."""

import asyncio
import gzip
import json

import pytest
import zstandard
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.views.conftest import Port

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
BROKEN = b"# TYPE good gauge\ngood 1\n# TYPE bad gauge\nbad{ 1\n"


async def head(port: Port, path: str, method: str = "GET", **headers: str) -> dict[str, str]:
    """Return all headers of an answer, with its status and its body if that is text."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with port.client.request(method, path, headers=named) as response:
        body = await response.read()
        received = {**response.headers, "ETag": response.headers["ETag"]}
        return {"status": str(response.status), "body": body.decode(errors="replace"), **received}


@pytest.mark.parametrize("path", ["/metrics", "/metrics/self"])
async def test_prometheus_gets_openmetrics(full_port: Port, path: str) -> None:
    full_port.table.update("a", (b"# TYPE a_total counter\na_total 1\n",), source="x")
    _, headers, body = await full_port.get(path, accept=PROMETHEUS)
    names = [family.name for family in text_string_to_metric_families(body.decode())]

    assert headers["Content-Type"] == OPENMETRICS
    assert headers["Vary"] == "Accept, Accept-Encoding"
    assert body.endswith(b"\n# EOF\n")
    assert ("a" in names) == (path == "/metrics")
    assert "exporter_proxy_app_up" in names
    packed = await full_port.page(path, accept=PROMETHEUS, accept_encoding="gzip")
    assert gzip.decompress(packed) == body

    assert (await full_port.get(path, accept="text/plain"))[1]["Content-Type"] == TEXT


async def test_prometheus_3_gets_openmetrics_with_names_in_quotes(merged_port: Port) -> None:
    """Exemplars and units with them; readers that don't say that they take such names don't."""
    merged_port.table.update(
        "a",
        (
            (
                b'# TYPE "a.b_seconds" counter\n# UNIT "a.b_seconds" seconds\n'
                b'{"a.b_seconds_total"} 1 # {"trace.id"="x"} 1\n# EOF\n'
            ),
        ),
        source="x",
    )
    _, headers, body = await merged_port.get("/metrics?app=a", accept=PROMETHEUS_3)
    (family,) = (
        each
        for each in text_string_to_metric_families(body.decode())
        if not each.name.startswith("exporter_proxy_")
    )

    assert headers["Content-Type"] == f"{OPENMETRICS}; escaping=allow-utf-8"
    assert (family.name, family.unit) == ("a.b_seconds", "seconds")
    assert family.samples[0].exemplar is not None
    assert family.samples[0].exemplar.labels == {"trace.id": "x"}
    assert (await merged_port.page("/metrics", accept=PROMETHEUS_3)).startswith(
        body.partition(b"{")[0]
    )

    _, headers, body = await merged_port.get("/metrics", accept=PROMETHEUS)
    assert headers["Content-Type"] == OPENMETRICS
    assert b'\na_b_seconds_total 1 # {trace_id="x"} 1\n' in body

    text = "text/plain;version=1.0.0;escaping=allow-utf-8"
    _, headers, body = await merged_port.get("/metrics", accept=text)
    assert headers["Content-Type"] == (
        "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
    )
    assert b'\n{"a.b_seconds_total"} 1\n' in body


@pytest.mark.parametrize("path", ["/metrics", "/metrics/self"])
async def test_a_verbatim_page_is_always_text(port: Port, path: str) -> None:
    assert (await port.get(path, accept=PROMETHEUS))[1]["Content-Type"] == TEXT


async def test_what_cant_be_read_is_shown_to_people_alone(merged_port: Port) -> None:
    merged_port.table.update("b", (BROKEN,), source="x")
    merged_port.table.update("a", (BROKEN.replace(b"good", b"fine"),), source="x")
    shown = await merged_port.page("/metrics")

    assert b"\ngood 1\n" in shown
    assert b"\nbad{ 1\n" in shown
    first, second = shown.index(b"# quarantined: app=b "), shown.index(b"# quarantined: app=a ")
    assert first < second
    assert await merged_port.page("/metrics", accept="*/*") == shown

    strict = await merged_port.page("/metrics?strict=1")

    assert b"bad{" not in strict
    assert shown.startswith(strict)
    assert await merged_port.page("/metrics", accept="text/plain") == strict
    assert await merged_port.page("/metrics?strict=0") == shown
    assert b"bad{" not in await merged_port.page("/metrics", accept=PROMETHEUS)

    merged_port.table.update("a", (b"a 1\n",), source="x")
    merged_port.table.drop("b")

    assert b"quarantined" not in await merged_port.page("/metrics")


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
@pytest.mark.parametrize("query", ["", "?app=a", "?name[]=a"])
async def test_a_reader_who_has_the_page_gets_none(
    merged_port: Port, encoding: str, query: str
) -> None:
    """Until something changes; a tag belongs to one page in one coding."""
    merged_port.table.update("a", (b"a 1\n",), source="x")
    first = await head(merged_port, f"/metrics{query}", accept_encoding=encoding)
    tag = first["ETag"]
    again = await head(
        merged_port, f"/metrics{query}", accept_encoding=encoding, if_none_match=f'"x", W/{tag}'
    )

    assert tag.startswith('"')
    assert tag.endswith(f'-{encoding}"')
    assert (again["status"], again["body"], again["ETag"]) == ("304", "", tag)
    assert again["Vary"] == "Accept, Accept-Encoding"
    assert "Content-Encoding" not in again
    asked_head = await head(
        merged_port, f"/metrics{query}", "HEAD", accept_encoding=encoding, if_none_match=tag
    )
    assert asked_head["status"] == "304"

    merged_port.table.update("a", (b"a 2\n",), source="x")
    later = await head(merged_port, f"/metrics{query}", accept_encoding=encoding, if_none_match=tag)

    assert later["status"] == "200"
    assert later["ETag"] != tag


async def test_every_page_has_a_tag_of_its_own(full_port: Port) -> None:
    full_port.table.update("a", (b"a 1\n",), source="x")
    tags = [
        (await head(full_port, path, accept=accept, accept_encoding=encoding))["ETag"]
        for path in (
            "/metrics",
            "/metrics/self",
            "/metrics?app=a",
            "/metrics?app=b&app=c",
            "/metrics?app=a&app=b",
            "/metrics?app=ab&app=ac",
            "/metrics?name[]=a",
            "/metrics?name[]=a&app=a",
        )
        for accept in (PROMETHEUS, "text/plain")
        for encoding in ("identity", "gzip", "zstd")
    ]
    tags.append((await head(full_port, "/metrics"))["ETag"])

    assert len(set(tags)) == len(tags)


async def test_tags_of_another_process_are_others(merged_port: Port) -> None:
    other = Port(self_metrics=False, rules=merged_port.rules)
    await other.start()
    tags = {(await head(each, "/metrics"))["ETag"] for each in (merged_port, other)}
    await other.stop()

    assert len(tags) == 2


def fill(port: Port) -> None:
    for app in ("a", "b", "c"):
        payload = (
            f'# TYPE m gauge\nm{{x="{app}"}} 1\n# TYPE {app}_total counter\n{app}_total 1\n'
            f'# TYPE h histogram\nh_bucket{{x="{app}",le="+Inf"}} 1\n'
            f'h_sum{{x="{app}"}} 1\nh_count{{x="{app}"}} 1\n'
        )
        port.table.update(app, (payload.encode(),), source="x")


def lines(page: bytes) -> list[str]:
    """Return the samples of apps on a page, without what the proxy tells of them."""
    return [
        line
        for line in page.decode().splitlines()
        if not line.startswith(("#", "exporter_proxy_app_"))
    ]


H_B = ['h_bucket{x="b",le="+Inf"} 1', 'h_sum{x="b"} 1', 'h_count{x="b"} 1']


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        pytest.param("app=b", ['m{x="b"} 1', "b_total 1", *H_B], id="an app"),
        pytest.param("app=no&app=", [], id="unknown apps"),
        pytest.param("name[]=m", ['m{x="a"} 1', 'm{x="b"} 1', 'm{x="c"} 1'], id="a family"),
        pytest.param("name%5B%5D=no", [], id="an unknown family"),
        pytest.param("app=c&app=a&name[]=m", ['m{x="a"} 1', 'm{x="c"} 1'], id="both"),
        pytest.param("name[]=b_total&name[]=m&app=b", ['m{x="b"} 1', "b_total 1"], id="two"),
        pytest.param("name[]=b", ["b_total 1"], id="a counter's name in OpenMetrics"),
        pytest.param("name[]=h_bucket&app=b", H_B, id="a sample's name"),
        pytest.param("name[]=h_sum&name[]=h&app=b", H_B, id="a family twice"),
        pytest.param("name[]=m_sum", [], id="no histogram"),
        pytest.param("unknown=1&app=b&name[]=m", ['m{x="b"} 1'], id="another key"),
    ],
)
async def test_selects_apps_and_families(merged_port: Port, query: str, shown: list[str]) -> None:
    fill(merged_port)
    page = await merged_port.page(f"/metrics?{query}")

    assert lines(page) == shown
    packed = await merged_port.page(f"/metrics?{query}", accept_encoding="gzip")
    assert gzip.decompress(packed) == page

    openmetrics = await merged_port.page(f"/metrics?{query}", accept=PROMETHEUS)

    assert len(lines(openmetrics)) == len(shown)
    list(text_string_to_metric_families(openmetrics.decode()))


async def test_unknown_apps_are_an_empty_page(merged_port: Port) -> None:
    """Of one alone that says nothing: see test_app_target.py."""
    fill(merged_port)
    path = "/metrics?app=no&app=none"

    assert await merged_port.page(path) == b""
    assert await merged_port.page(path, accept=PROMETHEUS) == b"# EOF\n"
    packed = await merged_port.page(path, accept_encoding="zstd")
    assert zstandard.ZstdDecompressor().decompress(packed) == b""


async def test_selecting_all_is_the_whole_page(merged_port: Port) -> None:
    fill(merged_port)
    merged_port.table.update("broken", (BROKEN,), source="x")
    for accept in (PROMETHEUS, "text/plain", "*/*"):
        whole = await merged_port.page("/metrics", accept=accept)
        everything = "/metrics?app=a&app=b&app=c&app=broken"

        assert await merged_port.page(everything, accept=accept) == whole


async def test_what_cant_be_read_is_selected_too(merged_port: Port) -> None:
    merged_port.table.update("a", (BROKEN,), source="x")
    merged_port.table.update("b", (BROKEN,), source="x")

    assert (await merged_port.page("/metrics?app=a")).count(b"\nbad{ 1\n") == 1
    assert (await merged_port.page("/metrics?name[]=bad")).count(b"\nbad{ 1\n") == 2
    assert b"quarantined" not in await merged_port.page("/metrics?name[]=good")


async def test_a_series_that_two_apps_have_is_once_in_openmetrics(merged_port: Port) -> None:
    for app in ("a", "b"):
        merged_port.table.update(app, (b"# TYPE m gauge\nm 1\n",), source="x")

    assert lines(await merged_port.page("/metrics?name[]=m")) == ["m 1", "m 1"]
    assert lines(await merged_port.page("/metrics?name[]=m", accept=PROMETHEUS)) == ["m 1"]


async def test_selects_of_the_proxys_own_metrics(full_port: Port) -> None:
    fill(full_port)
    one = await full_port.page("/metrics/self?app=a&name[]=exporter_proxy_app_up")
    name = "exporter_proxy_build_info"

    assert one.endswith(b'\nexporter_proxy_app_up{app="a"} 1\n')
    assert name.encode() in await full_port.page(f"/metrics?name[]={name}")
    assert lines(await full_port.page(f"/metrics/self?name[]={name}"))[0].startswith(name)


async def test_selects_payloads_of_a_verbatim_page(port: Port) -> None:
    for app in ("b", "a", "c"):
        port.table.update(app, (f"{app} 1".encode(),), source="x")

    assert await port.page("/metrics?app=a&app=b&app=no") == b"b 1\na 1\n"
    assert (await port.get("/metrics?name[]=a"))[::2] == (
        400,
        b'error: name[] needs exporter.exposition = "merged"\n',
    )
    assert b"build_info" in await port.page("/metrics/self?name[]=exporter_proxy_build_info")


async def test_curl_reads_all_that_is_compressed(merged_port: Port) -> None:
    """A page of several zstd frames among them."""
    for app in range(40):
        payload = b"".join(b'm{app="%d",n="%d"} 1\n' % (app, n) for n in range(4_000))
        merged_port.table.update(f"app{app}", (payload,), source="x")
    page = await merged_port.page("/metrics", accept="text/plain")
    assert len(page) > 2 * 1_048_576
    url = f"http://127.0.0.1:{merged_port.client.port}/metrics"
    for encoding in ("gzip", "zstd"):
        curl = await asyncio.create_subprocess_exec(
            *("curl", "-s", "--compressed", "-H", f"Accept-Encoding: {encoding}"),
            *("-H", "Accept: text/plain", url),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await curl.communicate()

        assert out == page


async def test_readings_are_those_of_the_page(merged_port: Port) -> None:
    """Asking for apps reads what changed, and the next page has it."""
    merged_port.table.update("a", (b"a 1\n",), source="x")
    first = await head(merged_port, "/metrics")
    merged_port.table.update("a", (b"a 2\n",), source="x")
    apps = json.loads(await merged_port.page("/apps?format=json"))
    later = await head(merged_port, "/metrics")

    assert apps["apps"][0]["updates"] == 2
    assert later["ETag"] != first["ETag"]
    assert "a 2\n" in later["body"]
