"""The families of all apps, merged: an index that follows every update, and its page.

An app is known here by its number: apps are numbered in the order in which they were first seen.
"""

from exporter_proxy.exposition.merged.index import PROXY, SELF, MergedIndex, told_of
from exporter_proxy.exposition.merged.layout import Layout
from exporter_proxy.exposition.merged.openmetrics_writer import OpenMetricsWriter
from exporter_proxy.exposition.merged.quoting_writer import QuotingWriter
from exporter_proxy.exposition.merged.selection import select
from exporter_proxy.exposition.merged.text_writer import TextWriter

__all__ = [
    "PROXY",
    "SELF",
    "Layout",
    "MergedIndex",
    "OpenMetricsWriter",
    "QuotingWriter",
    "TextWriter",
    "select",
    "told_of",
]
