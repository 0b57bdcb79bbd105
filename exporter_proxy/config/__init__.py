"""The configuration: ``config.toml`` as typed, frozen values."""

from exporter_proxy.config.access import AccessConfig, Right
from exporter_proxy.config.apps import AppConfig
from exporter_proxy.config.doubts import warnings
from exporter_proxy.config.endpoints import (
    POLL_SOURCE,
    BasicAuth,
    EndpointConfig,
    ScrapeSettings,
)
from exporter_proxy.config.loading import find_file, load, read
from exporter_proxy.config.logs import LOG_SOURCE, LogConfig, LogMetricConfig
from exporter_proxy.config.machine import missing_accounts
from exporter_proxy.config.modules import MODULE_SOURCE, ModuleConfig, ModuleKind
from exporter_proxy.config.push import PushConfig
from exporter_proxy.config.sections import Config, ExporterConfig, PollConfig, ReceiverConfig
from exporter_proxy.config.texts import is_target
from exporter_proxy.config.values import Address, Secret

__all__ = [
    "LOG_SOURCE",
    "MODULE_SOURCE",
    "POLL_SOURCE",
    "AccessConfig",
    "Address",
    "AppConfig",
    "BasicAuth",
    "Config",
    "EndpointConfig",
    "ExporterConfig",
    "LogConfig",
    "LogMetricConfig",
    "ModuleConfig",
    "ModuleKind",
    "PollConfig",
    "PushConfig",
    "ReceiverConfig",
    "Right",
    "ScrapeSettings",
    "Secret",
    "find_file",
    "is_target",
    "load",
    "missing_accounts",
    "read",
    "warnings",
]
