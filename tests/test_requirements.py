"""The locked packages: complete, and nobody's machine in them."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.proxy_process import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked(file: Path) -> dict[str, Requirement]:
    """Return the locked packages of a file by name."""
    lines = file.read_text().replace("\\\n", "").splitlines()
    found = [Requirement(line.split(" --hash")[0]) for line in lines if re.match(r"\w", line)]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def wanted(*groups: str) -> list[Requirement]:
    """Return what pyproject.toml asks for: of the package, its extras and development groups."""
    lines = list(PROJECT["project"]["dependencies"]) if "" in groups else []
    for group in groups:
        lines += PROJECT["dependency-groups"].get(group, [])
        lines += PROJECT["project"]["optional-dependencies"].get(group, [])
    return [Requirement(line) for line in lines if isinstance(line, str)]


@pytest.mark.parametrize(
    ("file", "groups"),
    [
        pytest.param("run.txt", [""], id="run"),
        pytest.param("web.txt", ["", "web"], id="web"),
        pytest.param("build.txt", ["build"], id="build"),
        pytest.param("dev.txt", ["", "build", "dev"], id="dev"),
    ],
)
def test_lock_has_what_pyproject_asks_for(file, groups):
    """Each requirement is locked, at a version it allows (else: make lock)."""
    found = locked(ROOT / "requirements" / file)
    for requirement in wanted(*groups):
        lock = found[canonicalize_name(requirement.name)]
        (pin,) = lock.specifier
        assert pin.operator == "=="
        assert requirement.specifier.contains(pin.version), f"{lock} is locked, not {requirement}"


@pytest.mark.parametrize("file", LOCKS, ids=lambda path: path.stem)
def test_lock_has_hashes_and_no_place(file):
    """Every package has hashes; no index, directory or local file is named."""
    text = file.read_text()
    for requirement in re.split(r"\n(?=\w)", text)[1:]:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", requirement), requirement

    assert not re.search(r"index-url|find-links|file:|://|@ ", text)


def test_locks_agree():
    """A package has the same version in every file."""
    everything = locked(ROOT / "requirements" / "dev.txt")
    for file in LOCKS:
        for name, requirement in locked(file).items():
            assert str(requirement.specifier) == str(everything[name].specifier), name
