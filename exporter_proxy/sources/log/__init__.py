"""The source that reads: follows log files, and counts what happens in them."""

from exporter_proxy.sources.log.compiling import compile_section
from exporter_proxy.sources.log.metrics import LogCollector
from exporter_proxy.sources.log.source import LogSource

__all__ = ["LogCollector", "LogSource", "compile_section"]
