"""Reading the configuration again: what differs, and one reload at a time."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exporter_proxy.config import (
    AppConfig,
    Config,
    ExporterConfig,
    ReceiverConfig,
    load,
    read,
    warnings,
)
from exporter_proxy.errors import StartError
from exporter_proxy.reload import ReadFile, ReloadCollector, Reloader, differences
from tests.views.conftest import Clock


@pytest.mark.parametrize(
    ("document", "changed", "need_restart"),
    [
        pytest.param({}, (), (), id="nothing"),
        pytest.param({"exporter": {"max_apps": 100_000}}, (), (), id="a default, written"),
        pytest.param(
            {"receiver": {"idle_timeout": "1m"}, "exporter": {"expire_after": "1h"}},
            ("exporter.expire_after", "receiver.idle_timeout"),
            (),
            id="two sections",
        ),
        pytest.param(
            {"exporter": {"worker_threads": 3, "state_file": "/x", "max_apps": 3}},
            ("exporter.worker_threads", "exporter.max_apps", "exporter.state_file"),
            ("exporter.worker_threads", "exporter.state_file"),
            id="needs a restart",
        ),
        pytest.param({"app": [{"match": "a"}]}, ("[[app]]",), (), id="several sections"),
        pytest.param(
            {"poll_external": {"other_scrape_endpoints": ["http://127.0.0.1:1/"]}},
            ("poll_external.other_scrape_endpoints",),
            (),
            id="endpoints",
        ),
    ],
)
def test_differences(document: dict[str, Any], changed: tuple[str, ...], need_restart):
    assert differences(Config(), read(document)) == (changed, need_restart)
    assert set(differences(read(document), Config()).changed) == set(changed)


def test_secret_that_changed_is_not_told():
    def config(token: str) -> Config:
        endpoint = {"url": "http://127.0.0.1:1/", "headers": {"X": token}}
        return read({"poll_external": {"other_scrape_endpoints": [endpoint]}})

    found = differences(config("first"), config("second"))
    assert found.changed == ("poll_external.other_scrape_endpoints",)


class Bench:
    """A reloader of a file; what it puts into force is written down."""

    def __init__(self, file: Path) -> None:
        self.file: Path | None = file
        file.write_text("")
        self.clock = Clock(1000.0)
        self.applied: list[Config] = []
        self.applying = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.reloader = Reloader(Config(), file, self._read, self._apply, self.clock)

    def _read(self) -> ReadFile:
        config = load(self.file)
        return ReadFile(self.file, config, warnings(config))

    async def _apply(self, config: Config) -> None:
        self.applying.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.applied.append(config)

    def write(self, text: str) -> None:
        """Write the file."""
        assert self.file is not None
        self.file.write_text(text)

    def metrics(self) -> list[float]:
        """Return what the self-metrics tell."""
        collector = ReloadCollector(lambda: self.reloader.status)
        assert collector.describe() == []
        return [metric.samples[0].value for metric in collector.collect()]


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "config.toml")


async def test_reload(bench: Bench):
    bench.write("[exporter]\nmax_apps = 5\n")
    bench.clock.now = 2000.0
    assert bench.metrics() == [1, 1000]
    outcome = await bench.reloader.reload()
    assert outcome == ((f"reloaded: {bench.file}: changed: exporter.max_apps",), True, False)
    assert bench.applied == [Config(exporter=ExporterConfig(max_apps=5))]
    assert bench.metrics() == [1, 2000]
    outcome = await bench.reloader.reload()
    assert outcome.lines == (f"reloaded: {bench.file}: nothing changed",)


async def test_doubts_are_told(bench: Bench, caplog: pytest.LogCaptureFixture):
    bench.write(
        "[exporter]\nworker_threads = 3\n[receiver]\n"
        "receive_on_tcp_socket = false\nreceive_on_unix_socket = false\n"
        "[push]\npushgateway_api = false\napp_api = false\n"
    )
    lines = (await bench.reloader.reload()).lines
    assert lines[1] == (
        "warning: exporter.worker_threads: needs a restart, until then it is what it was"
    )
    assert lines[2].startswith("warning: nothing is received and nothing is polled")
    for line in lines[1:]:
        assert f"configuration: {line.removeprefix('warning: ')}" in caplog.messages
    # What the process began with counts, not what was read last.
    assert (await bench.reloader.reload()).lines[1] == lines[1]


@pytest.mark.parametrize("kind", ["file", "machine", "bug"])
async def test_failure(bench: Bench, kind: str, caplog: pytest.LogCaptureFixture):
    """It is told and remembered; a good one ends that."""
    bench.clock.now = 2000.0
    if kind == "file":
        bench.write("[exporter]\nmax_apps = 0\nx = 1\n")
    elif kind == "machine":
        bench.error = StartError("can't listen")
    else:
        bench.error = RuntimeError("oops")
    outcome = await bench.reloader.reload()
    assert not outcome.successful
    assert len(outcome.lines) == (2 if kind == "file" else 1)
    assert bench.metrics() == [0, 1000]
    assert bench.reloader.status.tried_seconds == 2000
    assert [f"error: {each}" for each in bench.reloader.status.problems] == [*outcome.lines]
    logged = [each for each in caplog.messages if each.startswith("configuration not reloaded: ")]
    assert len(logged) == len(outcome.lines)
    bench.error = None
    bench.write("")
    assert (await bench.reloader.reload()).successful
    assert bench.metrics() == [1, 2000]
    assert bench.reloader.status.problems == ()


async def test_no_file(bench: Bench):
    """There is nothing to read, which is no failure; one that is there later is read."""
    path, bench.file = bench.file, None
    outcome = await bench.reloader.reload()
    line = "no configuration file: nothing to read, the defaults are in force"
    assert outcome == ((line,), True, False)
    assert bench.applied == []
    bench.file = path
    assert (await bench.reloader.reload()).successful
    assert len(bench.applied) == 1


async def test_who_comes_meanwhile_shares_the_next(bench: Bench):
    """The file may have changed since it was read for the one under way."""
    bench.gate.clear()
    bench.write("[exporter]\nmax_apps = 1\n")
    first = asyncio.ensure_future(bench.reloader.reload())
    await bench.applying.wait()
    bench.write("[exporter]\nmax_apps = 2\n")
    others = [asyncio.ensure_future(bench.reloader.reload()) for _ in range(50)]
    await asyncio.sleep(0)
    bench.gate.set()
    outcomes = await asyncio.gather(first, *others)
    assert [config.exporter.max_apps for config in bench.applied] == [1, 2]
    assert outcomes[1].lines == (f"reloaded: {bench.file}: changed: exporter.max_apps",)
    assert (await bench.reloader.reload()).lines == (f"reloaded: {bench.file}: nothing changed",)
    assert len(bench.applied) == 3


async def test_who_goes_away_ends_nothing(bench: Bench):
    bench.gate.clear()
    asking = asyncio.ensure_future(bench.reloader.reload())
    await bench.applying.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    bench.gate.set()
    await bench.reloader.reload()
    assert len(bench.applied) == 2


async def test_close(bench: Bench):
    """One that is under way does not hold up the end; later ones are refused."""
    bench.gate.clear()
    asking = [asyncio.ensure_future(bench.reloader.reload()) for _ in range(3)]
    await bench.applying.wait()
    await bench.reloader.close()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in outcomes)
    outcome = await bench.reloader.reload()
    assert outcome == (("error: exporter-proxy is stopping",), False, True)
    await bench.reloader.close()
    assert bench.applied == []


def test_differences_of_several():
    new = replace(
        Config(),
        receiver=ReceiverConfig(format="capnp"),
        apps=(AppConfig(match="a"), AppConfig(match="b")),
    )
    assert differences(Config(), new).changed == ("receiver.format", "[[app]]")
