"""The configuration file: any bytes are a configuration, or an error a person can read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from exporter_proxy import config
from exporter_proxy.app_rules import rules_for
from exporter_proxy.app_terms import terms_for
from exporter_proxy.config.toml import parse
from exporter_proxy.errors import ConfigError
from tests.fuzz.targets import Check

TOKENS = [
    b"[exporter]\n",
    b"[receiver]\n",
    b"[poll_external]\n",
    b"[[app]]\n",
    b'match = "a*"\n',
    b"= true\n",
    b"= 5\n",
    b'= "5m"\n',
    b'= "64MiB"\n',
    b'= "never"\n',
    b"= []\n",
    b"= {}\n",
    b"= -1\n",
    b"= 1e400\n",
    b"= nan\n",
    b"= 2022-05-22\n",
    b"other_scrape_endpoints = [",
    b'{ url = "http://h:1/" },\n',
    b'"http://u:p@[::1]:80/x?y#z"',
    b"]\n",
    b"labels = { a = '1' }\n",
    b'keep = ["a.*"]\n',
    b'"""',
    b"'''",
    b"\\uD800",
    b"\\U0001F600",
    b"[" * 30,
    b"# c\n",
    b"\r\n",
    b"\xff",
    b'scrape_expose_endpoint = "',
    b'receiver_tcp_socket = "',
    b'expire_after = "',
    b'app_label = "',
    b'max_samples = "',
    b'unix_socket_mode = "',
    b'state_file = "',
]


class _Content:
    """A file that holds what it is told to."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read_bytes(self) -> bytes:
        return self._data


@contextmanager
def target() -> Iterator[Check]:
    """Load what comes."""
    yield _check


def _check(data: bytes) -> None:
    try:
        # The only thing that is done with a path is to read it.
        loaded = config.read(parse(cast("config.loading.Path", _Content(data))))
    except ConfigError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.isprintable(), repr(problem)
            assert len(problem) < 1000
        return
    # What was taken can be used.
    for line in config.warnings(loaded):
        assert line.isprintable(), repr(line)
    rules, terms = rules_for(loaded), terms_for(loaded)
    for app in ("a", "billing/1", "\u00e9"):
        rules(app)
        if terms is not None:
            terms(app)
