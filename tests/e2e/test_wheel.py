"""The built wheel, installed where nothing else is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.clients import SCHEMA
from tests.proxy_process import ROOT, ProxyProcess


def run(*command: str, cwd: Path | None = None) -> str:
    """Run a command to its end and return what it printed; show all of it where it fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Build the wheel of this checkout."""
    directory = tmp_path_factory.mktemp("wheel")
    options = ["--wheel", "--no-isolation", "--outdir", str(directory)]
    run(sys.executable, "-m", "build", *options, str(ROOT))
    (built,) = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """Install the wheel, and what it asks for, into an environment of its own."""
    directory = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", str(directory / "venv"))
    # What is installed is what the wheel's own metadata asks for; only the versions are given, so
    # that a release of somebody else's doesn't decide whether this test passes.
    locked = (ROOT / "requirements" / "run.txt").read_text()
    versions = directory / "versions.txt"
    versions.write_text(
        "\n".join(re.findall(r"^(\w\S*==\S+(?: ; [^\\]*)?) \\$", locked, re.MULTILINE)) + "\n"
    )
    pip = [str(directory / "venv" / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    run(*pip, "install", "--quiet", "--constraint", str(versions), str(wheel))
    run(*pip, "check")
    return directory / "venv"


def start(proxy_directory: Path, *command: str) -> ProxyProcess:
    """Start an installed proxy from a directory that is not the checkout."""
    process = ProxyProcess(proxy_directory, {"exporter": {"self_metrics": False}}, command)
    process.start(cwd=proxy_directory)
    return process


@pytest.mark.parametrize("command", ["script", "module"])
def test_installed_wheel_takes_capnp(environment, tool, tmp_path_factory, command):
    """An installed proxy, started elsewhere, has the schema it needs to read Cap'n Proto."""
    directory = tmp_path_factory.mktemp("x")
    programs = environment / "bin"
    running = start(
        directory,
        *(
            [str(programs / "exporter-proxy")]
            if command == "script"
            else [str(programs / "python"), "-m", "exporter_proxy"]
        ),
    )
    try:
        running.wait_ready()
        message = subprocess.run(
            [tool("capnp"), "encode", str(SCHEMA), "InboundMetrics"],
            input=b'(appName = "installed", data = "installed_value 1\\n")',
            capture_output=True,
            check=True,
            timeout=20,
        ).stdout

        assert running.push_tcp(message) == ""
        assert running.app_metrics() == "# TYPE installed_value untyped\ninstalled_value 1\n"
    finally:
        running.stop()


def test_wheel_is_what_is_imported(environment, tmp_path):
    """The test above tries the installed files, not those of the checkout."""
    code = "import exporter_proxy; print(exporter_proxy.__file__)"
    printed = run(str(environment / "bin" / "python"), "-c", code, cwd=tmp_path)

    assert Path(printed.strip()).is_relative_to(environment)


def test_version_of_the_wheel(environment, wheel, tmp_path):
    """The installed program tells the version that the wheel's name carries."""
    printed = run(str(environment / "bin" / "exporter-proxy"), "--version", cwd=tmp_path)

    assert wheel.name.split("-")[1] in printed
