"""What makes inputs for a target, for as long as is asked: guided by coverage, or by chance.

Run as ``python -m tests.fuzz.engines TARGET SECONDS FOLDER`` in a process of its own. It ends with
code 0, and says how many runs there were; else with an input that breaks a promise in FOLDER.
"""

import importlib.util
import sys
import time
from hashlib import sha1
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fuzz.mutation import inputs
from tests.fuzz.targets import load

if TYPE_CHECKING:
    from tests.fuzz.targets import Target

LONGEST = 4096
"""Bytes of an input; a state file has more."""
HANGS_SECONDS = 25
"""One input that takes longer is called a hang."""


def has_atheris() -> bool:
    """Tell whether inputs can be guided by coverage here."""
    return importlib.util.find_spec("atheris") is not None


def guided(name: str, seconds: int, folder: Path) -> None:
    """Try inputs that reach code which those before did not; ends the process."""
    import atheris  # noqa: PLC0415 - not on every platform

    with atheris.instrument_imports(include=["exporter_proxy"]):
        target = load(name)
    found = folder / name
    found.mkdir(parents=True, exist_ok=True)
    longest = LONGEST
    for seed in target.seeds:
        (found / sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
        longest = max(longest, len(seed))
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={longest}",
        f"-timeout={HANGS_SECONDS}",
        f"-artifact_prefix={folder / name}-",
        f"-dict={_dictionary(target, folder)}",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    with target.open() as check:
        atheris.Setup([sys.argv[0], str(found), *options], check)
        atheris.Fuzz()


def by_chance(name: str, seconds: float, folder: Path) -> None:
    """Try inputs that are made of others; where there is no coverage to be guided by."""
    target = load(name)
    end = time.monotonic() + seconds
    runs = 0
    with target.open() as check:
        for data in inputs(target.seeds, target.tokens, seed=time.time_ns()):
            if time.monotonic() > end:
                break
            try:
                check(data)
            except BaseException:
                digest = sha1(data, usedforsecurity=False).hexdigest()
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{name}-crash-{digest}").write_bytes(data)
                raise
            runs += 1
    print(f"runs: {runs}")  # noqa: T201 - read by who started it


def _dictionary(target: "Target", folder: Path) -> Path:
    """Write what means something to a target as libFuzzer reads it."""
    path = folder / f"{target.name}.dict"
    lines = (
        '"' + "".join(f"\\x{byte:02x}" for byte in token) + '"'
        for token in target.tokens
        # Longer ones are not taken.
        if len(token) <= 60
    )
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return path


if __name__ == "__main__":
    _name, _seconds, _folder = sys.argv[1:]
    (guided if has_atheris() else by_chance)(_name, int(_seconds), Path(_folder))
