"""What ``make run`` says where the machine lacks what it needs."""

import os
import subprocess
import sys
from pathlib import Path

from tests.proxy_process import ROOT


def make_venv(python: Path, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "scripts" / "make-venv"), "run", str(directory)],
        env=os.environ | {"PYTHON": str(python)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def script(file: Path, text: str) -> Path:
    file.write_text(text)
    file.chmod(0o755)
    return file


def test_old_python_is_named(tmp_path):
    """A Python that is too old ends it with its version and the way out."""
    text = '#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2"\nexit 1\n'
    python = script(tmp_path / "python3", text)
    done = make_venv(python, tmp_path / "venv")

    assert done.returncode == 1
    assert done.stderr == (
        "exporter-proxy needs Python 3.11 or later; found:\n"
        f"  {python}: Python 3.9.2\n"
        "Install one, or name it: make PYTHON=/path/to/python3.12 run\n"
    )
    assert not (tmp_path / "venv").exists()


def test_missing_venv_module_is_named(tmp_path):
    """A Python without venv ends it with the name of Debian's package."""
    python = script(
        tmp_path / "python3",
        f'#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\nexec {sys.executable} "$@"\n',
    )
    done = make_venv(python, tmp_path / "venv")

    assert done.returncode == 1
    assert done.stderr == (
        f"{python} can't make a virtual environment: its venv module is missing.\n"
        "On Debian and Ubuntu: apt-get install python3-venv\n"
    )
