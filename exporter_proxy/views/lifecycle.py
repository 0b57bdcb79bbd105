"""``/-/reload`` and ``/-/quit``, as Prometheus has them."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from exporter_proxy.errors import quote
from exporter_proxy.reload import Outcome
from exporter_proxy.views.responses import Handler, text

logger = logging.getLogger(__name__)

METHODS = ("POST", "PUT")


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """What can be asked of the process.

    Attributes:
        is_enabled: Whether it may be asked over HTTP.
        reload: Reads the configuration again.
        end: Ends the process, as SIGTERM does.
    """

    is_enabled: Callable[[], bool]
    reload: Callable[[], Awaitable[Outcome]]
    end: Callable[[], None]


class LifecycleView:
    """Answers POST and PUT.

    Args:
        lifecycle: What can be asked for.
    """

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle
        self.handlers: dict[str, Handler] = {"/-/reload": self.reload, "/-/quit": self.end}

    async def reload(self, _request: web.Request) -> web.StreamResponse:
        """Reload the configuration, and answer with what became of that."""
        if not self._lifecycle.is_enabled():
            return _turned_off()
        outcome = await self._lifecycle.reload()
        status = 503 if outcome.refused else 200 if outcome.successful else 500
        return text("\n".join(outcome.lines), status=status)

    async def end(self, request: web.Request) -> web.StreamResponse:
        """End the process, in order."""
        if not self._lifecycle.is_enabled():
            return _turned_off()
        logger.info("asked to end: peer=%s path=%s", request.remote, request.path)
        self._lifecycle.end()
        return text("exporter-proxy ends.")


def _turned_off() -> web.Response:
    return text(
        "error: reloading and ending over HTTP is turned off (exporter.enable_lifecycle = false)",
        status=403,
    )


async def wrong_method(request: web.Request) -> web.StreamResponse:
    """Answer to any other method."""
    line = f"error: {request.path} takes POST and PUT, not {quote(request.method)}"
    return text(line, status=405, headers={"Allow": "POST, PUT"})
