"""From the configuration to how long the apps of a source live of which nothing else is said."""

from exporter_proxy.config import Config, EndpointConfig
from exporter_proxy.table import Life, OnExpire


def common_life(config: Config) -> Life:
    """Return how long apps live whose source has no keys for it."""
    return Life(config.exporter.expire_after, config.exporter.on_expire)


def receiver_life(config: Config) -> Life:
    """Return how long those live that come over the receivers."""
    section = config.receiver
    return own_life(section.expire_after, section.on_expire, common_life(config))


def push_life(config: Config) -> Life:
    """Return how long those live that are pushed over HTTP."""
    return own_life(config.push.expire_after, config.push.on_expire, common_life(config))


def endpoint_life(endpoint: EndpointConfig, default: Life) -> Life:
    """Return how long those of an endpoint live that is polled."""
    return own_life(endpoint.expire_after, endpoint.on_expire, default)


def own_life(expire_after: float | None, on_expire: OnExpire | None, default: Life) -> Life:
    """Return what two keys say, and the default where they say nothing."""
    return Life(
        default.expire_after if expire_after is None else expire_after,
        on_expire or default.on_expire,
    )
