"""Arguments, exit codes, and what is written where."""

import json
import logging
import subprocess
import sys
import types
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from exporter_proxy import __version__, cli
from exporter_proxy.config import Config, loading
from exporter_proxy.errors import ConfigError, StartError

Install = Callable[[Callable[[Config], Awaitable[None]]], None]


@pytest.fixture(autouse=True)
def usual_places(tmp_path, monkeypatch):
    """Keep the files of this machine out, and put the root logger back."""
    monkeypatch.setattr(loading, "PLACES", (tmp_path / "config.toml",))
    monkeypatch.delenv(loading.VARIABLE, raising=False)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def write(tmp_path):
    """Write a configuration file and return its path."""

    def writer(text: str, name: str = "own.toml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return writer


@pytest.fixture
def install(monkeypatch):
    """Put a proxy of the test's own in the place of the real one."""

    def installer(run: Callable[[Config], Awaitable[None]]) -> None:
        module = types.ModuleType("exporter_proxy.running")
        module.run = run  # type: ignore[attr-defined]  # a module made by hand
        monkeypatch.setitem(sys.modules, "exporter_proxy.running", module)

    return installer


def test_version(capsys):
    """One line, and nothing else is done."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])

    assert caught.value.code == 0
    assert capsys.readouterr().out == f"exporter-proxy {__version__}\n"


@pytest.mark.parametrize(
    "argv", [["--log-level", "loud"], ["--log-format", "xml"], ["--conf", "x"], ["extra"]]
)
def test_wrong_argument(argv, capsys):
    """Exit code 2; options are not abbreviated, since a later one could begin alike."""
    with pytest.raises(SystemExit) as caught:
        cli.main(argv)

    assert caught.value.code == 2
    assert "exporter-proxy: error: " in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["my.toml"], ["--check-config", "my.toml"]])
def test_file_without_its_option(argv, capsys):
    """What was meant is said; it isn't guessed."""
    with pytest.raises(SystemExit) as caught:
        cli.main(argv)

    assert caught.value.code == 2
    assert capsys.readouterr().err.endswith(
        "exporter-proxy: error: did you mean: exporter-proxy -c my.toml?\n"
    )


def test_options_of_the_program_stand_before_the_command(capsys):
    """Who has them behind it is told so."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["apps", "-c", "my.conf"])

    assert caught.value.code == 2
    assert capsys.readouterr().err.endswith("error: -c stands before the command\n")


class TestCheckConfig:
    """``--check-config``."""

    @pytest.mark.parametrize("option", ["-c", "--config"])
    def test_says_ok(self, option, write, capsys):
        """One line on standard output."""
        path = write('[receiver]\nformat = "capnp"\n')

        assert cli.main(["--check-config", option, str(path)]) == 0

        assert capsys.readouterr() == (f"{path}: ok\n", "")

    def test_without_a_file(self, capsys):
        """The defaults are fine, and that there is no file is said."""
        assert cli.main(["--check-config"]) == 0

        assert capsys.readouterr() == ("defaults: ok\n", "")

    def test_finds_the_file(self, write, capsys, monkeypatch):
        """In its usual place, or as the variable says."""
        usual = write("", "config.toml")
        assert cli.main(["--check-config"]) == 0
        other = write("")
        monkeypatch.setenv("EXPORTER_PROXY_CONFIG", str(other))
        assert cli.main(["--check-config"]) == 0

        assert capsys.readouterr().out == f"{usual}: ok\n{other}: ok\n"

    def test_reports_every_problem(self, write, capsys):
        """A line each on standard error, exit code 2."""
        path = write('[receiver]\nfromat = "json"\nidle_timeout = -1\n')

        assert cli.main(["--check-config", "-c", str(path)]) == 2

        assert capsys.readouterr() == (
            "",
            (
                f'{path}: receiver.fromat: unknown key (did you mean "format"?)\n'
                f"{path}: receiver.idle_timeout: -1: must be a duration of at least 0.001 seconds, "
                'such as 300 or "5m"\n'
            ),
        )

    def test_accounts_must_be_there(self, write, capsys):
        """The start would fail for want of them."""
        path = write('[receiver]\nunix_socket_user = "nobody-at-all"\n')

        assert cli.main(["--check-config", "-c", str(path)]) == 2

        assert capsys.readouterr() == (
            "",
            f'{path}: receiver.unix_socket_user: "nobody-at-all": there is no such user\n',
        )

    def test_named_file_must_be_there(self, tmp_path, capsys):
        """Not the defaults in its place."""
        path = tmp_path / "missing.toml"

        assert cli.main(["--check-config", "-c", str(path)]) == 2

        assert capsys.readouterr().err == f"{path}: can't be read: No such file or directory\n"

    def test_warns(self, write, capsys):
        """Of what can be meant but hardly is; it is ok all the same."""
        path = write("[poll_external]\npoll_other_scrape_endpoints = true\n")

        assert cli.main(["--check-config", "-c", str(path)]) == 0

        assert capsys.readouterr() == (
            f"{path}: ok\n",
            (
                f"{path}: warning: poll_external.other_scrape_endpoints: empty: nothing is polled "
                "though poll_other_scrape_endpoints is true\n"
            ),
        )

    def test_name_of_the_file_makes_no_second_line(self, capsys):
        """Whatever stands in it."""
        assert cli.main(["--check-config", "-c", "/nowhere/a\nb"]) == 2

        assert capsys.readouterr().err == (
            "/nowhere/a\\nb: can't be read: No such file or directory\n"
        )


class TestServe:
    """Without ``--check-config``."""

    def test_runs_the_proxy_on_the_configuration(self, install, write):
        """On uvloop, until it returns."""
        ran: list[tuple[Config, str]] = []

        async def run(config: Config, *_: Any) -> None:
            import asyncio  # noqa: PLC0415 - the test's own look at the loop

            ran.append((config, type(asyncio.get_running_loop()).__module__))

        install(run)
        path = write("[exporter]\nworker_threads = 3\n")

        assert cli.main(["-c", str(path)]) == 0

        ((config, loop),) = ran
        assert config.exporter.worker_threads == 3
        assert loop.startswith("uvloop")

    def test_logs_which_configuration_it_is(self, install, write, capsys):
        """And what is hardly meant by it, as the options say."""

        async def run(_config: Config, *_: Any) -> None:
            logging.getLogger("exporter_proxy.proxy").debug("running")

        install(run)
        path = write("[poll_external]\npoll_other_scrape_endpoints = true\n")

        assert cli.main(["-c", str(path), "--log-level", "debug", "--log-format", "text"]) == 0

        lines = [line.split(" ", 1)[1] for line in capsys.readouterr().err.splitlines()]
        lines = [line for line in lines if not line.startswith("DEBUG asyncio")]
        assert lines == [
            f"INFO exporter_proxy.cli configuration: {path}",
            (
                "WARNING exporter_proxy.cli configuration: poll_external.other_scrape_endpoints: "
                "empty: nothing is polled though poll_other_scrape_endpoints is true"
            ),
            "DEBUG exporter_proxy.proxy running",
        ]

    def test_logs_json(self, install, capsys):
        """One object a line."""

        async def run(_config: Config, *_: Any) -> None:
            pass

        install(run)

        assert cli.main(["--log-format", "json"]) == 0

        (line,) = capsys.readouterr().err.splitlines()
        assert '"message": "configuration: defaults"' in line

    @pytest.mark.parametrize(
        ("error", "code", "said"),
        [
            pytest.param(
                StartError("127.0.0.1:6554: address already in use"),
                1,
                "exporter-proxy: 127.0.0.1:6554: address already in use\n",
                id="start",
            ),
            pytest.param(ConfigError(["a: b", "c: d"]), 2, "a: b\nc: d\n", id="config"),
            pytest.param(KeyboardInterrupt(), 0, "", id="interrupt"),
        ],
    )
    def test_error_is_its_lines_and_its_exit_code(self, error, code, said, install, capsys):
        """Without a traceback."""

        async def run(_config: Config, *_: Any) -> None:
            raise error

        install(run)

        assert cli.main(["--log-level", "error", "--log-format", "text"]) == code

        assert capsys.readouterr() == ("", said)

    @pytest.mark.parametrize(
        ("error", "lines"),
        [
            (StartError("127.0.0.1:6554: in use"), ["127.0.0.1:6554: in use"]),
            (ConfigError(["a: b", "c: d"]), ["a: b", "c: d"]),
        ],
    )
    def test_error_in_json(self, error, lines, install, capsys):
        """Where the log is JSON, a failed start is, too."""

        async def run(_config: Config, *_: Any) -> None:
            raise error

        install(run)

        assert cli.main(["--log-format", "json"]) == (1 if len(lines) == 1 else 2)

        out, err = capsys.readouterr()
        records = [json.loads(line) for line in err.splitlines()]
        assert out == ""
        assert [record["message"] for record in records if record["level"] == "ERROR"] == lines

    @pytest.mark.parametrize("options", [["--log-format", "json"], []], ids=["option", "default"])
    def test_mistake_in_json(self, options, write, capsys):
        """Also one that is found before anything is logged; JSON is what no terminal gets."""
        path = write("[receiver]\nfromat = 1\n")

        assert cli.main([*options, "-c", str(path)]) == 2

        record = json.loads(capsys.readouterr().err)
        assert (record["level"], record["logger"]) == ("ERROR", "exporter_proxy.cli")
        assert record["message"].startswith(f"{path}: receiver.fromat: unknown key")

    def test_mistake_stops_the_start(self, install, write, capsys):
        """Before anything runs."""
        ran: list[Config] = []

        async def run(config: Config, *_: Any) -> None:
            ran.append(config)

        install(run)
        path = write("[exporter]\nmax_apps = 0\n")

        assert cli.main(["--log-format", "text", "-c", str(path)]) == 2

        assert not ran
        assert capsys.readouterr().err == (
            f"{path}: exporter.max_apps: 0: must be an integer from 1 to 100000000\n"
        )


@pytest.mark.parametrize("option", ["--version", "--check-config", "--help"])
def test_answers_without_the_servers_in_memory(option):
    """A question about a file doesn't load the HTTP server, Cap'n Proto or the tables."""
    code = f"""if True:
        import sys
        from exporter_proxy.cli import main
        try:
            main([{option!r}])
        except SystemExit:
            pass
        heavy = {{"aiohttp", "asyncio", "capnp", "msgspec", "prometheus_client", "re2", "rich"}}
        print(sorted(heavy & set(sys.modules)))
    """
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.splitlines()[-1] == "[]"
