"""The table, read: payloads become families, families an index, of which pages are laid out."""

from exporter_proxy.catalog.app_reading import AppReading
from exporter_proxy.catalog.catalog import Catalog

__all__ = ["AppReading", "Catalog"]
