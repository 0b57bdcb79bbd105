"""``DELETE /apps/<app>``: forgets an app."""

import logging

from aiohttp import web

from exporter_proxy.errors import quote
from exporter_proxy.table import Table
from exporter_proxy.views.app_path import app_of
from exporter_proxy.views.guard import refuse_push
from exporter_proxy.views.polled import Polled
from exporter_proxy.views.responses import text

logger = logging.getLogger(__name__)


class DeletingView:
    """Deletes apps.

    Args:
        table: Has them. A source that keeps something of an app follows it.
        polled: Which of them come back.
    """

    def __init__(self, table: Table, polled: Polled) -> None:
        self._table = table
        self._polled = polled

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Delete an app, and answer whether it comes back."""
        app = app_of(request)
        refused = refuse_push(request, app)
        if refused is not None:
            return refused
        if not self._table.delete(app):
            return text(f"error: no app {quote(app)}; /apps shows all there are", status=404)
        logger.info("app deleted: app=%s peer=%s", quote(app), request.remote)
        if app in self._polled.apps():
            return text(f"{quote(app)} is deleted, and comes back with its next poll.")
        return text(f"{quote(app)} is deleted.")


async def wrong_method(request: web.Request) -> web.StreamResponse:
    """Answer to a method that ``/apps/<app>`` does not take."""
    line = f"error: {request.path} takes GET, HEAD and DELETE, not {quote(request.method)}"
    return text(line, status=405, headers={"Allow": "GET, HEAD, DELETE"})
