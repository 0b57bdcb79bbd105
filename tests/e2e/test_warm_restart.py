"""The table over a restart, with the real process, real signals and real disks."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import StartProxy
from tests.proxy_process import ProxyProcess, until


def messages(running: ProxyProcess) -> list[str]:
    return [record["message"] for record in running.log_records()]


def again(running: ProxyProcess) -> None:
    running.start()
    running.wait_ready()


def kill(running: ProxyProcess) -> None:
    running.process.kill()
    running.wait()


def state_value(running: ProxyProcess, name: str) -> float:
    for line in running.metrics().splitlines():
        if line.startswith(f"exporter_proxy_state_{name} "):
            return float(line.split()[1])
    raise AssertionError(f"no exporter_proxy_state_{name}")


def shown(running: ProxyProcess) -> dict[str, dict[str, object]]:
    return {each["app"]: each for each in running.apps_json()["apps"]}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def exporter(state: Path, **more: object) -> dict[str, object]:
    return {"state_file": str(state), "self_metrics_interval": 0, **more}


def test_sigterm_saves_what_came_a_moment_before(proxy: StartProxy, state: Path):
    """Source, times and counts are those of the first run; large payloads are whole."""
    running = proxy(exporter=exporter(state))
    large = "".join(f'large{{n="{n}"}} {n}\n' for n in range(100_000))
    data = [{"a": "x 1"}, {"a": "x 2"}, {"large": large}, {"b": "y 1"}]
    assert running.push_tcp("".join(map(json.dumps, data)).encode()) == ""
    before = shown(running)
    page = running.app_metrics()
    assert running.push_tcp(b'{"late":"z 1"}') == ""
    assert running.stop() == 0

    again(running)
    after = shown(running)
    assert list(after) == ["a", "large", "b", "late"]
    del after["late"]
    assert after == before
    assert running.app_metrics() == page + "# TYPE z untyped\nz 1\n"
    assert state.stat().st_mode & 0o777 == 0o600


def test_by_default_nothing_is_kept(proxy: StartProxy):
    """And nothing is written, nor told of."""
    running = proxy()
    running.push_tcp(b'{"a":"x 1"}')
    assert "exporter_proxy_state_" not in running.metrics()
    running.stop()
    again(running)
    assert running.app_metrics() == ""


def test_app_that_expired_meanwhile_is_down(proxy: StartProxy, state: Path):
    """As if the proxy had been there; and what it says of it survives, too."""
    running = proxy(exporter=exporter(state))
    assert running.push_tcp(b'{"a":{"metrics":"x 1","ttl":0.6}}{"b":"y 1"}') == ""
    until(lambda: state_value(running, "saved_apps_total") >= 2, "the apps to be saved")
    kill(running)
    time.sleep(0.6)
    for _ in range(2):
        again(running)
        running.wait_metrics('exporter_proxy_app_up{app="a"} 0\n')
        assert 'exporter_proxy_app_up{app="b"} 1\n' in running.metrics()
        assert "\nx 1\n" not in running.metrics()
        until(lambda: state_value(running, "pending_apps") == 0, "all to be saved")
        kill(running)


def test_polled_app_goes_with_its_endpoint(
    proxy: StartProxy, state: Path, http_server: Callable[[Path], int], tmp_path: Path
):
    """One that is still polled is there before the first poll."""
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "1").write_text("first 1\n", encoding="utf-8")
    (pages / "2").write_text("second 2\n", encoding="utf-8")
    port = http_server(pages)
    urls = [f"http://127.0.0.1:{port}/{page}" for page in (1, 2)]

    def polling(urls: list[str], interval: float) -> ProxyProcess:
        return proxy(
            exporter=exporter(state),
            poll_external={
                "poll_other_scrape_endpoints": True,
                "other_scrape_endpoints": [{"url": url, "name": f"app{url[-1]}"} for url in urls],
                "poll_interval": interval,
            },
        )

    running = polling(urls, 0.5)
    running.wait_metrics("first 1\n")
    running.wait_metrics("second 2\n")
    running.stop()
    (pages / "2").unlink()
    running = polling(urls[1:], 0.5)
    assert "second 2\n" in running.metrics()
    assert "\nfirst 1\n" not in running.metrics()
    assert 'app="app1"' not in running.metrics()
    running.wait_metrics('exporter_proxy_app_up{app="app2"} 0\n')
    until(lambda: state_value(running, "pending_apps") == 0, "all to be saved")
    kill(running)
    # Its problem is one of the run before, and ends with the first good poll.
    running = polling(urls[1:], 3600)
    assert 'exporter_proxy_app_up{app="app2"} 0\n' in running.metrics()
    kill(running)
    (pages / "2").write_text("second 3\n", encoding="utf-8")
    running = polling(urls[1:], 0.5)
    running.wait_metrics("second 3\n")
    running.wait_metrics('exporter_proxy_app_up{app="app2"} 1\n')


def test_file_that_was_torn_is_set_aside(proxy: StartProxy, state: Path):
    """Wherever it ends: the proxy starts, empty, and says so."""
    running = proxy(exporter=exporter(state))
    data = {f"app{n}": f"x{n} {n}\n" * 300 for n in range(40)}
    assert running.push_tcp(json.dumps(data).encode()) == ""
    running.stop()
    whole = state.read_bytes()
    for end in (1, len(whole) // 3, len(whole) - 1):
        state.write_bytes(whole[:end])
        # Ours are private; another's would be left alone.
        state.chmod(0o600)
        again(running)
        assert running.app_metrics() == ""
        assert running.push_tcp(b'{"a":"x 1"}') == ""
        running.stop()
        state.unlink()
    asides = list(state.parent.glob("state.db.damaged-*Z"))
    assert len(asides) == 3
    lines = [line for line in messages(running) if "damaged" in line]
    assert len(lines) == 3
    assert all(line.startswith("state file is damaged, a new one begins empty") for line in lines)


def refused(running: ProxyProcess) -> str:
    """Return what it says that does not start."""
    assert running.wait() == 1
    return messages(running)[-1]


def test_second_proxy_on_a_file_does_not_start(proxy: StartProxy, state: Path):
    first = proxy(exporter=exporter(state))
    second = proxy(exporter=exporter(state), wait=False)
    line = refused(second)
    assert line.startswith("exporter.state_file: ")
    assert line.endswith(f"another proxy uses it (process {first.process.pid})")
    kill(first)
    again(second)


def test_path_that_can_not_be_written_stops_the_start(proxy: StartProxy, tmp_path: Path):
    running = proxy(exporter=exporter(tmp_path / "missing" / "s.db"), wait=False)
    line = refused(running)
    assert line.startswith("exporter.state_file: can't write ")
    assert line.endswith(": no such file or directory")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 1 MiB."""
    if os.geteuid():
        pytest.skip("only root can mount a small file system")
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(file: Path) -> None:
    """Write to a file until the disk is full."""
    with suppress(OSError), file.open("ab", buffering=0) as filler:
        while True:
            filler.write(b"x" * 4096)


def test_full_disk_costs_nobody_anything_but_the_next_start(proxy: StartProxy, small_disk: Path):
    """All is served, the metrics and one line of the log tell; what waited is saved later."""
    running = proxy(exporter=exporter(small_disk / "s.db"))
    filler = small_disk / "filler"
    assert running.push_tcp(b'{"first":"x 1"}') == ""
    until(lambda: state_value(running, "saved_apps_total") == 1, "the first app to be saved")
    filler.write_bytes(b"x" * 700_000)
    large = {f"app{n}": f"y{n} {n}\n" * 5_000 for n in range(20)}
    assert running.push_tcp(json.dumps(large).encode()) == ""
    until(lambda: state_value(running, "save_failures_total") >= 2, "saving to fail")
    assert state_value(running, "pending_apps") == 20
    assert state_value(running, "pending_bytes") == sum(map(len, large.values()))
    for n in (0, 19):
        assert f"\ny{n} {n}\n" in running.metrics()
    assert sum("state is not saved" in line for line in messages(running)) == 1
    # Nothing comes of it but what was there before.
    kill(running)
    again(running)
    assert list(shown(running)) == ["first"]
    assert running.push_tcp(json.dumps(large).encode()) == ""
    until(lambda: state_value(running, "save_failures_total") >= 1, "saving to fail")
    # Apps get smaller, somebody makes room: it is saved, with nobody having to push again.
    filler.unlink()
    small = {f"app{n}": f"y{n} {n}\n" * 500 for n in range(20)}
    assert running.push_tcp(json.dumps(small).encode()) == ""
    page = running.app_metrics()
    until(lambda: state_value(running, "pending_apps") == 0, "all to be saved")
    assert sum("state is saved again" in line for line in messages(running)) == 1
    kill(running)
    again(running)
    assert running.app_metrics() == page


def test_full_disk_at_the_start(proxy: StartProxy, small_disk: Path):
    """What was kept is read; a proxy that keeps nothing yet starts, too."""
    running = proxy(exporter=exporter(small_disk / "s.db"))
    assert running.push_tcp(b'{"first":"x 1"}') == ""
    running.stop()
    fill(small_disk / "filler")
    again(running)
    assert list(shown(running)) == ["first"]
    running.stop()
    (small_disk / "s.db").unlink()
    fill(small_disk / "filler")
    again(running)
    assert running.push_tcp(b'{"first":"x 1"}') == ""
    until(lambda: state_value(running, "save_failures_total") >= 1, "saving to fail")
    assert list(shown(running)) == ["first"]
