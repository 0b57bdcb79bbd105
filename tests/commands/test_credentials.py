"""Options for credentials: those without effect are refused by all commands."""

from pathlib import Path

import pytest

from exporter_proxy import cli

TO_NOWHERE = "says nothing to 127.0.0.1:1"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ("push --to 127.0.0.1:1 --user u", f"--user {TO_NOWHERE}: it is for HTTP"),
        ("push --to ./s --token-file F", "--token-file says nothing to ./s: it is for HTTP"),
        ("push --to 127.0.0.1:1 --ca-file F", f"--ca-file {TO_NOWHERE}: it is for TLS"),
        ("push --to http://h --insecure", "--insecure says nothing to http://h: it is for TLS"),
        ("push --to http://h --wire json", "--wire says nothing to http://h: it is for sockets"),
        (
            "push --to http://h --password-file F",
            "--password-file says nothing without --user",
        ),
        ("push --to https://h --key-file F", "--key-file says nothing without --cert-file"),
        ("push --to https://h --cert-file F", "F: no certificate in PEM form with its key"),
        ("push --to https://h --cert-file f", "f: can't be read: No such file or directory"),
        (
            "push --to http://h --user u --token-file F",
            "--token-file and --user don't go together",
        ),
        (
            "push --to https://h --ca-file F --insecure",
            "--ca-file and --insecure don't go together",
        ),
        ("replay --to 127.0.0.1:1 --user u .", f"--user {TO_NOWHERE}: it is for HTTP"),
        (
            "replay --to http://h --wire capnp .",
            "--wire says nothing to http://h: it is for sockets",
        ),
        ("apps ./s --ca-file F", "--ca-file says nothing to ./s: it is for TLS"),
        (
            "health 127.0.0.1:1 --ca-file F",
            "--ca-file says nothing to http://127.0.0.1:1: it is for TLS",
        ),
        ("lint F --user u", "--user says nothing without --against"),
        ("lint F --insecure", "--insecure says nothing without --against"),
        ("lint F --against ./s --insecure", "--insecure says nothing to ./s: it is for TLS"),
    ],
)
def test_options_without_effect(
    argv: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line says which, before anything is read or anybody is asked."""
    monkeypatch.chdir(tmp_path)
    Path("F").write_text("a 1\n")
    command, *rest = argv.split()
    own = {"push": ["--app", "a", "F"], "replay": ["--duration", "1s"]}.get(command, [])

    assert cli.main([command, *own, *rest]) == 2

    assert capsys.readouterr() == ("", f"exporter-proxy {command}: {said}\n")
