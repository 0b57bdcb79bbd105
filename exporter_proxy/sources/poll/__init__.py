"""The poller: scrapes endpoints on their own schedules."""

from exporter_proxy.sources.poll.poller import Poller

__all__ = ["Poller"]
