"""Pushgateway's API over HTTP: pushes by grouping key.

``gateway`` is the source: it takes requests, whatever carries them. ``store`` keeps each ``group``,
checks by an ``index`` that they go together, and writes them into the table. ``bodies`` reads what
is pushed, ``shapes`` know it again; ``series`` tells series apart. ``api`` and ``bulk`` answer
below ``/api/v1``, with ``listing`` and ``selectors``; ``http`` leads the requests of a server here.
"""

from exporter_proxy.sources.pushgateway.api import Api
from exporter_proxy.sources.pushgateway.gateway import Gateway
from exporter_proxy.sources.pushgateway.http import GatewayRoutes
from exporter_proxy.sources.pushgateway.store import SOURCE, Store

__all__ = ["SOURCE", "Api", "Gateway", "GatewayRoutes", "Store"]
