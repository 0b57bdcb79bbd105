"""The document of Prometheus's service discovery over HTTP."""

import asyncio
import json
from typing import Any

import pytest

from exporter_proxy.exposition.rules import Rules
from tests.views.conftest import Port

SOURCE = "127.0.0.1:6554"
ODD = ["a b", "a/b", 'say "hi"', "漢字", "\\", "<&>", "x" * 256, "é" * 256, "{}", "%2F"]


async def targets(port: Port, path: str = "/sd", **headers: str) -> dict[str, dict[str, Any]]:
    """Return the labels of targets by app; each has one address, the same."""
    status, received, body = await port.get(path, **headers)
    assert (status, received["Content-Type"]) == (200, "application/json"), body
    found = json.loads(body)
    assert len({address for each in found for address in each["targets"]}) <= 1
    assert all(len(each["targets"]) == 1 and set(each) == {"targets", "labels"} for each in found)
    labels = {each["labels"]["app"]: each["labels"] for each in found}
    assert len(labels) == len(found)
    return labels


async def address(port: Port, path: str = "/sd", **headers: str) -> str:
    (found,) = json.loads(await port.page(path, **headers))
    assert found["labels"]["instance"] == found["targets"][0]
    return str(found["targets"][0])


async def test_no_app_is_no_target(merged_port: Port) -> None:
    assert json.loads(await merged_port.page("/sd")) == []


async def nothing() -> None:
    """Do nothing."""


async def test_a_target_has_all_that_prometheus_needs(merged_port: Port) -> None:
    merged_port.table.update("billing", (b"m 1\n",), source=SOURCE)
    merged_port.table.update("router", (b"m 1\n",), source="external_poll: r:80")
    merged_port.polls["router"] = nothing
    found = json.loads(await merged_port.page("/sd", Host="sidecar.example:7000"))
    common = {"__metrics_path__": "/metrics", "instance": "sidecar.example:7000"}

    assert found == [
        {
            "targets": ["sidecar.example:7000"],
            "labels": common
            | {
                "__param_app": "billing",
                "__meta_exporter_proxy_source": SOURCE,
                "job": "billing",
                "app": "billing",
            },
        },
        {
            "targets": ["sidecar.example:7000"],
            "labels": common
            | {
                "__param_app": "router",
                "__param_fresh": "1",
                "__meta_exporter_proxy_source": "external_poll: r:80",
                "job": "router",
                "app": "router",
            },
        },
    ]


@pytest.mark.parametrize("app", ODD)
async def test_names_are_as_they_are(merged_port: Port, app: str) -> None:
    merged_port.table.update(app, (b"m 1\n",), source=SOURCE)
    labels = (await targets(merged_port))[app]

    assert labels["job"] == labels["__param_app"] == app


async def test_apps_that_are_down_are_listed_until_they_are_forgotten(merged_port: Port) -> None:
    """So that it is seen that they are; also those that never were up."""
    table = merged_port.table
    table.update("dropped", (b"m 1\n",), source=SOURCE)
    table.drop("dropped")
    table.update("marked", (b"m 1\n",), source=SOURCE, expire_after=1, on_expire="mark")
    merged_port.monotonic.now += 1
    table.expire()
    table.set_problem("failing", "poll failing: timeout", source="external_poll: r:80")
    table.update("both", (b"m 1\n",), source="external_poll: r:81")
    table.set_problem("both", "poll failing: timeout", source="external_poll: r:81")
    merged_port.polls |= {"failing": nothing, "both": nothing, "waiting": nothing}
    found = await targets(merged_port)

    assert [*found] == ["marked", "both", "dropped", "failing", "waiting"]
    sources = {app: labels["__meta_exporter_proxy_source"] for app, labels in found.items()}
    assert sources == {
        "marked": SOURCE,
        "both": "external_poll: r:81",
        "dropped": SOURCE,
        "failing": "external_poll: r:80",
        "waiting": "",
    }
    table.forget("dropped")
    assert "dropped" not in await targets(merged_port)


async def test_labels_that_samples_are_given_tell_job_and_instance() -> None:
    given = {"job": "db", "instance": "db1", "env": "prod"}
    port = Port(self_metrics=False, rules=lambda app: Rules(labels=given if app == "a" else {}))
    await port.start()
    try:
        for app in ("a", "b"):
            port.table.update(app, (b"m 1\n",), source=SOURCE)
        found = await targets(port, Host="h:1")
    finally:
        await port.stop()

    shown = {app: (labels["job"], labels["instance"]) for app, labels in found.items()}
    assert shown == {"a": ("db", "db1"), "b": ("b", "h:1")}
    assert "env" not in found["a"]


async def test_groups_have_the_job_and_instance_of_their_key(merged_port: Port) -> None:
    keys = ['{instance="",job="x"}', '{instance="db1",job="say \\"hi\\"",shard="3"}']
    for app in keys:
        merged_port.table.update(app, (b"m 1\n",), source="pushgateway")
    found = await targets(merged_port, Host="h:1")

    shown = [(found[app]["job"], found[app]["instance"]) for app in keys]
    assert shown == [("x", "h:1"), ('say "hi"', "db1")]
    assert [labels["__param_app"] for labels in found.values()] == keys


async def test_verbatim_pages_have_targets_too(bare_port: Port) -> None:
    bare_port.table.update("a", (b"m 1\n",), source=SOURCE)

    assert [*await targets(bare_port)] == ["a"]


async def test_the_address_is_where_the_request_was_sent_to(merged_port: Port) -> None:
    """Or what the configuration says, or the request itself."""
    merged_port.table.update("a", (b"m 1\n",), source=SOURCE)

    assert await address(merged_port, Host="proxy.example") == "proxy.example"
    assert await address(merged_port, Host="[2001:db8::1]:6555") == "[2001:db8::1]:6555"
    merged_port.sd_target = "configured:1"
    merged_port.views.configure(merged_port.settings())
    assert await address(merged_port, Host="proxy.example") == "configured:1"
    assert await address(merged_port, "/sd?target=asked:2") == "asked:2"


@pytest.mark.parametrize(
    "target",
    ["http://x:1", "x:1/metrics", "a b", "[::1", "x:y", "x:123456", "é:1", "a@b:1", "?", ""],
)
async def test_what_is_no_address_is_refused(merged_port: Port, target: str) -> None:
    async with merged_port.client.get("/sd", params={"target": target}) as response:
        line = await response.text()

    assert response.status == 400
    assert line.startswith("error: target: expected host:port, got ")
    assert line.count("\n") == 1


async def test_a_host_that_is_no_address_is_refused(merged_port: Port) -> None:
    status, _, line = await merged_port.get("/sd", Host="a/b")

    assert (status, line) == (400, b'error: the Host header: expected host:port, got "a/b"\n')


async def test_a_request_without_a_host(merged_port: Port) -> None:
    """HTTP/1.0 needs none."""
    merged_port.table.update("a", (b"m 1\n",), source=SOURCE)
    client = merged_port.client
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(b"GET /sd HTTP/1.0\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()

    assert head.startswith(b"HTTP/1.0 200 ")
    assert json.loads(body)[0]["targets"] == [f"{client.host}:{client.port}"]


async def test_those_who_ask_at_the_same_time_get_each_their_address(merged_port: Port) -> None:
    """Also where names look like what stands for it."""
    for number in range(401):
        merged_port.table.update(f"{number}", (b"m 1\n",), source=SOURCE)
    for app in ("\\u0000", '"\\u0000"'):
        merged_port.table.update(app, (b"m 1\n",), source=SOURCE)
    hosts = [f"{'h' * number}:1" for number in range(1, 20)]
    answers = await asyncio.gather(*(merged_port.page("/sd", Host=host) for host in hosts))

    for host, answer in zip(hosts, answers, strict=True):
        found = json.loads(answer)
        assert len(found) == 403
        assert {each["targets"][0] for each in found} == {host}
        assert {each["labels"]["instance"] for each in found} == {host}
        assert [each["labels"]["job"] for each in found[-2:]] == ["\\u0000", '"\\u0000"']


async def test_many_apps_are_listed_in_steps(merged_port: Port) -> None:
    for number in range(1001):
        merged_port.table.update(f"{number}", (b"m 1\n",), source=SOURCE)
    found = await targets(merged_port)

    assert [*found] == [f"{number}" for number in range(1001)]
    status, headers, _ = await merged_port.get("/sd")
    assert await merged_port.get("/sd", "HEAD") == (status, headers, b"")
