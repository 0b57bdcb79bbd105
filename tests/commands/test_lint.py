"""``exporter-proxy lint``: what is written where, and the exit code."""

import io
import json
import os
import pty
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from exporter_proxy import cli
from exporter_proxy.commands import lint_input
from exporter_proxy.commands.lint_plain import lines
from exporter_proxy.commands.lint_tables import show
from exporter_proxy.exposition.report import Report, report
from tests.conftest import StartProxy
from tests.exposition.test_report import others
from tests.ports import free_port
from tests.proxy_process import ROOT, until

DOCS = (ROOT / "docs" / "lint.md").read_text(encoding="utf-8")

GOOD = b"# TYPE a gauge\na 1\n"
BAD = b"""\
# HELP jobs_total Jobs done.
# TYPE jobs_total counter
jobs_total{queue="mail"} 12
jobs_total{queue="print"} inf
# TYPE temperature_celsius gauge
temperature_celsius{sensor="door"} 19.5 degrees
temperature_celsius{sensor="window"} 17.25
"""
NOTE = 'x"y\x1b[31m'


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], str]:
    """Write a file into the current directory, and return its name."""
    monkeypatch.chdir(tmp_path)

    def writer(data: bytes) -> str:
        (tmp_path / "metrics.prom").write_bytes(data)
        return "metrics.prom"

    return writer


PLAIN_BAD = """\
metrics.prom: read as text format 0.0.4
metrics.prom: counter jobs_total: 2 samples
metrics.prom:4: repair: number_spelling: a value such as `inf` or `-nan` is spelled so that some \
readers refuse it; written as `+Inf`, `-Inf` or `NaN`
metrics.prom:6: quarantine: bad_timestamp: timestamp "degrees" is not a whole number of \
milliseconds; temperature_celsius is held back, 3 lines
    temperature_celsius{sensor="door"} 19.5 degrees
metrics.prom: 1 family with 2 samples is shown, 1 held back, 1 repair
"""


@pytest.mark.parametrize(
    ("payload", "options", "expected", "code"),
    [
        pytest.param(
            GOOD,
            [],
            "metrics.prom: read as text format 0.0.4\n"
            "metrics.prom: gauge a: 1 sample\n"
            "metrics.prom: 1 family with 1 sample is shown, none held back\n",
            0,
            id="good",
        ),
        pytest.param(
            b"",
            [],
            "metrics.prom: read as text format 0.0.4\n"
            "metrics.prom: 0 families with 0 samples are shown, none held back\n",
            0,
            id="empty",
        ),
        pytest.param(BAD, [], PLAIN_BAD, 1, id="bad"),
        pytest.param(
            b"# TYPE a gauge\n\n\na 1\n# EOF\n",
            [],
            "metrics.prom: read as OpenMetrics 1.0\n"
            "metrics.prom: gauge a: 1 sample\n"
            "metrics.prom:2: note: blank_lines (2 times): blank lines; dropped\n"
            "metrics.prom: 1 family with 1 sample is shown, none held back, 1 note\n",
            0,
            id="openmetrics",
        ),
        pytest.param(
            GOOD,
            ["--format", "openmetrics"],
            "metrics.prom: read as OpenMetrics 1.0\n"
            "metrics.prom: gauge a: 1 sample\n"
            "metrics.prom:2: repair: missing_eof: OpenMetrics: the last line is not `# EOF`; the "
            "payload may have been cut\n"
            "metrics.prom: 1 family with 1 sample is shown, none held back, 1 repair\n",
            0,
            id="declared",
        ),
        pytest.param(
            b"# TYPE a gauge\na 1\n\0\n",
            [],
            "metrics.prom: read as text format 0.0.4\n"
            "metrics.prom: gauge a: 1 sample\n"
            "metrics.prom:3: quarantine: nul_byte: a line has a NUL byte; it is held back, "
            "1 line\n"
            "    \\x00\n"
            "metrics.prom: refused: line 3 has a NUL byte; every way into the proxy refuses such "
            "a payload as a whole\n"
            "metrics.prom: refused; otherwise 1 family with 1 sample is shown, 1 held back\n",
            1,
            id="refused",
        ),
    ],
)
def test_plain_output(
    payload: bytes,
    options: list[str],
    expected: str,
    code: int,
    write: Callable[[bytes], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["lint", write(payload), *options]) == code

    assert capsys.readouterr() == (expected, "")


def test_json(write: Callable[[bytes], str], capsys: pytest.CaptureFixture[str]) -> None:
    """What POST /lint answers too."""
    assert cli.main(["lint", "--json", write(BAD)]) == 1

    out, err = capsys.readouterr()
    assert (json.loads(out)["quarantined"][0]["line"], err) == (6, "")
    assert f"```json\n{out}```\n" in DOCS


def test_the_docs_show_what_is_written() -> None:
    console = Console(file=io.StringIO(), width=80)
    show(report((BAD,)), "metrics.prom", against=False, console=console)
    text = console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO
    tables = "".join(line.rstrip() + "\n" for line in text.splitlines())

    assert f"```text\n{BAD.decode()}```\n" in DOCS
    assert f"```text\n{PLAIN_BAD}```\n" in DOCS
    assert f"```text\n{tables}```\n" in DOCS


def test_reads_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a file."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD)))

    assert cli.main(["lint"]) == 0

    assert capsys.readouterr().out.startswith("<stdin>: read as text format 0.0.4\n")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        pytest.param(["none.prom"], "none.prom: can't be read: No such file or directory", id="no"),
        pytest.param(["."], ".: can't be read: Is a directory", id="directory"),
        pytest.param(["a\0"], "a\\x00: can't be read: embedded null byte", id="NUL"),
        pytest.param(
            ["metrics.prom", "--app", "a"], "--app says nothing without --against", id="app"
        ),
        pytest.param(
            ["metrics.prom", "--against", "ftp://u:secret@host"],
            '"ftp://host" is not an HTTP or HTTPS URL',
            id="no URL",
        ),
        pytest.param(["http://"], '"http://" is not an HTTP or HTTPS URL', id="no host"),
    ],
)
def test_nothing_to_look_at(
    argv: list[str],
    said: str,
    write: Callable[[bytes], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(GOOD)

    assert cli.main(["lint", *argv]) == 2

    assert capsys.readouterr() == ("", f"exporter-proxy lint: {said}\n")


def test_too_large(
    write: Callable[[bytes], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(lint_input, "MAX_BYTES", len(GOOD) - 1)

    assert cli.main(["lint", write(GOOD)]) == 2

    assert capsys.readouterr().err == "exporter-proxy lint: metrics.prom: larger than 18 bytes\n"


class TestUrl:
    """Somebody else's endpoint."""

    def test_is_polled(
        self,
        tmp_path: Path,
        http_server: Callable[[Path], int],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """A password in its URL is not shown."""
        (tmp_path / "metrics").write_bytes(GOOD)
        place = f"127.0.0.1:{http_server(tmp_path)}/metrics"

        assert cli.main(["lint", f"http://me:secret@{place}"]) == 0

        assert capsys.readouterr().out.startswith(f"http://{place}: read as text format")

    def test_answers_no_metrics(
        self,
        tmp_path: Path,
        http_server: Callable[[Path], int],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Not what a poll would take."""
        url = f"http://127.0.0.1:{http_server(tmp_path)}/none"

        assert cli.main(["lint", url]) == 2

        assert capsys.readouterr() == ("", f"exporter-proxy lint: {url}: HTTP status 404\n")

    def test_is_unreachable(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Who it was and why."""
        port = free_port()

        assert cli.main(["lint", f"http://127.0.0.1:{port}/"]) == 2

        assert capsys.readouterr().err == (
            f"exporter-proxy lint: http://127.0.0.1:{port}/: can't connect to 127.0.0.1, port "
            f"{port}: Connection refused\n"
        )


class TestAgainst:
    """A running proxy."""

    def test_names_conflicts(
        self,
        proxy: StartProxy,
        write: Callable[[bytes], str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """With whom, and nothing is pushed by it."""
        process = proxy(exporter={"exposition": "merged"})
        process.push_tcp(b'{"shop": "# TYPE a gauge\\na 1"}')
        process.wait_metrics("a 1")
        url = f"http://127.0.0.1:{process.http_port}"

        assert cli.main(["lint", write(GOOD), "--against", url]) == 1

        assert capsys.readouterr().out == (
            'metrics.prom: read as text format 0.0.4; compared with 1 other app as app "lint"\n'
            "metrics.prom: gauge a: 1 sample\n"
            'metrics.prom: conflict: same_series: a: app "shop" has the series "a" too; a page in '
            "OpenMetrics has that one alone, and Prometheus keeps one\n"
            "metrics.prom: 1 family with 1 sample is shown, samples of a conflict held back, 1 "
            "conflict\n"
        )
        assert [app["app"] for app in process.apps_json()["apps"]] == ["shop"]

        argv = ["lint", write(GOOD), "--against", f"{url}/lint", "--app", "shop", "--json"]
        assert cli.main([*argv, "--format", "openmetrics"]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert (answer["app"], answer["apps"], answer["format"]) == ("shop", 0, "openmetrics")

        assert cli.main(["lint", write(GOOD), "--against", url, "--app", ""]) == 2
        assert capsys.readouterr().err == (
            f"exporter-proxy lint: {url}: HTTP status 400: an app's name must not be empty\n"
        )

    def test_takes_what_is_large(
        self,
        proxy: StartProxy,
        write: Callable[[bytes], str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """And credentials, which a proxy in front of it may ask for."""
        process = proxy(exporter={"exposition": "merged"})
        file = write(b"".join(b"a%d 1\n" % number for number in range(40_000)))
        url = f"http://me:secret@127.0.0.1:{process.http_port}"

        assert cli.main(["lint", file, "--against", url]) == 0

        assert capsys.readouterr().out.endswith(
            "metrics.prom: 40000 families with 40000 samples are shown, none held back, 1 note\n"
        )

    def test_sends_credentials(
        self,
        proxy: StartProxy,
        write: Callable[[bytes], str],
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """A token of the environment, to a proxy that is named by the address of its page."""
        entries = [{"bearer_token": "t0ken", "rights": ["scrape"]}]
        process = proxy(wait=False, access=entries)
        until(lambda: cli.main(["health", f"127.0.0.1:{process.http_port}"]) == 0, "the proxy")
        argv = ["lint", write(GOOD), "--against", f"127.0.0.1:{process.http_port}/metrics"]

        assert cli.main(argv) == 2
        assert "HTTP status 401: " in capsys.readouterr().err

        monkeypatch.setenv("EXPORTER_PROXY_TOKEN", "t0ken")
        assert cli.main(argv) == 0
        assert "compared with 0 other apps" in capsys.readouterr().out

    def test_credentials_that_can_not_be_read(
        self, write: Callable[[bytes], str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        argv = ["lint", write(GOOD), "--against", "127.0.0.1:1", "--token-file", "none"]

        assert cli.main(argv) == 2
        assert capsys.readouterr().err == (
            "exporter-proxy lint: none: can't be read: No such file or directory\n"
        )

    def test_verbatim_pages_know_no_conflicts(
        self,
        proxy: StartProxy,
        write: Callable[[bytes], str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """That there are none would be a lie."""
        process = proxy(exporter={"exposition": "verbatim"})
        url = f"http://127.0.0.1:{process.http_port}"

        assert cli.main(["lint", write(GOOD), "--against", url]) == 0

        assert capsys.readouterr().out.startswith(
            "metrics.prom: read as text format 0.0.4; not compared with other apps, as the proxy "
            "shows payloads verbatim\n"
        )

    def test_is_no_proxy(
        self,
        write: Callable[[bytes], str],
        tmp_path: Path,
        http_server: Callable[[Path], int],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """What it says itself is quoted."""
        url = f"http://127.0.0.1:{http_server(tmp_path)}"

        assert cli.main(["lint", write(GOOD), "--against", f"{url}/"]) == 2

        assert capsys.readouterr().err.startswith(f"exporter-proxy lint: {url}: HTTP status 501: ")

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            pytest.param(
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
                'the answer is no report: "Object missing required field `format`"',
                id="no report",
            ),
            pytest.param(b"", "the target closed the connection unanswered", id="nothing"),
        ],
    )
    def test_answers_something_else(
        self,
        answer: bytes,
        said: str,
        write: Callable[[bytes], str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """No traceback."""
        code = (
            "import socket\n"
            "s = socket.create_server(('127.0.0.1', 0))\n"
            "print(s.getsockname()[1], flush=True)\n"
            "c, _ = s.accept()\n"
            "while not c.recv(65536).endswith(b'a 1\\n'): pass\n"
            f"c.sendall({answer!r})\n"
        )
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"

            assert cli.main(["lint", write(GOOD), "--against", url]) == 2

        assert capsys.readouterr().err == f"exporter-proxy lint: {url}: {said}\n"


def test_as_a_process(tmp_path: Path) -> None:
    """Installed, with its exit code, in a locale that knows no UTF-8."""
    file = tmp_path / "metrics.prom"
    file.write_bytes('a{b="ä"} x\n'.encode())
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}

    done = subprocess.run(
        [sys.executable, "-m", "exporter_proxy", "lint", str(file)],
        capture_output=True,
        check=False,
        env=environment,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (1, b"")
    assert b'    a{b="\\xe4"} x\n' in done.stdout


def test_the_reader_may_have_seen_enough(tmp_path: Path) -> None:
    """As ``head`` has: no complaint, and the exit code is what it is."""
    file = tmp_path / "metrics.prom"
    file.write_bytes(b"".join(b"a%d 1\n" % number for number in range(20_000)))
    reader, writer = socket.socketpair()
    reader.close()

    with writer:
        done = subprocess.run(
            [sys.executable, "-m", "exporter_proxy", "lint", str(file)],
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )

    assert (done.returncode, done.stderr) == (0, b"")


def test_a_terminal_gets_tables(tmp_path: Path) -> None:
    """And colours."""
    file = tmp_path / "metrics.prom"
    file.write_bytes(BAD)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    environment.pop("NO_COLOR", None)

    with subprocess.Popen(
        [sys.executable, "-m", "exporter_proxy", "lint", str(file)], stdout=theirs, env=environment
    ) as process:
        os.close(theirs)
        shown = b""

        def read() -> bool:
            nonlocal shown
            try:
                part = os.read(ours, 65536)
            except OSError:
                return True
            shown += part
            return not part

        until(read, "the end of the output")
    os.close(ours)

    assert process.returncode == 1
    assert b"\x1b[1;31m" in shown
    assert b"Held back" in shown


def everything() -> Report:
    payload = (
        b"# TYPE a counter\na 1\n# HELP b B.\nb inf\nb -inf\nc 1 1000\nd x\n"
        b'{"' + NOTE.encode().replace(b'"', b'\\"') + b'"} 1\n\xff\n'
    )
    apps = others(b"# TYPE a summary\n# HELP b C.\nb 1\n")
    return report((payload,), now_ms=10**12, others=apps)


def test_tables_at_80_columns() -> None:
    """Nothing of it is markup, and no control character is passed on."""
    console = Console(file=io.StringIO(), width=80, highlight=False)
    show(everything(), "[bold]x[/]", against=True, console=console)
    text = console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO
    shown = "".join(line.rstrip() + "\n" for line in text.splitlines())

    assert max(map(len, shown.splitlines())) <= 80
    assert shown.startswith("[bold]x[/]: read as text format 0.0.4; compared with 1 other app as")
    assert "\x1b" not in shown
    for part in ("Repaired", "Warnings", "Notes", "Held back", "Conflicts with other apps"):
        assert f"\n{part}\n" in shown
    assert ' line 7: d bad_value (1 line)\n    d x\n    value "x" is not a number\n' in shown
    assert ' a type_conflict\n    TYPE is summary in app "app0", which counts;' in shown
    assert "Refused: line 9 is not UTF-8" in shown


def test_tables_of_what_is_good() -> None:
    """Nothing but what there is."""
    console = Console(file=io.StringIO(), width=80)
    show(report((GOOD,)), "x", against=False, console=console)

    assert console.file.getvalue() == (  # type: ignore[attr-defined]  # it is the StringIO
        "x: read as text format 0.0.4\n\n"
        "Family   Type    Samples\n"
        "────────────────────────\n"
        "a        gauge         1\n\n"
        "✓ 1 family with 1 sample is shown, none held back\n"
    )


def test_lines_pass_no_control_character_on() -> None:
    assert all(line.isprintable() for line in lines(everything(), "a\nb", against=True))
