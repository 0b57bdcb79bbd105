"""The one place where sources and views meet: the latest payload of each application."""

from exporter_proxy.table.rows import (
    FORGET_SECONDS,
    NEVER,
    Ghost,
    OnExpire,
    Payload,
    Problem,
    Row,
    Snapshot,
)
from exporter_proxy.table.table import Table

__all__ = [
    "FORGET_SECONDS",
    "NEVER",
    "Ghost",
    "OnExpire",
    "Payload",
    "Problem",
    "Row",
    "Snapshot",
    "Table",
]
