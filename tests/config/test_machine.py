"""What a configuration needs of the machine."""

import grp
import os
import pwd
from pathlib import Path

import pytest

from exporter_proxy import config
from exporter_proxy.config import machine
from exporter_proxy.errors import quote


def receiver(**keys: object) -> config.Config:
    """Return a configuration with these keys of ``[receiver]``."""
    return config.read({"receiver": keys})


def test_accounts_that_are_there():
    """Those of this process, by name or by default."""
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name

    assert config.missing_accounts(config.Config()) == []
    assert config.missing_accounts(receiver(unix_socket_user=user, unix_socket_group=group)) == []


@pytest.mark.parametrize(("name", "shown"), [("nobody-at-all", "nobody-at-all"), ("é€", "é€")])
def test_accounts_that_are_missing(name, shown):
    """Both are reported."""
    keys = {"unix_socket_user": name, "unix_socket_group": name}

    assert config.missing_accounts(receiver(**keys)) == [
        f'receiver.unix_socket_user: "{shown}": there is no such user',
        f'receiver.unix_socket_group: "{shown}": there is no such group',
    ]
    assert config.missing_accounts(receiver(**keys, receive_on_unix_socket=False)) == []


def test_name_that_the_system_can_not_write(monkeypatch):
    """Its encoding may lack a character; no account is called that."""

    def getpwnam(name: str) -> object:
        return name.encode("ascii")

    monkeypatch.setattr(machine.pwd, "getpwnam", getpwnam)

    assert config.missing_accounts(receiver(unix_socket_user="é")) == [
        'receiver.unix_socket_user: "é": there is no such user'
    ]


def endpoint(**keys: object) -> config.Config:
    """Return a configuration with one endpoint."""
    keys = {"url": "https://h/", "name": "x", **keys}
    return config.read({"poll_external": {"other_scrape_endpoints": [keys]}})


@pytest.mark.parametrize(
    ("key", "keys"),
    [
        ("ca_file", {"ca_file": "FILE", "allow_invalid_certs": False}),
        ("bearer_token_file", {"bearer_token_file": "FILE"}),
        ("basic_auth.password_file", {"basic_auth": {"username": "u", "password_file": "FILE"}}),
    ],
)
def test_files_that_are_missing(key, keys, tmp_path: Path):
    """They may come later: a warning, which goes when they are there."""
    path = tmp_path / "secret"

    def fill(value: object) -> object:
        if isinstance(value, dict):
            return {name: fill(item) for name, item in value.items()}
        return str(path) if value == "FILE" else value

    read = endpoint(**{name: fill(value) for name, value in keys.items()})

    assert config.warnings(read) == [
        (
            f'poll_external.other_scrape_endpoints: "x": {key}: {quote(str(path))}: there is no '
            "such file now; it is looked for at each poll"
        )
    ]
    path.touch()
    assert config.warnings(read) == []


def test_file_that_is_not_read_is_not_looked_for():
    """Without verification nobody needs the authorities; that is said."""
    (warning,) = config.warnings(endpoint(ca_file="/nowhere/ca.pem"))

    assert "has no effect" in warning


def test_file_in_a_closed_directory(monkeypatch):
    """What can't be seen is as good as missing."""

    def exists(_path: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(machine.Path, "exists", exists)

    (warning,) = config.warnings(endpoint(bearer_token_file="t"))

    assert 'bearer_token_file: "t": there is no such file now' in warning
