"""What a poll asks for: an endpoint's URL, headers and credentials."""

from base64 import b64encode

from multidict import CIMultiDict
from yarl import URL

from exporter_proxy import __version__
from exporter_proxy.config import EndpointConfig
from exporter_proxy.errors import PollError
from exporter_proxy.sources.poll.files import WatchedFile, header_text

# Prometheus also asks for OpenMetrics, and first. The verbatim page is text 0.0.4, and client
# libraries send OpenMetrics wherever it is named at all, whatever its weight: so it is not named.
ACCEPT = "text/plain;version=0.0.4,*/*;q=0.1"

Headers = CIMultiDict[str]


class ScrapeRequest:
    """The request for one endpoint; made anew at each poll only if a file changed.

    Args:
        endpoint: The endpoint.
        accept: What it is asked for.

    Attributes:
        url: Where to ask.
        bare_headers: What any server may see, also one that a redirect leads to.
    """

    __slots__ = ("_endpoint", "_headers", "_secret", "_secret_file", "bare_headers", "url")

    def __init__(self, endpoint: EndpointConfig, accept: str = ACCEPT) -> None:
        self._endpoint = endpoint
        self.url = URL(endpoint.url)
        self.bare_headers: Headers = CIMultiDict(
            {
                "User-Agent": f"exporter-proxy/{__version__}",
                "Accept": accept,
                "Accept-Encoding": "gzip",
                "X-Prometheus-Scrape-Timeout-Seconds": seconds(endpoint.client_timeout),
            }
        )
        self._secret_file = _secret_file(endpoint)
        self._secret: str | None = None
        self._headers: Headers | None = None

    def headers(self) -> Headers:
        """Return all headers, for the endpoint's own origin alone.

        Raises:
            PollError: ``unreadable_secret``.
        """
        secret = self._secret_file.value() if self._secret_file is not None else None
        if self._headers is None or secret != self._secret:
            self._headers = self._build(secret)
            self._secret = secret
        return self._headers

    def _build(self, secret: str | None) -> Headers:
        headers = self.bare_headers.copy()
        for name, value in self._endpoint.headers.items():
            headers[name] = value.reveal()
        basic_auth = self._endpoint.basic_auth
        if basic_auth is not None:
            if basic_auth.password is not None:
                secret = basic_auth.password.reveal()
            user = f"{basic_auth.username}:{secret or ''}"
            headers["Authorization"] = "Basic " + b64encode(user.encode()).decode("ascii")
        elif secret is not None:
            headers["Authorization"] = f"Bearer {secret}"
        return headers


def redirected(url: URL, location: str | None) -> URL:
    """Return where ``location``, answered by ``url``, leads to.

    User info in it is left out: credentials come from the configuration alone.

    Raises:
        PollError: ``malformed_http``, if it leads nowhere.
    """
    try:
        target = url.join(URL(location or "")).with_user(None).with_fragment(None)
    except ValueError as exc:
        raise _stray() from exc
    if not location or target.scheme not in {"http", "https"} or not target.host:
        raise _stray()
    return target


def _stray() -> PollError:
    # The address isn't quoted: it may hold a secret of the target's.
    return PollError("a redirect without a usable address", reason="malformed_http")


def seconds(duration: float) -> str:
    """Return ``duration`` as Prometheus writes a timeout: ``2`` or ``0.5``, no exponent."""
    return f"{duration:.6f}".rstrip("0").rstrip(".")


def _secret_file(endpoint: EndpointConfig) -> WatchedFile[str] | None:
    if endpoint.bearer_token_file is not None:
        return WatchedFile(endpoint.bearer_token_file, "bearer_token_file", header_text)
    if endpoint.basic_auth is not None and endpoint.basic_auth.password_file is not None:
        path = endpoint.basic_auth.password_file
        return WatchedFile(path, "basic_auth.password_file", header_text)
    return None
