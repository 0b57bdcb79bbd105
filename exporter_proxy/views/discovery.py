"""``/sd``: every app as a target, for Prometheus's service discovery over HTTP.

See https://prometheus.io/docs/prometheus/latest/http_sd/ for the format. An app's name travels as
a parameter, not in the path, which Prometheus would escape once more.
"""

from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from itertools import chain
from typing import NamedTuple, Protocol

from aiohttp import hdrs, web
from msgspec import json

from exporter_proxy.config import is_target
from exporter_proxy.errors import quote
from exporter_proxy.exposition.rules import Rules
from exporter_proxy.payload.grouping import labels_of_app
from exporter_proxy.table import Ghost, Problem, Row, Table
from exporter_proxy.views.app_lines import unicode_of
from exporter_proxy.views.polled import Polled
from exporter_proxy.views.responses import COMMON_HEADERS, send, text
from exporter_proxy.views.slices import Flight, in_slices

_APPS_A_STEP = 200
# Stands where the address goes: no label has a NUL, nor has JSON one as it is.
_ADDRESS, _PLACE = "\0", b"\0"
_ENCODED = json.encode(_ADDRESS)


class _Document(NamedTuple):
    """What is the same for all who ask at a time, whichever way they came.

    Attributes:
        chunks: With ``_PLACE`` where the address goes.
        places: How often.
    """

    chunks: list[bytes]
    places: int

    def at(self, address: bytes) -> tuple[Iterator[bytes], int]:
        """Return it for an address, made as it is sent, and its bytes."""
        size = sum(map(len, self.chunks)) + self.places * (len(address) - len(_PLACE))
        return (chunk.replace(_PLACE, address) for chunk in self.chunks), size


class Settings(Protocol):
    """What the configuration says of the document.

    Attributes:
        rules: What is done to the families of an app; None: nothing.
        sd_target: Where Prometheus finds this port; empty: where it sent its request to.
    """

    @property
    def rules(self) -> Callable[[str], Rules] | None:
        """See above."""

    @property
    def sd_target(self) -> str:
        """See above."""


class DiscoveryView:
    """Lists the targets.

    Args:
        table: Has the apps.
        polled: Which of them are polled.
        settings: Gives what the configuration says now.
    """

    def __init__(self, table: Table, polled: Polled, settings: Callable[[], Settings]) -> None:
        self._table = table
        self._polled = polled
        self._settings = settings
        # Whether it is asked for by TLS: those who come while it is drawn share the next one.
        self._drawing: dict[bool, Flight[_Document]] = {False: Flight(), True: Flight()}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer with all apps, also those that were dropped and are not forgotten."""
        asked = request.query.get("target")
        address = self._settings().sd_target or _own_address(request) if asked is None else asked
        if not is_target(address):
            where = "the Host header" if asked is None else "target"
            return text(f"error: {where}: expected host:port, got {quote(address)}", status=400)
        secure = request.secure
        document = await self._drawing[secure].join(
            object(), lambda: in_slices(self._draw(is_secure=secure))
        )
        chunks, size = document.at(address.encode())
        headers = {
            **COMMON_HEADERS,
            # RFC 8259 section 11: no charset parameter, JSON is UTF-8
            hdrs.CONTENT_TYPE: "application/json",
            hdrs.CACHE_CONTROL: "no-store",
        }
        return await send(request, headers, chunks, size)

    def _draw(self, *, is_secure: bool) -> Generator[None, None, _Document]:
        """Return the document in steps; a target a line."""
        polled, rules = self._polled.apps(), self._settings().rules
        common = {"__metrics_path__": "/metrics"} | ({"__scheme__": "https"} if is_secure else {})
        lines: list[bytes] = []
        chunks = [b"["]
        separator = b"\n"
        for app, source in _known(self._table, polled):
            given = {} if rules is None else rules(app).labels
            # Those of a group that was pushed as to a Pushgateway are in its name.
            own = {**given, **(labels_of_app(app) or {})}
            labels = {
                **common,
                "__param_app": app,
                **({"__param_fresh": "1"} if app in polled else {}),
                "__meta_exporter_proxy_source": unicode_of(source),
                # What samples are given says best where they come from.
                "job": own.get("job") or app,
                "instance": own.get("instance") or _ADDRESS,
                "app": app,
            }
            lines.append(json.encode({"targets": [_ADDRESS], "labels": labels}))
            if len(lines) == _APPS_A_STEP:
                chunks.append(_chunk(separator, lines))
                separator = b",\n"
                lines.clear()
                yield
        if lines:
            chunks.append(_chunk(separator, lines))
        chunks.append(b"\n]\n")
        return _Document(chunks, sum(chunk.count(_PLACE) for chunk in chunks))


def _chunk(separator: bytes, lines: list[bytes]) -> bytes:
    return separator + b",\n".join(lines).replace(_ENCODED, b'"%s"' % _PLACE)


def _known(table: Table, polled: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield all apps of this moment, each with its source, as far as that is known."""
    rows, ghosts = table.snapshot().rows, [*table.ghosts.values()]
    problems, waiting = [*table.problems.values()], [*polled]
    seen = set()
    everyone: Iterable[Row | Ghost | Problem] = chain(rows, ghosts, problems)
    for known in everyone:
        if known.app not in seen:
            seen.add(known.app)
            yield known.app, known.source
    # Not polled yet.
    yield from ((app, "") for app in waiting if app not in seen)


def _own_address(request: web.Request) -> str:
    """Return where the request was sent to: what leads through a port mapping once does again."""
    if request.headers.get(hdrs.HOST):
        return request.headers[hdrs.HOST]
    # HTTP/1.0
    transport = request.transport
    name = None if transport is None else transport.get_extra_info("sockname")
    if not isinstance(name, tuple):
        return ""
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
