"""What a configuration needs of the machine, and doesn't find there now."""

import grp
import pwd
from collections.abc import Callable
from pathlib import Path

from exporter_proxy.config.endpoints import EndpointConfig
from exporter_proxy.config.sections import Config
from exporter_proxy.errors import quote

_ENDPOINTS = "poll_external.other_scrape_endpoints"


def missing_accounts(config: Config) -> list[str]:
    """Return which accounts for the Unix socket there are not: one line each."""
    receiver = config.receiver
    if not receiver.receive_on_unix_socket:
        return []
    found: list[str] = []
    if receiver.unix_socket_user != "current_user" and not _is_known(
        pwd.getpwnam, receiver.unix_socket_user
    ):
        found.append(
            f"receiver.unix_socket_user: {quote(receiver.unix_socket_user)}: there is no such user"
        )
    if receiver.unix_socket_group != "current_group" and not _is_known(
        grp.getgrnam, receiver.unix_socket_group
    ):
        found.append(
            f"receiver.unix_socket_group: {quote(receiver.unix_socket_group)}: there is no such "
            "group"
        )
    return found


def _is_known(find: Callable[[str], object], name: str) -> bool:
    try:
        find(name)
    except (KeyError, ValueError):  # ValueError: the system's encoding doesn't have a character
        return False
    return True


def missing_files(config: Config) -> list[str]:
    """Return which files of endpoints are not there: one line each, without what is in any."""
    return [
        f"{_ENDPOINTS}: {quote(endpoint.name)}: {key}: {quote(path)}: there is no such file now; "
        "it is looked for at each poll"
        for endpoint in config.poll_external.other_scrape_endpoints
        for key, path in _files(endpoint).items()
        if path is not None and not _is_there(path)
    ]


def _files(endpoint: EndpointConfig) -> dict[str, str | None]:
    """Return {key: path} of the files that polls of ``endpoint`` read."""
    auth = endpoint.basic_auth
    return {
        "ca_file": None if endpoint.allow_invalid_certs else endpoint.ca_file,
        "bearer_token_file": endpoint.bearer_token_file,
        "basic_auth.password_file": None if auth is None else auth.password_file,
    }


def _is_there(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # in a directory that can't be searched, for example
        return False
