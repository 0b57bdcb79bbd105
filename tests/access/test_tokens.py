"""Bearer tokens, given and from files."""

from pathlib import Path

import pytest

from exporter_proxy.access.tokens import Tokens
from exporter_proxy.access.watched import ReloadStats
from exporter_proxy.config import Secret
from tests.views.conftest import Clock


def test_given_tokens() -> None:
    """A token may be that of several entries."""
    one, other = Secret("tok-one"), Secret("tok-other")
    tokens = Tokens({0: one, 1: other, 4: one}, {}, ReloadStats())

    assert tokens.find("tok-one") == {0, 4}
    assert tokens.find("tok-other") == {1}
    for wrong in ("", "t", "tok-one1", "TOK-ONE", "tok-one ", "\udcff"):
        assert tokens.find(wrong) == frozenset()
    assert "tok-o" not in repr(vars(tokens))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "no such file or directory"),
        (b"", "empty"),
        (b" \n", "empty"),
        (b"two words", "more than one line, or blanks"),
        (b"two\nlines\n", "more than one line, or blanks"),
        (b"caf\xc3\xa9", "not ASCII"),
    ],
)
def test_files_that_are_no_good(tmp_path: Path, content: bytes | None, why: str) -> None:
    """The entry and the file are named; nothing of what is in it."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match="bearer_token_file") as caught:
        Tokens({}, {3: str(file)}, ReloadStats())

    assert caught.value.args == (f'access[3].bearer_token_file: "{file}": {why}',)


def test_a_file_that_changes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is read again; what can't be read leaves the token that was there, and is logged once."""
    file, clock, reloads = tmp_path / "token", Clock(0.0), ReloadStats()
    file.write_text("first\n")
    tokens = Tokens({0: Secret("given")}, {1: str(file)}, reloads, clock)
    assert tokens.find("first") == {1}

    file.write_text("second")
    clock.now += 1.0
    assert tokens.find("first") == frozenset()
    assert tokens.find("second") == {1}
    assert tokens.find("given") == {0}

    file.unlink()
    for _ in range(3):
        clock.now += 1.0
        assert tokens.find("second") == {1}
    [line] = caplog.messages
    assert line == (
        f'access[1].bearer_token_file: "{file}": no such file or directory: the token read before '
        "stays"
    )
    assert reloads.successful == {"bearer_token_files": False}
    assert reloads.failures == {"bearer_token_files": 1}

    file.write_text("third")
    clock.now += 1.0
    assert tokens.find("third") == {1}
    assert reloads.successful == {"bearer_token_files": True}
