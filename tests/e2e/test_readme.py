"""The README's own steps, run as they stand, print what the README shows.

Blocks marked ``sh`` are run in order, in a copy of the checkout; a block marked ``text`` right
after one is what it prints, and one marked ``log`` is what the proxy logged. Ports and the socket's
path are replaced by free ones of the same length on the way in, and put back on the way out, so
that the widths of tables stay what they are.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.ports import free_short_port
from tests.proxy_process import ROOT, http_get, until
from tests.terminal import Terminal

README = (ROOT / "README.md").read_text()
SOCKET = "/var/run/exporter-proxy-receiver.sock"
PORTS = ("6554", "6555", "1025", "1026", "1027")
COPIED = ("Makefile", "config.toml", "python_test_clients", "schemas")
# All in which numbers are that the proxy or a client may print.
KNOWN_TEXT = README + "".join(
    path.read_text()
    for path in (ROOT / "config.toml", *(ROOT / "python_test_clients").iterdir())
    if path.is_file()
)


class Step(NamedTuple):
    """One block of the README, and what it prints if that is shown."""

    line: int
    commands: str
    output: str | None


def read_steps(text: str) -> list[Step]:
    """Return the blocks to run, in order."""
    blocks = list(re.finditer(r"^```(\w+)\n(.*?)^```\n", text, re.MULTILINE | re.DOTALL))
    steps = []
    for number, block in enumerate(blocks):
        if block[1] != "sh":
            continue
        following = blocks[number + 1] if number + 1 < len(blocks) else None
        shown = following[2] if following and following[1] == "text" else None
        steps.append(Step(text[: block.start()].count("\n") + 1, block[2], shown))
    return steps


def comparable(output: str) -> list[str]:
    """Return the lines of an output without what differs from run to run.

    Times, what a client library says of the process and its Python, the number of polls so far, and
    the order in which the first polls ended.
    """
    output = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{9} UTC", "0000-00-00 TIME", output)
    output = re.sub(r"^(process_\w+(?:\{.*\})?) \S+$", r"\1 0", output, flags=re.MULTILINE)
    output = re.sub(r'(,minor=|patchlevel=|version=)"[^"]*"', r'\1"0"', output)
    # Their payloads are as long as the numbers in them.
    output = re.sub(r"(\| (?:shop|billing) .*\| +\d+ \|) +\d+( \| +\d+ \|)", r"\1 BYTES\2", output)
    lines = output.splitlines()
    if "external_poll" not in output:
        return lines
    return sorted(re.sub(r"\d+( \| ok)", r"1\1", line) for line in lines)


def messages(log: str) -> set[str]:
    """Return the lines of a log without their times."""
    return {line.partition(" ")[2] for line in log.splitlines()}


class Walk:
    """A newcomer's terminals: one for the proxy, one for servers, one for all the rest."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        # as long as the README's path
        padding = "x" * (len(SOCKET) - len(f"{directory}/.sock"))
        assert padding, "the temporary directory's path is too long"
        ports: set[str] = set()
        while len(ports) < len(PORTS):
            port = str(free_short_port())
            # What is put back has to be a port wherever it stands.
            if port not in KNOWN_TEXT:
                ports.add(port)
        self._replaced = dict(zip(PORTS, sorted(ports), strict=True))
        self._replaced[SOCKET] = f"{directory}/{padding}.sock"
        self._proxy: subprocess.Popen[bytes] | None = None
        self._terminal = Terminal()
        self._servers: list[subprocess.Popen[bytes]] = []
        self._copy_checkout()

    def _copy_checkout(self) -> None:
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.directory / name)
            else:
                shutil.copy(source, self.directory / name)
        (self.directory / ".venv").symlink_to(sys.prefix)
        for script in (self.directory / "python_test_clients").glob("*.py"):
            script.write_text(self.replace(script.read_text()))  # their default addresses
        config = self.directory / "config.toml"
        text = self.replace(config.read_text()).replace("0.0.0.0:", "127.0.0.1:")
        # Not set in the shipped file, so that it works for every user; here it must not meet the
        # socket of another proxy.
        key = f'receiver_unix_socket = "{self._replaced[SOCKET]}"\n'
        assert text.count(f"\n# {key}") == 1, "config.toml has the key commented out"
        config.write_text(text.replace(f"\n# {key}", f"\n{key}"))

    def replace(self, text: str) -> str:
        """Return the README's text with our ports and our socket."""
        for theirs, ours in self._replaced.items():
            text = re.sub(rf"(?<!\d){re.escape(theirs)}(?!\.html|\d)", ours, text)
        return text

    def put_back(self, text: str) -> str:
        """Return our output with the README's ports and its socket."""
        for theirs, ours in self._replaced.items():
            text = text.replace(ours, theirs)
        return text

    def follow(self, step: Step) -> None:
        """Do what a block says, and compare what it prints."""
        if step.commands == "make run\n":
            self._restart_proxy()
        elif "http.server" in step.commands:
            self._start_servers(step)
        elif step.output is None:
            self._run(step)
        elif re.match(r"(curl .*\n)+\Z", step.commands):
            # Looking changes nothing: a push or a poll may still be on its way.
            shown = comparable(step.output)
            seen: list[str] = []

            def look() -> bool:
                seen[:] = comparable(self._run(step))
                return seen == shown

            with suppress(AssertionError):
                until(look, "the output")
            assert shown == seen, f"line {step.line}"
        else:
            assert comparable(step.output) == comparable(self._run(step)), f"line {step.line}"

    def _run(self, step: Step) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.replace(step.commands)],
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.stderr == "", f"line {step.line}"
        # 1: grep found nothing (yet)
        assert done.returncode in ((0,) if step.output is None else (0, 1)), f"line {step.line}"
        return self.put_back(done.stdout)

    def _restart_proxy(self) -> None:
        self._end_proxy()
        self._proxy = subprocess.Popen(
            ["make", "run"],
            cwd=self.directory,
            env=environment() | {"NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=self._terminal.line,
            stderr=self._terminal.line,
            start_new_session=True,
        )
        port = int(self._replaced["6555"])

        def ready() -> bool:
            assert self._proxy is not None
            assert self._proxy.poll() is None, self.log()
            return http_get(port, "/-/ready").status == 200

        until(ready, "make run")

    def _end_proxy(self) -> None:
        if self._proxy is not None:
            end_group(self._proxy, signal.SIGINT)
            self._proxy = None

    def _start_servers(self, step: Step) -> None:
        self._servers.append(
            subprocess.Popen(
                ["bash", "-c", self.replace(step.commands)],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        )
        for name in PORTS[2:]:
            port = int(self._replaced[name])
            until(lambda port=port: http_get(port, "/").status == 200, "http.server")

    def log(self) -> str:
        """Return what the proxy has printed."""
        return self._terminal.shown()

    def end(self) -> None:
        """Press Ctrl-C everywhere."""
        self._end_proxy()
        for process in self._servers:
            end_group(process, signal.SIGTERM)
        self._terminal.hang_up()


def environment() -> dict[str, str]:
    """Return the environment of a login: of the make that runs the tests nothing is left in it."""
    # Make hands its variables on, and how it was called: ARGS meant for the tests, another VENV.
    of_make = {"ARGS", "CONFIG", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"}
    kept = {name: value for name, value in os.environ.items() if name not in of_make}
    # The environment that runs the tests is there already: nothing to install.
    return kept | {"VENV": ".venv", "MAKEFLAGS": " -- RUN_READY="}


def end_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a process that we started and to what it started, as a terminal does."""
    if process.poll() is None:
        os.killpg(process.pid, number)
        process.wait(20)


@pytest.fixture
def walk() -> Iterator[Walk]:
    """Begin in a copy of the checkout; end whatever was started."""
    with tempfile.TemporaryDirectory(prefix="r-") as directory:
        walk = Walk(Path(directory))
        try:
            yield walk
        finally:
            walk.end()
            print(walk.log())  # noqa: T201 - shown where a test failed


def test_steps_print_what_is_shown(walk, tool):
    """From the first make run to the last curl, each step works and prints what it should."""
    tool("nc"), tool("curl")
    steps = read_steps(README)
    assert len(steps) > 8
    assert sum(step.output is not None for step in steps) >= 5
    for step in steps:
        walk.follow(step)
    shown = "".join(re.findall(r"^```log\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))
    assert shown

    def not_logged() -> set[str]:
        return messages(shown) - messages(walk.put_back(walk.log()))

    with suppress(AssertionError):
        until(lambda: not not_logged(), "the log")
    assert not_logged() == set()
    assert "Traceback" not in walk.log()


def test_steps_use_every_shipped_payload():
    """Nothing lies in python_test_clients/ that the README doesn't lead to."""
    commands = "".join(step.commands for step in read_steps(README))
    config = (ROOT / "config.toml").read_text()
    for file in (ROOT / "python_test_clients").iterdir():
        if file.is_file() and file.name != "requirements.txt":
            assert file.name in commands or file.name in config, file.name


def test_two_commands_come_first():
    """The first block has the two commands that everything hangs on."""
    first = re.search(r"^```\w+\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert first
    assert [line.split("#")[0].strip() for line in first[1].splitlines()] == [
        "make run",
        "make test",
    ]


@pytest.mark.parametrize(
    "file", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
)
def test_links_lead_somewhere(file: Path):
    """Every relative link names a file of the checkout."""
    text = file.read_text()
    targets = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(
        r"^\[[^\]]+\]: (\S+)", text, re.MULTILINE
    )
    for target in targets:
        if "://" not in target:
            assert (file.parent / target).exists(), target


SCRAPE_CONFIGS = re.findall(r"^```yaml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", SCRAPE_CONFIGS, ids=range(len(SCRAPE_CONFIGS)))
def test_scrape_config_is_valid(block, tool, tmp_path):
    """Promtool takes the scrape_configs that the README shows."""
    (tmp_path / "prometheus.yml").write_text(block)
    done = subprocess.run(
        [tool("promtool"), "check", "config", str(tmp_path / "prometheus.yml")],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_shipped_config_polls_the_shipped_pages():
    """The endpoints that the README switches on are those of the files it serves."""
    section = tomllib.loads((ROOT / "config.toml").read_text())["poll_external"]

    assert section["poll_other_scrape_endpoints"] is False
    assert section["other_scrape_endpoints"] == [
        f"http://127.0.0.1:{port}/{port}.html" for port in PORTS[2:]
    ]
