"""What becomes of polled endpoints from one configuration to the next. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from exporter_proxy.config import EndpointConfig, PollConfig
from exporter_proxy.sources.poll.target import Target


class Succession:
    """Which targets stay under another configuration.

    Args:
        targets: Those there are.
        config: What is to be polled from now on.

    Attributes:
        named: Its endpoints by the names of their apps, in their order.
        staying: Targets that are asked the same as before.
        leaving: Those that are not.
        new: Endpoints without a target.
    """

    def __init__(self, targets: Sequence[Target], config: PollConfig) -> None:
        self.named = {endpoint.name: endpoint for endpoint in endpoints_of(config)}
        self.staying: list[Target] = []
        self.leaving: list[Target] = []
        for target in targets:
            successor = self.named.get(target.endpoint.name)
            stays = successor is not None and _asks(successor) == _asks(target.endpoint)
            (self.staying if stays else self.leaving).append(target)
        known = {target.endpoint.name for target in self.staying}
        self.new = [each for name, each in self.named.items() if name not in known]


def endpoints_of(config: PollConfig) -> tuple[EndpointConfig, ...]:
    """Return what is polled."""
    return config.other_scrape_endpoints if config.poll_other_scrape_endpoints else ()


def _asks(endpoint: EndpointConfig) -> EndpointConfig:
    """Return the endpoint without what has nothing to do with how it is polled."""
    return replace(
        endpoint,
        expire_after=None,
        on_expire=None,
        max_samples=None,
        max_bytes=None,
        labels={},
        override_labels=None,
        keep=(),
        drop=(),
        honor_timestamps=True,
    )
