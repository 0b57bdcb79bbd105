"""Who may ask for what: looked at before a request comes to its view."""

from aiohttp import hdrs, web

from exporter_proxy.access import (
    Access,
    Peer,
    Refusal,
    RefusedError,
    is_of_another_site,
    peer_of,
)
from exporter_proxy.errors import quote
from exporter_proxy.views.responses import GUARD, Needs, text

_PEER = web.RequestKey("peer", Peer)


class Guard:
    """Asks who sends a request, and whether they may.

    Args:
        access: Knows it.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def install(self, app: web.Application) -> None:
        """Guard the routes of ``app`` that go through :func:`~.responses.guarded`."""
        app[GUARD] = self
        app.on_response_prepare.append(self._add_headers)

    @property
    def looks_at_readers(self) -> bool:
        """Whether requests that only read have to be looked at: else that costs them nothing."""
        return self._access.active

    async def look(self, request: web.Request, needs: Needs) -> web.Response | None:
        """Return the answer to a request that is refused, None to one that may go on.

        Args:
            request: The request.
            needs: What its sender must have the right to. Whether that extends to the app that it
                is about is asked by its view: see :func:`refuse_push`.
        """
        access = self._access
        if needs == "nothing":
            return None
        if needs != "scrape" and is_of_another_site(request.headers, by_address=not access.active):
            return text("error: pages of other sites may not do this", status=403)
        peer = peer_of(request.transport)
        try:
            peer = await access.identify(peer, request.headers.get(hdrs.AUTHORIZATION))
        except RefusedError as exc:
            return self._refuse(request, peer, exc.refusal)
        request[_PEER] = peer
        refusal = access.refusal(peer, needs)
        return None if refusal is None else self._refuse(request, peer, refusal)

    def refuse_push(self, request: web.Request, app: str) -> web.Response | None:
        """Return the answer to a request that may not write ``app``; None: it may."""
        peer = request[_PEER]
        refusal = self._access.refusal(peer, "push", app)
        return None if refusal is None else self._refuse(request, peer, refusal)

    def _refuse(self, request: web.Request, peer: Peer, refusal: Refusal) -> web.Response:
        self._access.note(peer, refusal, f"{request.method} {quote(request.path, 80)}")
        response = text(f"error: {refusal.message}", status=refusal.status)
        if refusal.status == web.HTTPUnauthorized.status_code:
            for scheme in self._access.policy.challenges:
                response.headers.add(hdrs.WWW_AUTHENTICATE, scheme)
        if refusal.status == web.HTTPServiceUnavailable.status_code:
            response.headers[hdrs.RETRY_AFTER] = "1"
        return response

    async def _add_headers(self, _request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(self._access.headers)


def refuse_push(request: web.Request, app: str) -> web.Response | None:
    """Return the answer to a request that may not write ``app``; None: it may.

    For views whose route needs ``push``: the route was let through as its sender may push some app.
    """
    guard = request.app.get(GUARD)
    return None if guard is None else guard.refuse_push(request, app)
