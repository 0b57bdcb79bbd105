"""What operators are told they can rely on is held by tests that are there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.proxy_process import ROOT

DOCUMENTS = sorted((ROOT / "docs").glob("*.md"))
OPERATIONS = ROOT / "docs" / "operations.md"
_NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def guarantees() -> list[tuple[str, str]]:
    """Return the rows of the table: what is guaranteed, and what holds it."""
    text = OPERATIONS.read_text(encoding="utf-8")
    section = text.partition("\n## Guarantees\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [(promise.strip(), holders) for promise, holders in rows[2:]]


@cache
def names_in(file: Path) -> set[str]:
    """Return the names of a file's tests."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def test_there_are_guarantees():
    assert len(guarantees()) > 10


@pytest.mark.parametrize(
    ("promise", "holders"), guarantees(), ids=lambda text: re.sub(r"[*`]", "", text)[:30]
)
def test_every_guarantee_is_held_by_tests(promise: str, holders: str):
    """Each of them by its name."""
    named = _NAMED.findall(holders)
    assert named, promise
    assert re.sub(_NAMED, "", holders).strip(" ,") == "", "only tests hold a guarantee"
    for file, test in named:
        assert test, f"{file}: which test?"
        assert test in names_in(ROOT / file), f"{file} has no {test}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_every_test_that_is_named_is_there(document: Path):
    """In all of the documentation."""
    for file, test in _NAMED.findall(document.read_text(encoding="utf-8")):
        assert (ROOT / file).is_file(), file
        assert not test or test in names_in(ROOT / file), f"{file} has no {test}"
