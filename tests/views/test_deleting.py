"""An app is deleted, and nothing is left of it."""

from urllib.parse import quote

import pytest

from tests.views.conftest import Port


async def delete(port: Port, app: str) -> tuple[int, bytes]:
    return (await port.get("/apps/" + quote(app, safe=""), "DELETE"))[::2]


@pytest.mark.parametrize("app", ["a", "a/b", "x/metrics", "漢 字"])
async def test_nothing_is_left(merged_port: Port, app: str) -> None:
    table = merged_port.table
    table.update(app, (b"m 1\n",), source="s")
    table.update("other", (b"n 1\n",), source="s")
    status, line = await delete(merged_port, app)

    assert status == 200
    assert line.endswith(b'" is deleted.\n')
    assert app not in table
    assert app not in table.ghosts
    page = await merged_port.page()
    assert b"\nm 1" not in page
    assert b"n 1\n" in page
    assert (await merged_port.get("/apps/" + quote(app, safe="")))[0] == 404


async def test_an_app_that_is_down(merged_port: Port) -> None:
    """Dropped, failing, or both."""
    table = merged_port.table
    for app in ("dropped", "both"):
        table.update(app, (b"m 1\n",), source="s")
        table.drop(app)
    for app in ("failing", "both"):
        table.set_problem(app, "poll failing: timeout", source="s")
    for app in ("dropped", "both", "failing"):
        assert await delete(merged_port, app) == (200, f'"{app}" is deleted.\n'.encode())

    assert not table.ghosts
    assert not table.problems
    assert await merged_port.page() == b""


async def test_an_app_that_expired_and_stays(merged_port: Port) -> None:
    table = merged_port.table
    table.update("a", (b"m 1\n",), source="s", expire_after=1, on_expire="mark")
    merged_port.monotonic.now += 1
    table.expire()

    assert (await delete(merged_port, "a"))[0] == 200
    assert not table.expired


async def test_an_unknown_app(merged_port: Port) -> None:
    expected = 404, b'error: no app "no"; /apps shows all there are\n'

    assert await delete(merged_port, "no") == expected


async def test_a_polled_app_comes_back(merged_port: Port) -> None:
    async def nothing() -> None:
        pass

    merged_port.table.update("a", (b"m 1\n",), source="s")
    merged_port.polls["a"] = nothing

    expected = 200, b'"a" is deleted, and comes back with its next poll.\n'
    assert await delete(merged_port, "a") == expected


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_other_methods_are_told_what_there_is(merged_port: Port, method: str) -> None:
    status, headers, line = await merged_port.get("/apps/a", method)

    assert (status, headers["Allow"]) == (405, "GET, HEAD, DELETE")
    assert line == f'error: /apps/a takes GET, HEAD and DELETE, not "{method}"\n'.encode()


async def test_the_metrics_of_an_app_are_not_deleted(merged_port: Port) -> None:
    merged_port.table.update("a", (b"m 1\n",), source="s")
    status, headers, _ = await merged_port.get("/apps/a/metrics", "DELETE")

    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert "a" in merged_port.table
