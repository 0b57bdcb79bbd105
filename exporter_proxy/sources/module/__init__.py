"""Modules: exporters, programs and files that are asked on demand, or polled into the table."""

from exporter_proxy.sources.module.runner import Runner

__all__ = ["Runner"]
