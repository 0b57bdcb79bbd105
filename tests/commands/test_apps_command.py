"""``exporter-proxy apps``: the table, once and live."""

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from exporter_proxy import cli
from exporter_proxy.commands.apps_live import Rates
from exporter_proxy.commands.apps_table import App, Selection, SelectionError, draw, write
from tests.commands.listening import Listening, listening
from tests.conftest import StartProxy
from tests.ports import free_port
from tests.proxy_process import ROOT, until

NOW_NS = 1_700_000_000_000_000_000
SIZES = (("shop", 1), ("billing", 2), ("webshop", 3))
EXTRAS = {"Bytes", "Updates", "Source"}
HOSTILE = "a [bold]b[/] \x1b[31m\u202e"


@pytest.fixture
def server() -> Iterator[Listening]:
    with listening() as state:
        yield state


def app(name: str, seconds: float | None, **values: object) -> App:
    updated = None if seconds is None else NOW_NS - int(seconds * 1e9)
    return App(app=name, last_update_ns=updated, **values)  # type: ignore[arg-type]


def drawn(
    apps: list[App], *, rates: bool = False, width: int | None = None, cut: bool = False
) -> list[str]:
    console = Console(file=io.StringIO(), width=width or 200)
    console.print(draw(apps, NOW_NS, rates=rates, width=width, cut=cut))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO
    return [line.rstrip() for line in text.splitlines()]


class TestOnce:
    """A real proxy."""

    def test_in_a_pipe(self, proxy: StartProxy, capsys: pytest.CaptureFixture[str]) -> None:
        process = proxy()
        process.push_tcp(b'{"shop": "a 1", "bad [b]": "a{ 1"}')
        source = f"127.0.0.1:{process.tcp_port}"

        assert cli.main(["-c", str(process.config_file), "apps", "--sort", "state"]) == 0

        out, err = capsys.readouterr()
        head, _, bad, shop, summary = out.splitlines()
        assert head.split() == ["App", "Age", "Source", "Samples", "Bytes", "Updates", "State"]
        assert re.fullmatch(
            rf"bad \[b\]\s+\d\.\d s\s+{source}\s+0\s+4\s+1\s+quarantined: line 1: .*", bad
        )
        assert re.fullmatch(rf"shop\s+\d\.\d s\s+{source}\s+1\s+3\s+1\s+ok", shop)
        url = f"http://127.0.0.1:{process.http_port}"
        assert summary == f"2 apps, 1 sample, 1 not ok  {url}"
        assert err == ""

    def test_json_is_the_proxys(
        self, proxy: StartProxy, capsysbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        process = proxy()
        process.push_tcp(b'{"shop": "a 1"}')

        assert cli.main(["apps", f"127.0.0.1:{process.http_port}", "--json"]) == 0

        assert json.loads(capsysbinary.readouterr().out)["apps"] == process.apps_json()["apps"]

    def test_json_of_some(
        self, server: Listening, capsysbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        """What this version doesn't know is passed on."""
        apps = [{"app": name, "samples": size, "new": [size]} for name, size in SIZES]
        answer = {"current_time": "now", "apps": apps}
        server.answer = lambda _: (200, json.dumps(answer).encode())

        argv = ["apps", f"{server.url}/apps", "--json", "--filter", "shop", "--sort", "samples"]
        assert cli.main(argv) == 0

        shown = json.loads(capsysbinary.readouterr().out)
        assert shown == {"current_time": "now", "apps": [apps[2], apps[0]]}

        page = server.url.removeprefix("http://") + "/metrics"
        assert cli.main(["apps", page, "--json", "--filter", "nobody"]) == 0
        assert json.loads(capsysbinary.readouterr().out) == {"current_time": "now", "apps": []}

    def test_secrets_are_sent(self, server: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EXPORTER_PROXY_TOKEN", "t0ken")
        server.answer = lambda _: (200, b'{"apps":[]}')

        assert cli.main(["apps", server.url]) == 0

        (asked,) = server.asked
        assert (asked.path, asked.headers["authorization"]) == (
            "/apps?format=json",
            "Bearer t0ken",
        )

    @pytest.mark.parametrize(
        ("status", "body", "said"),
        [
            (403, b"error: scraping needs a right\n", "HTTP status 403: scraping needs a right"),
            (500, b"\x1b", 'HTTP status 500: "\\x1b"'),
            (200, b"<html>", "the answer is not that of /apps"),
        ],
    )
    def test_other_answers(
        self,
        status: int,
        body: bytes,
        said: str,
        server: Listening,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        server.answer = lambda _: (status, body)

        assert cli.main(["apps", server.url]) == 1

        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"exporter-proxy apps: {server.url}: {said}")

    def test_nobody_is_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        url = f"http://127.0.0.1:{free_port()}"

        assert cli.main(["apps", url]) == 1

        assert "Connection refused" in capsys.readouterr().err

    def test_no_socket_is_there(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """In the words of a path, not of the host and port that HTTP has within it."""
        path = tmp_path / "x.sock"

        assert cli.main(["apps", str(path)]) == 1

        said = f"exporter-proxy apps: {path}: can't connect: No such file or directory\n"
        assert capsys.readouterr().err == said

    @pytest.mark.parametrize(
        ("argv", "said"),
        [
            (["http://"], '"http://" is not an HTTP or HTTPS URL'),
            (["--filter", "("], '--filter: "(": '),
            (["--watch", "1s", "--json"], "--watch and --json don't go together"),
        ],
    )
    def test_what_can_not_be_asked(
        self, argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.main(["apps", *argv]) == 2

        assert capsys.readouterr().err.startswith(f"exporter-proxy apps: {said}")


class TestTable:
    """How it is drawn."""

    def test_ages(self) -> None:
        ages = [0.44, 9.94, 10, 59.9, 61, 3599, 3 * 3600 + 61, 90_000, -5, None]
        apps = [app(f"a{place}", seconds) for place, seconds in enumerate(ages)]

        shown = [re.split(r"\s{2,}", line)[1] for line in drawn(apps)[2:]]

        assert shown == [
            *("0.4 s", "9.9 s", "10 s", "59 s", "1m 1s"),
            *("59m 59s", "3h 1m", "1d 1h", "0.0 s", "never"),
        ]

    def test_names_are_text(self) -> None:
        """Neither markup nor what a terminal obeys."""
        (row,) = drawn([app(HOSTILE, 1, source=HOSTILE, state=HOSTILE)])[2:]

        assert row.count(r"a [bold]b[/] \x1b[31m\u202e") == 3

    @pytest.mark.parametrize(
        ("width", "left_out"),
        [(120, set()), (105, {"Bytes"}), (95, {"Bytes", "Updates"}), (80, EXTRAS)],
    )
    def test_a_narrow_terminal_has_less(self, width: int, left_out: set[str]) -> None:
        """So that names and states are not columns of syllables."""
        apps = [app("n" * 30, 1, source="127.0.0.1:6554", state="quarantined: line 2: x " * 5)]

        lines = drawn(apps, width=width)

        assert {*lines[0].split()} == {"App", "Age", "Samples", "State", *EXTRAS} - left_out
        assert max(map(cell_len, lines)) <= width
        assert lines[2].startswith("n" * 20)
        assert 4 <= len(lines) <= 8

    @pytest.mark.parametrize("width", [60, 90, 120])
    def test_a_screen_has_a_line_for_each(self, width: int) -> None:
        """Numbers are never cut."""
        apps = [
            app("n" * 300, 1, source="s" * 300, samples=123_456, rate=12.34, state="x" * 300),
            app("漢" * 100, 1, source="s", state="ok"),
        ]

        lines = drawn(apps, rates=True, width=width, cut=True)

        assert len(lines) == 4
        assert max(map(cell_len, lines)) <= width
        assert "123456" in lines[2]
        assert "12.3" in lines[2]

    def test_names_that_are_cut_can_be_told_apart(self) -> None:
        """By where they begin and where they end, wide characters too."""
        apps = [app(f"external_poll: 127.0.0.1:{port}", 1) for port in (1025, 1026)]
        apps.append(app("漢" * 29 + "字", 1))

        lines = drawn(apps, width=60, cut=True)

        assert lines[2].startswith("external_")
        ends = [re.split(r" +\d", line)[0][-1] for line in lines[2:5]]
        assert ends == ["5", "6", "字"]

    def test_a_pipe_has_all_of_it(self) -> None:
        console = Console(file=io.StringIO())

        apps = [app("n" * 300, 1, state="x" * 300), app("m", 1, state="ok")]
        write(apps, "http://h", console)

        written: str = console.file.getvalue()  # type: ignore[attr-defined]
        assert "n" * 300 in written
        assert "x" * 300 in written
        assert all(line == line.rstrip() for line in written.splitlines())

    def test_order_and_selection(self) -> None:
        apps = [
            app("b", 5, samples=1, state="ok"),
            app("a", 50, samples=3, state="repaired: x"),
            app("c", None, samples=2, state="ok"),
        ]

        def names(sort: str, pattern: str | None = None) -> str:
            return "".join(each.app for each in Selection(sort, pattern).of(apps))

        assert names("order") == "bac"
        assert names("app") == "abc"
        assert names("age") == "cab"
        assert names("samples") == "acb"
        assert names("state") == "abc"
        assert names("order", "[bc]") == "bc"
        with pytest.raises(SelectionError):
            Selection("order", "*")


def test_rates() -> None:
    """From one answer to the next; a proxy that began anew says nothing."""
    rates = Rates()
    first, second = [app("a", 1, updates=10)], [app("a", 1, updates=15), app("b", 1, updates=3)]
    third = [app("a", 1, updates=2), app("b", 1, updates=3)]

    rates.note(first, 100.0)
    rates.note(second, 102.0)
    rates.note(third, 103.0)

    assert [each.rate for each in first] == [None]
    assert [each.rate for each in second] == [2.5, None]
    assert [each.rate for each in third] == [None, 0.0]


class Screen:
    """A command on a terminal, and all that it writes there."""

    def __init__(self, *argv: str) -> None:
        self._main, terminal = pty.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "20"}
        self.process = subprocess.Popen(
            # A shell that runs the tests in the background has SIGINT ignored.
            ["env", "--default-signal=INT", sys.executable, "-m", "exporter_proxy", *argv],
            cwd=ROOT,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=environment,
            start_new_session=True,
        )
        os.close(terminal)
        self.text = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self._main, 65_536)
            except OSError:
                return
            self.text += part.decode(errors="replace")

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join()
            os.close(self._main)


def test_live(proxy: StartProxy) -> None:
    """It follows what happens, says when the proxy is away, and leaves the screen as it was."""
    process = proxy()
    process.push_tcp(b'{"first": "a 1"}')
    screen = Screen("apps", f"http://127.0.0.1:{process.http_port}", "--watch", "0.1")
    try:
        until(lambda: "first" in screen.text, "the first app")
        process.push_tcp(b'{"second": "b 1"}')
        until(lambda: "second" in screen.text, "the second app")
        process.stop()
        until(lambda: "Connection refused" in screen.text, "the end of the proxy")
        seen = len(screen.text)
        until(lambda: "second" in screen.text[seen:], "what was last known")
    finally:
        code = screen.end()
    assert code == 0
    # The other screen was entered, and left again.
    assert screen.text.count("\x1b[?1049h") == screen.text.count("\x1b[?1049l") == 1
    assert "Traceback" not in screen.text
