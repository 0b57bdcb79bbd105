"""What no server of the tests brings about; the rest is in test_poll_client.py."""

import errno
import ssl

import aiohttp
import pytest
from aiohttp.http_exceptions import BadStatusLine, HttpProcessingError

from exporter_proxy.sources.poll.errors import HTTP_ERRORS, poll_error


def refused(host: str, error: OSError) -> aiohttp.ClientConnectorError:
    key = aiohttp.client_reqrep.ConnectionKey(host, 9100, False, True, None, None, None)
    return aiohttp.ClientConnectorError(key, error)


@pytest.mark.parametrize(
    ("raised", "reason", "message"),
    [
        pytest.param(
            OSError(errno.EMFILE, "Too many open files"),
            "connect",
            "the connection failed: Too many open files",
            id="descriptors",
        ),
        pytest.param(
            OSError("odd\nerror"), "connect", r"the connection failed: odd\nerror", id="no-number"
        ),
        pytest.param(
            refused("h" * 200, OSError(errno.EHOSTUNREACH, "")),
            "connect",
            f'can\'t connect to "{"h" * 120}…", port 9100: No route to host',
            id="long-name",
        ),
        pytest.param(
            ssl.SSLError(1, "record layer failure"),
            "tls",
            'TLS failed: "record layer failure"',
            id="tls",
        ),
        pytest.param(
            BadStatusLine("x"),
            "malformed_http",
            "not valid HTTP: \"Bad status line 'x'\"",
            id="http",
        ),
        pytest.param(
            HttpProcessingError(message="Bad line:\n\n  b'error: not here; see x\\n'\n    ^"),
            "malformed_http",
            "not HTTP: not here; see x",
            id="refusal",
        ),
        pytest.param(
            HttpProcessingError(message="b'error: \\x1b[2J\\n'"),
            "malformed_http",
            "not valid HTTP: \"b'error: \\x1b[2J\\n'\"",
            id="refusal-with-escapes",
        ),
        pytest.param(aiohttp.ClientError("odd"), "other", 'ClientError: "odd"', id="anything-else"),
    ],
)
def test_names_the_error(raised: Exception, reason: str, message: str):
    error = poll_error(raised)

    assert isinstance(raised, HTTP_ERRORS)
    assert (error.reason, str(error)) == (reason, message)
