"""The one place where sources and views meet: the latest payload of each application."""

from exporter_proxy.table.rows import (
    FOR_EVER,
    FORGET_SECONDS,
    NEVER,
    FindLife,
    Ghost,
    Life,
    OnExpire,
    Payload,
    Problem,
    Row,
    Snapshot,
)
from exporter_proxy.table.table import Table

__all__ = [
    "FORGET_SECONDS",
    "FOR_EVER",
    "NEVER",
    "FindLife",
    "Ghost",
    "Life",
    "OnExpire",
    "Payload",
    "Problem",
    "Row",
    "Snapshot",
    "Table",
]
