from pathlib import Path

import pytest
from yarl import URL

from exporter_proxy import __version__
from exporter_proxy.config import BasicAuth, Secret
from exporter_proxy.errors import PollError
from exporter_proxy.sources.poll.request import ScrapeRequest, redirected, seconds
from tests.sources.polling import endpoint

URL_OF_TARGET = "http://127.0.0.1:1025/metrics"


def test_sends_the_usual_scrape_headers():
    """Text 0.0.4 is asked for, and OpenMetrics is not named: libraries send it where it is."""
    request = ScrapeRequest(endpoint(URL_OF_TARGET, client_timeout=2.0))

    assert dict(request.headers()) == {
        "User-Agent": f"exporter-proxy/{__version__}",
        "Accept": "text/plain;version=0.0.4,*/*;q=0.1",
        "Accept-Encoding": "gzip",
        "X-Prometheus-Scrape-Timeout-Seconds": "2",
    }


def test_configured_headers_take_the_place_of_usual_ones():
    """Whatever the case of their names; the bare headers stay as they are."""
    request = ScrapeRequest(
        endpoint(URL_OF_TARGET, headers={"accept": Secret("text/html"), "X-Key": Secret("k")})
    )

    assert request.headers().getall("Accept") == ["text/html"]
    assert request.headers()["X-Key"] == "k"
    assert "X-Key" not in request.bare_headers
    assert request.bare_headers["Accept"].startswith("text/plain")


def test_basic_auth_is_sent_as_utf_8():
    auth = BasicAuth(username="jörg", password=Secret("pä:ss"))
    request = ScrapeRequest(endpoint(URL_OF_TARGET, basic_auth=auth))

    assert request.headers()["Authorization"] == "Basic asO2cmc6cMOkOnNz"
    assert "Authorization" not in request.bare_headers


def test_basic_auth_without_a_password_sends_an_empty_one():
    request = ScrapeRequest(endpoint(URL_OF_TARGET, basic_auth=BasicAuth(username="user")))

    assert request.headers()["Authorization"] == "Basic dXNlcjo="


def test_files_are_read_anew_when_they_change(tmp_path: Path):
    token, password = tmp_path / "token", tmp_path / "password"
    token.write_text("one\n")
    password.write_text("one\n")
    auth = BasicAuth(username="user", password_file=str(password))
    bearer = ScrapeRequest(endpoint(URL_OF_TARGET, bearer_token_file=str(token)))
    basic = ScrapeRequest(endpoint(URL_OF_TARGET, basic_auth=auth))
    assert bearer.headers()["Authorization"] == "Bearer one"
    assert bearer.headers() is bearer.headers()
    assert basic.headers()["Authorization"] == "Basic dXNlcjpvbmU="
    token.write_text("three\n")
    password.write_text("three\n")

    assert bearer.headers()["Authorization"] == "Bearer three"
    assert basic.headers()["Authorization"] == "Basic dXNlcjp0aHJlZQ=="


def test_an_unreadable_password_file_is_named(tmp_path: Path):
    auth = BasicAuth(username="user", password_file=str(tmp_path / "absent"))

    with pytest.raises(PollError, match=r"^basic_auth\.password_file ") as caught:
        ScrapeRequest(endpoint(URL_OF_TARGET, basic_auth=auth)).headers()

    assert caught.value.reason == "unreadable_secret"


@pytest.mark.parametrize(
    ("location", "target"),
    [
        pytest.param("/other?a=b", "http://127.0.0.1:1025/other?a=b", id="path"),
        pytest.param("other", "http://127.0.0.1:1025/other", id="relative"),
        pytest.param("//host/x", "http://host/x", id="host"),
        pytest.param("https://host:8443/x#part", "https://host:8443/x", id="url"),
        pytest.param("http://user:pass@host/x", "http://host/x", id="user-info"),
    ],
)
def test_redirects_are_resolved(location: str, target: str):
    assert redirected(URL(URL_OF_TARGET), location) == URL(target)


@pytest.mark.parametrize(
    "location",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("ftp://user:s3cret@host/", id="scheme"),
        pytest.param("http://:80/", id="no-host"),
        pytest.param("http://[::1/", id="no-url"),
        pytest.param("http://host:port/", id="no-port"),
    ],
)
def test_redirects_to_nowhere_are_refused(location: str | None):
    with pytest.raises(PollError, match=r"^a redirect without a usable address$") as caught:
        redirected(URL(URL_OF_TARGET), location)

    assert caught.value.reason == "malformed_http"


@pytest.mark.parametrize(
    ("duration", "text"),
    [(2.0, "2"), (0.5, "0.5"), (10.0, "10"), (100_000_000.0, "100000000"), (0.001, "0.001")],
)
def test_timeouts_are_written_without_exponent(duration: float, text: str):
    assert seconds(duration) == text
