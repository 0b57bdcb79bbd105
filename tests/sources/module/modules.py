"""What the tests of modules share."""

import os
import time
from pathlib import Path
from typing import Any

from exporter_proxy.config import ModuleConfig, read


def module(**keys: Any) -> ModuleConfig:
    """Return a module as a configuration file would give it, named ``m`` unless told otherwise."""
    (config,) = read({"module": [{"name": "m"} | keys]}).modules
    return config


def script(text: str, **keys: Any) -> ModuleConfig:
    """Return a module that is a shell's script."""
    return module(kind="exec", command=["sh", "-c", text], **keys)


def held(directory: Path) -> str:
    """Return a shell's command that ends when :func:`release` is called for the directory."""
    return f"until [ -e {directory}/released ]; do sleep 0.01; done"


def release(directory: Path) -> None:
    """Let those go on that wait for it."""
    (directory / "released").touch()


def write(path: Path, text: str, *, age: float = 0.0) -> None:
    """Write a file as its writer should: another name, then a rename."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    then = time.time() - age
    os.utime(new, (then, then))
    new.rename(path)


def is_running(pid: int) -> bool:
    """Tell whether a process is there, and no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}
