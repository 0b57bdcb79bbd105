"""``/proxy``: asks a module now, or says which there are."""

import math
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from html import escape
from typing import Any
from urllib.parse import quote as quote_url

from aiohttp import hdrs, web
from msgspec import json

from exporter_proxy.errors import ModuleError, ModuleReason, quote
from exporter_proxy.exposition.page import gzip_chunks, lay_out, text_chunks, zstd_chunks
from exporter_proxy.modules import Answer, Ask, Modules, ModuleStatus
from exporter_proxy.views import style
from exporter_proxy.views.app_path import path_of
from exporter_proxy.views.negotiation import FORMATS, choose_encoding, choose_format
from exporter_proxy.views.responses import COMMON_HEADERS, html_headers, send, text
from exporter_proxy.workers import Workers

PATH = "/proxy"
TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"

# How much earlier than the scraper gives up it is told that there is nothing.
_MARGIN_SECONDS = 0.25
# A page of more bytes is compressed in a thread.
_SHORT = 262_144
# One of fewer is not worth it.
_NOT_COMPRESSED = 1024

_STATUSES: Mapping[ModuleReason, int] = {
    "unknown_module": 404,
    "bad_params": 400,
    "stopping": 503,
    "busy": 503,
    "timeout": 504,
}
_OTHER_STATUS = 502

# By whether it last brought something; None: it was not asked yet.
_STATE_CLASSES: Mapping[bool | None, str] = {True: "ok", False: "bad", None: ""}


class ProxyView:
    """Answers for modules.

    Args:
        modules: Which there are; None: none.
        workers: Compress long pages.
    """

    def __init__(self, modules: Modules | None, workers: Workers) -> None:
        self._modules = modules
        self._workers = workers

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer with the page of the module that ``?module=`` names, or with a list of all."""
        names = request.query.getall("module", [])
        if not names:
            return self._list(request)
        name = names[0]
        if self._modules is None:
            return _failed(name, ModuleError("there is no module", reason="unknown_module"))
        try:
            answer = await self._modules.ask(name, _ask(request))
        except ModuleError as exc:
            return _failed(name, exc)
        return await self._send(request, answer)

    async def _send(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        pieces = list(lay_out(answer.payload))
        size = sum(piece.size for piece in pieces)
        headers = {
            **COMMON_HEADERS,
            hdrs.CONTENT_TYPE: answer.content_type,
            hdrs.CACHE_CONTROL: "no-store",
            hdrs.VARY: f"{hdrs.ACCEPT}, {hdrs.ACCEPT_ENCODING}",
        }
        if answer.modified is not None:
            headers[hdrs.LAST_MODIFIED] = formatdate(answer.modified, usegmt=True)
        chunks: Sequence[bytes]
        encoding = choose_encoding(",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ())))
        if encoding == "identity" or size < _NOT_COMPRESSED:
            chunks = list(text_chunks(pieces))
        else:
            headers[hdrs.CONTENT_ENCODING] = encoding
            compress = gzip_chunks if encoding == "gzip" else zstd_chunks
            if size <= _SHORT:
                chunks = compress(pieces)
            else:
                chunks = await self._workers.run(compress, pieces)
            size = sum(map(len, chunks))
        if size <= _SHORT:
            return web.Response(body=b"".join(chunks), headers=headers)
        return await send(request, headers, chunks, size)

    def _list(self, request: web.Request) -> web.StreamResponse:
        wanted = request.query.get("format")
        if wanted is None:
            wanted = choose_format(",".join(request.headers.getall(hdrs.ACCEPT, ())))
        elif wanted not in FORMATS:
            known = ", ".join(FORMATS)
            return text(f"error: format={quote(wanted)}; there is {known}", status=400)
        modules = () if self._modules is None else self._modules.modules
        common: dict[str, str] = {hdrs.VARY: hdrs.ACCEPT, hdrs.CACHE_CONTROL: "no-store"}
        if wanted == "html":
            body = _html(modules).encode(errors="backslashreplace")
            return web.Response(body=body, headers={**html_headers(), **common})
        if wanted == "json":
            body = json.format(json.encode({"modules": [_as_dict(each) for each in modules]}))
            headers = {**COMMON_HEADERS, **common, hdrs.CONTENT_TYPE: FORMATS["json"]}
            return web.Response(body=body + b"\n", headers=headers)
        lines = [f"{_link(each)}  {each.kind}  {_state(each)}" for each in modules]
        return text("\n".join(lines) or "no modules: see [[module]]", headers=common)


def _ask(request: web.Request) -> Ask:
    """Return what a request asks of a module."""
    own = True
    params: list[tuple[str, str]] = []
    for name, value in request.query.items():
        if own and name == "module":
            # A second one is the exporter's own, as blackbox_exporter has it.
            own = False
            continue
        params.append((name, value))
    return Ask(
        tuple(params),
        _timeout(request.headers.get(TIMEOUT_HEADER, "")),
        ",".join(request.headers.getall(hdrs.ACCEPT, ())),
    )


def _timeout(header: str) -> float | None:
    """Return how long a scraper waits, less what it takes to tell it that there is nothing."""
    try:
        seconds = float(header)
    except ValueError:
        return None
    if not math.isfinite(seconds) or seconds <= 0:
        return None
    return max(seconds - _MARGIN_SECONDS, seconds / 2)


def _failed(name: str, error: ModuleError) -> web.Response:
    status = _STATUSES.get(error.reason, _OTHER_STATUS)
    if error.reason == "unknown_module":
        return text(f"error: there is no module {quote(name)}: see {PATH}", status=status)
    return text(f"error: module {quote(name)}: {error}", status=status)


def _link(module: ModuleStatus) -> str:
    return f"{PATH}?module={quote_url(module.name, safe='')}"


def _state(module: ModuleStatus) -> str:
    if module.up is None:
        return "not asked yet"
    return "ok" if module.up else f"failing: {module.last_error}"


def _as_dict(module: ModuleStatus) -> dict[str, Any]:
    return {
        "module": module.name,
        "kind": module.kind,
        "path": _link(module),
        "app": module.app or None,
        "interval_seconds": module.interval,
        "params": None if module.params is None else list(module.params),
        "up": module.up,
        "last_error": module.last_error,
        "requests": module.requests,
        "runs": module.runs,
        "failures": dict(sorted(module.failures.items())),
        "files": {
            name.encode(errors="backslashreplace").decode(): modified
            for name, modified in module.files.items()
        },
    }


def _html(modules: Sequence[ModuleStatus]) -> str:
    known = "No module" if not modules else f"{len(modules)} module" + "s" * (len(modules) > 1)
    return style.document(
        "Modules · exporter-proxy",
        f'<h1>Modules</h1>\n<p>{known}. <a href="/">exporter-proxy</a></p>\n{_table(modules)}',
    )


def _table(modules: Sequence[ModuleStatus]) -> str:
    if not modules:
        return ""
    rows = "".join(map(_row, modules))
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Module", "Kind", "App", "State"))
    return (
        f'<table class="cards">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>'
    )


def _row(module: ModuleStatus) -> str:
    app = escape(module.app)
    if app and module.kind != "directory":
        app = f'<a href="{path_of(module.app)}">{app}</a>'
    return (
        f'<tr><td><a href="{escape(_link(module))}">{escape(module.name)}</a></td>'
        f"<td>{module.kind}</td><td>{app}</td>"
        f'<td class="{_STATE_CLASSES[module.up]}">{escape(_state(module))}</td></tr>\n'
    )
