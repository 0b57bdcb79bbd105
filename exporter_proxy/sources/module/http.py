"""A module that is an exporter: its page, asked for over HTTP."""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode

from exporter_proxy.config import EndpointConfig, ModuleConfig
from exporter_proxy.errors import ModuleError, PollError
from exporter_proxy.modules import OPENMETRICS_TYPE, TEXT_TYPE, Answer, Ask
from exporter_proxy.sources.module.kind import Outcome, of_poll
from exporter_proxy.sources.module.params import Params, Values
from exporter_proxy.sources.poll.client import Fetched, PollClient
from exporter_proxy.sources.poll.request import ACCEPT, ScrapeRequest

_LONGEST_ACCEPT = 2000


class HttpModule:
    """Asks an exporter.

    Args:
        config: The module.
        client: Asks.
    """

    def __init__(self, config: ModuleConfig, client: PollClient) -> None:
        self._app = config.app_name
        self._params = Params(config.params)
        self._client = client
        self._endpoint = endpoint_of(config)
        self._request = ScrapeRequest(self._endpoint)

    async def fetch(self, ask: Ask, timeout: float) -> Answer:  # noqa: ASYNC109 - tells the target
        """See :meth:`Kind.fetch`."""
        endpoint = replace(
            self._endpoint,
            url=_with(self._endpoint.url, self._params.check(ask.params)),
            client_timeout=timeout,
        )
        request = ScrapeRequest(endpoint, _formats(ask.accept))
        fetched = await self._ask(endpoint, request)
        return Answer(fetched.payload, _type(fetched.content_type))

    async def poll(self) -> Mapping[str, Outcome]:
        """See :meth:`Kind.poll`."""
        fetched = await self._ask(self._endpoint, self._request)
        return {self._app: Outcome(fetched.payload)}

    async def close(self, grace_seconds: float) -> None:
        """See :meth:`Kind.close`; requests end with who waits for them."""

    async def _ask(self, endpoint: EndpointConfig, request: ScrapeRequest) -> Fetched:
        try:
            return await self._client.fetch(endpoint, request)
        except PollError as exc:
            if exc.reason == "timeout":
                message = f"no complete answer within {endpoint.client_timeout:g} s"
                raise ModuleError(message, reason="timeout") from exc
            raise of_poll(exc) from exc


def endpoint_of(config: ModuleConfig) -> EndpointConfig:
    """Return the module as an endpoint that is polled."""
    assert config.url is not None
    return EndpointConfig(
        url=config.url,
        name=config.app_name,
        source=config.source,
        headers=config.headers,
        basic_auth=config.basic_auth,
        bearer_token_file=config.bearer_token_file,
        ca_file=config.ca_file,
        allow_invalid_certs=config.allow_invalid_certs,
        client_timeout=config.timeout,
        max_body_size=config.max_body_size,
    )


def _with(url: str, values: Values) -> str:
    """Return an URL with parameters added to those that it has."""
    if not values:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(values, doseq=True)}"


def _formats(accept: str) -> str:
    """Return what the exporter is asked for: what the asker takes and we can look into."""
    if len(accept) > _LONGEST_ACCEPT:
        return ACCEPT
    ranges = [each.strip() for each in accept.split(",")]
    return ", ".join(each for each in ranges if each and "protobuf" not in each.lower()) or ACCEPT


def _type(declared: str) -> str:
    """Return as what a page is passed on: as it was declared, if that is a format of metrics."""
    name = declared.partition(";")[0].strip().lower()
    if name == "application/openmetrics-text":
        return declared if declared.isprintable() else OPENMETRICS_TYPE
    return declared if name == "text/plain" and declared.isprintable() else TEXT_TYPE
