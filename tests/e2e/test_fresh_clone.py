"""``make run`` in a checkout where nothing has been set up, as a user who is not root."""

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port
from tests.proxy_process import ROOT, http_get, until

# An environment is made and its packages are fetched.
SET_UP_SECONDS = 300


@pytest.fixture
def user() -> dict[str, Any]:
    """How to start a process as somebody who is not root: root's stand-in, or we ourselves."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@pytest.fixture
def clone(tool, user) -> Iterator[Path]:
    """Copy what git has of the checkout, for that user alone."""
    with tempfile.TemporaryDirectory(prefix="clone-") as directory:
        listed = subprocess.run(
            [tool("git"), "-c", f"safe.directory={ROOT}", "ls-files", "-z"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
            timeout=20,
        ).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).exists():
                (Path(directory) / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, Path(directory) / name)
        if user:
            for path in (Path(directory), *Path(directory).rglob("*")):
                os.chown(path, user["user"], user["group"])
        yield Path(directory)


def environment(directory: Path, user: dict[str, Any]) -> dict[str, str]:
    """Return the environment of a login of that user: their own home, no Python of root's."""
    kept = {
        name: value
        for name, value in os.environ.items()
        # how this machine reaches its package index
        if name.startswith("PIP_") or name.lower().endswith("_proxy") or name == "SSL_CERT_FILE"
    }
    path = "/usr/local/bin:/usr/bin:/bin"
    if not user:
        path = f"{Path(sys.base_prefix) / 'bin'}:{path}"
    return kept | {"PATH": path, "HOME": str(directory), "TMPDIR": str(directory)}


def test_make_run_sets_up_and_starts(clone, user):
    """The first run sets up and serves; the second starts without setting up again."""
    http_port, tcp_port = free_port(), free_port()
    config = clone / "config.toml"
    text = config.read_text()
    text = text.replace("0.0.0.0:6555", f"127.0.0.1:{http_port}")
    text = text.replace("127.0.0.1:6554", f"127.0.0.1:{tcp_port}")
    config.write_text(text)

    for number, seconds in ((1, SET_UP_SECONDS), (2, 20)):
        log_file = clone / f"log{number}"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                ["make", "run"],
                cwd=clone,
                env=environment(clone, user),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **user,
            )

        def ready(process=process, log_file=log_file) -> bool:
            assert process.poll() is None, log_file.read_text()
            return http_get(http_port, "/-/ready").status == 200

        try:
            until(ready, "make run", seconds)
            output = log_file.read_text()
            assert ("installing" in output) == (number == 1), output
            # whoever can't write /var/run gets a socket elsewhere, and is told where
            assert re.search(r"/exporter-proxy-receiver(-\d+)?\.sock", output), output
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
                process.wait(20)
        assert "stopped" in log_file.read_text()
