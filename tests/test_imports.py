"""Imports point one way; what is pure stays pure."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proxy_process import ROOT

PACKAGE = ROOT / "exporter_proxy"
OURS = "exporter_proxy"

PURE = ["exposition", "log_metrics", "payload"]
IMPURE_MODULES = {"asyncio", "aiohttp", "uvloop", "socket", "ssl", "select", "logging", "time"}
# What a room may import of ours, besides itself.
ALLOWED = {
    "access": {"changes", "config", "errors", "repeats"},
    "errors": set(),
    "exposition": {"errors", "garbage", "steps"},
    "front": {"access", "errors", "payload", "repeats", "turns"},
    "log_metrics": {"errors", "exposition"},
    "payload": {"errors", "steps"},
    "background": set(),
    "clocks": set(),
    "descriptors": set(),
    "table": {"clocks", "errors", "garbage"},
    "process": {"config", "errors", "repeats"},
    "state": {"clocks", "errors", "table"},
    "budgets": {"clocks", "errors", "exposition", "table"},
    "modules": {"errors", "table"},
    "repeats": set(),
    "steps": set(),
    "garbage": set(),
    "turns": set(),
    "changes": set(),
    "catalog": {"errors", "exposition", "repeats", "table"},
    "sources": {
        "access",
        "budgets",
        "changes",
        "clocks",
        "config",
        "descriptors",
        "errors",
        "exposition",
        "log_metrics",
        "modules",
        "payload",
        "process",
        "repeats",
        "steps",
        "table",
        "turns",
    },
    "sinks": {"config", "errors", "exposition", "payload", "table"},
}
ROOMS_AT_THE_RIM = {"sources", "views", "sinks"}


def modules(room: str) -> list[Path]:
    file = PACKAGE / f"{room}.py"
    return [file] if file.is_file() else sorted((PACKAGE / room).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Yield what a module imports, also within functions, relative imports made absolute."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            front = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*front, *([node.module] if node.module else [])])
            yield base
            # "from exporter_proxy import table" names the module last
            yield from (f"{base}.{alias.name}" for alias in node.names)


def rooms_of(path: Path) -> set[str]:
    """Return the rooms that a module imports."""
    rooms = set()
    for name in imported(path):
        parts = name.split(".")
        is_room = len(parts) > 1 and parts[0] == OURS
        if is_room and ((PACKAGE / parts[1]).is_dir() or (PACKAGE / f"{parts[1]}.py").is_file()):
            rooms.add(parts[1])
    return rooms


def named(room: str) -> list[str]:
    found = [str(path.relative_to(PACKAGE)) for path in modules(room)]
    assert found, f"no such room: {room}"
    return found


@pytest.mark.parametrize("module", [name for room in PURE for name in named(room)])
def test_pure_rooms_do_no_io(module: str):
    """No loop, no socket, no log, no clock."""
    assert not {name.partition(".")[0] for name in imported(PACKAGE / module)} & IMPURE_MODULES


@pytest.mark.parametrize(
    ("room", "module"), [(room, name) for room in ALLOWED for name in named(room)]
)
def test_rooms_import_only_what_is_beneath_them(room: str, module: str):
    assert rooms_of(PACKAGE / module) <= ALLOWED[room] | {room}


@pytest.mark.parametrize(
    ("room", "module"), [(room, name) for room in sorted(ROOMS_AT_THE_RIM) for name in named(room)]
)
def test_the_table_is_the_only_meeting_point(room: str, module: str):
    """Sources, views and sinks never import each other, nor the one who wires them."""
    assert not rooms_of(PACKAGE / module) & (ROOMS_AT_THE_RIM - {room} | {"proxy", "cli"})


def test_only_the_wiring_imports_all():
    """Nobody imports proxy.py but what runs it."""
    importers = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if "proxy" in rooms_of(path)
    }
    assert importers == {"running.py"}


def test_the_check_sees_imports(tmp_path: Path):
    """All forms of an import are found, wherever they stand."""
    folder = PACKAGE / "payload"
    source = (
        "import asyncio.events as x\n"
        "from exporter_proxy import table\n"
        "def f():\n    from .names import check_name\n    from .. import errors\n"
    )

    class Fake(type(folder)):
        def read_text(self, **_: object) -> str:
            return source

    fake = Fake(folder / "fake.py")
    assert "asyncio.events" in set(imported(fake))
    assert rooms_of(fake) == {"table", "payload", "errors"}
