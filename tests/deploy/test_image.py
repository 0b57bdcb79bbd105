"""The Dockerfile: what a linter says, and its own steps, run without a container.

Where no daemon can be had, an image can't be built; what its instructions say can be done all the
same, in a directory that stands for the image's file system.
"""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.deploy.files import DEPLOY
from tests.ports import free_port
from tests.proxy_process import ROOT, http_get, until

DOCKERFILE = DEPLOY / "docker" / "Dockerfile"


class Instruction(NamedTuple):
    """One of a Dockerfile: ``RUN``, and the rest of its line."""

    name: str
    rest: str


def instructions() -> list[Instruction]:
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [Instruction(*line.split(" ", 1)) for line in lines if line.strip()]


INSTRUCTIONS = instructions()
# The image itself begins at the last FROM; what is before makes what it copies.
LAST_STAGE = max(i for i, each in enumerate(INSTRUCTIONS) if each.name == "FROM")
IMAGE = INSTRUCTIONS[LAST_STAGE:]


def only(name: str) -> str:
    (found,) = [each.rest for each in IMAGE if each.name == name]
    return found


def command(name: str) -> list[str]:
    words: list[str] = json.loads(only(name).partition("CMD ")[2] or only(name))
    return words


def test_linter_finds_nothing():
    linter = Path(sys.executable).parent / "hadolint"
    done = subprocess.run(
        [linter, DOCKERFILE], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_does_not_run_as_root():
    """By number, which Kubernetes can check."""
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", only("USER"))


def test_context_has_what_is_copied():
    """And nothing that is not."""
    text = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line[1:] for line in text if line.startswith("!")}
    copied = {
        source.rstrip("/")
        for each in INSTRUCTIONS
        if each.name == "COPY" and "--from=" not in each.rest
        for source in shlex.split(each.rest)[:-1]
    }

    assert "*" in text
    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)


class Image:
    """A directory in which the Dockerfile's instructions were carried out.

    Attributes:
        root: The directory; it stands for ``/``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._replaced = {
            path: f"{root}{path}" for path in ("/opt", "/src", "/wheels", "/run/", "/var/", "/etc/")
        }
        # The system's, because the image's user can't read root's.
        python = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin") or sys.executable
        self._replaced |= {"python -m venv": f"{python} -m venv"}
        self._replaced |= {"pip --python": f"{sys.executable} -m pip --python"}
        # Whoever runs the tests need not be root.
        if os.geteuid():
            self._replaced |= {"--owner=65532 --group=65532 ": ""}

    def here(self, text: str) -> str:
        """Return ``text`` with the paths of the image made those of the directory."""
        pattern = "|".join(rf"(?<![\w/.]){re.escape(each)}" for each in self._replaced)
        return re.sub(pattern, lambda found: self._replaced[found[0]], text)

    def build(self) -> None:
        """Carry out what makes files."""
        work = self.root / "src"
        work.mkdir()
        for name, rest in INSTRUCTIONS:
            if name == "RUN":
                subprocess.run(["sh", "-euc", self.here(rest)], cwd=work, check=True, timeout=300)
            elif name == "COPY" and "--from=" not in rest:
                *sources, target = shlex.split(rest)
                for source in sources:
                    self._copy(ROOT / source, work / self.here(target), whole=target[-1] != "/")

    @staticmethod
    def _copy(source: Path, target: Path, *, whole: bool) -> None:
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target = target if whole else target / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)

    def words(self, words: list[str]) -> list[str]:
        """Return a command of the image as it is called here."""
        found = [self.here(word) for word in words]
        return [f"{self.root}/opt/exporter-proxy/bin/{found[0]}", *found[1:]]


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    # Not pytest's directory: only its owner may enter it.
    with tempfile.TemporaryDirectory(prefix="image-") as directory:
        Path(directory).chmod(0o755)
        image = Image(Path(directory))
        image.build()
        yield image


def test_steps_make_a_proxy_that_runs(image: Image):
    """As the image's user, with its configuration; the health check knows whether it is there."""
    ports = {"6554": str(free_port()), "6555": str(free_port())}
    config = image.root / "etc/exporter-proxy/config.toml"
    text = image.here(config.read_text(encoding="utf-8"))
    for theirs, ours in ports.items():
        text = re.sub(rf'"0\.0\.0\.0:{theirs}"', f'"127.0.0.1:{ours}"', text)
    config.write_text(text, encoding="utf-8")
    user, group = (None, None) if os.geteuid() else map(int, only("USER").split(":"))

    def start(words: list[str]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            image.words(words),
            cwd=image.here(only("WORKDIR") + "/"),
            env={"PATH": os.environ["PATH"]},
            user=user,
            group=group,
            extra_groups=None if user is None else [],
        )

    check = command("HEALTHCHECK")
    assert start(check).wait(20) == 1
    running = start([*json.loads(only("ENTRYPOINT")), *command("CMD")])
    try:
        port = int(ports["6555"])
        until(lambda: http_get(port, "/-/ready").status == 200, "the proxy of the image")
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"{image.root}/run/exporter-proxy/receiver.sock")
            connection.sendall(b'{"a": "from_the_image 1"}')
        until(lambda: b"from_the_image 1\n" in http_get(port, "/metrics").body, "what was pushed")
        assert start(check).wait(20) == 0
    finally:
        running.terminate()
        assert running.wait(20) == 0


def test_image_has_neither_pip_nor_the_build_tools(image: Image):
    programs = {path.name for path in (image.root / "opt/exporter-proxy/bin").iterdir()}

    assert "exporter-proxy" in programs
    assert not {name for name in programs if name.startswith(("pip", "hatch"))}
