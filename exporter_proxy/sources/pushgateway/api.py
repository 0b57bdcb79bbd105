"""``/api/v1``: status, listing, deletion by matchers, many groups at once; without a transport."""

import platform
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from http import HTTPStatus
from urllib.parse import parse_qs

from exporter_proxy import __version__
from exporter_proxy.access import Peer
from exporter_proxy.config import PushConfig, Right
from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.compression import unpack_in_steps
from exporter_proxy.sources.answers import Answer, Steps, line
from exporter_proxy.sources.pushgateway.answers import (
    ACCEPTED,
    failure,
    success,
    success_in_pieces,
    wrong_method,
)
from exporter_proxy.sources.pushgateway.bulk import push_in_steps
from exporter_proxy.sources.pushgateway.gateway import Gateway
from exporter_proxy.sources.pushgateway.go_numbers import go_time
from exporter_proxy.sources.pushgateway.group import Group
from exporter_proxy.sources.pushgateway.listing import groups_in_steps
from exporter_proxy.sources.pushgateway.selectors import Selector, parse_selector
from exporter_proxy.sources.pushgateway.store import Store

ROOT = "/api/v1"
_WIPE = f"{ROOT}/admin/wipe"
_TRUE = frozenset({"1", "true", "yes"})
_FALSE = frozenset({"0", "false", "no"})
_GROUPS_A_STEP = 64

_Query = Mapping[str, list[str]]
_Headers = Mapping[str, str]
_Handler = Callable[[_Query, _Headers, bytes, Peer], Steps]


class Api:
    """Answers below ``/api/v1``.

    Args:
        gateway: Has the groups.
        wall: The time, in seconds since the epoch.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._gateway = gateway
        self._config = PushConfig()
        self._started = wall()
        self._handlers: dict[str, dict[str, _Handler]] = {
            "/status": {"GET": self._status},
            "/metrics": {"GET": self._metrics},
            "/groups": {"DELETE": self._delete},
            "/push": {"POST": self._push},
            "/admin/wipe": {"PUT": self._wipe},
        }

    def configure(self, config: PushConfig) -> None:
        """Go by this from now on."""
        self._config = config

    @staticmethod
    def right(method: str, target: str) -> Right:
        """Return what the sender of a request must have the right to, whatever the groups are."""
        if target.partition("?")[0] == _WIPE:
            return "admin"
        return "push" if method in {"DELETE", "POST", "PUT"} else "scrape"

    @property
    def paths(self) -> tuple[str, ...]:
        """Which paths are answered."""
        return tuple(ROOT + path for path in self._handlers)

    def handle(self, method: str, target: str, headers: _Headers, body: bytes, peer: Peer) -> Steps:
        """Answer a request in steps; see :meth:`~.gateway.Gateway.handle`."""
        path, _, query = target.partition("?")
        handlers = self._handlers[path.removeprefix(ROOT)]
        if path == _WIPE and not self._config.enable_admin_api:
            text = "error: turned off by the configuration (push.enable_admin_api)"
            return line(HTTPStatus.NOT_FOUND, text)
        handler = handlers.get("GET" if method == "HEAD" else method)
        if handler is None:
            methods = {*handlers, "OPTIONS"} | ({"HEAD"} if "GET" in handlers else set())
            return wrong_method(method, ", ".join(sorted(methods)))
        try:
            return (
                yield from handler(parse_qs(query, keep_blank_values=True), headers, body, peer)
            )
        except PayloadError as error:
            self._gateway.note(error, peer)
            return failure(error)

    def _status(
        self,
        _query: _Query,
        _headers: _Headers,
        _body: bytes,
        _peer: Peer,
    ) -> Steps:
        config = self._config
        yield
        return success(
            {
                "build_information": {
                    "version": __version__,
                    "pythonVersion": platform.python_version(),
                },
                "flags": {
                    "push.enable-admin-api": str(config.enable_admin_api).lower(),
                    "push.honor-timestamps": str(config.honor_timestamps).lower(),
                    "push.max-body-size": str(config.max_body_size),
                    "push.max-document-size": str(config.max_document_size),
                    "push.max-groups": str(config.max_groups),
                },
                "start_time": go_time(self._started),
            }
        )

    def _metrics(
        self,
        _query: _Query,
        _headers: _Headers,
        _body: bytes,
        _peer: Peer,
    ) -> Steps:
        store = self._gateway.store
        return success_in_pieces((yield from groups_in_steps(store.groups(), store.is_there)))

    def _delete(self, query: _Query, _headers: _Headers, _body: bytes, peer: Peer) -> Steps:
        """Delete the groups that one of the selectors selects, or say which they would be."""
        known = {"match[]", "dry_run"}
        if unknown := sorted(query.keys() - known):
            raise _bad(f"unknown parameter {unknown[0]!r}: takes match[] and dry_run")
        selectors = [parse_selector(text) for text in query.get("match[]", [])]
        if not selectors:
            raise _bad('no match[] parameter: expected one such as match[]={job="x"}')
        dry_run = _flag(query.get("dry_run", ["0"])[-1])
        store = self._gateway.store
        chosen: list[Group] = []
        for count, group in enumerate(store.groups(), 1):
            if _selected(group.labels, selectors):
                self._gateway.permit(peer, group.app)
                chosen.append(group)
            if count % _GROUPS_A_STEP == 0:
                yield
        if not dry_run:
            yield from _delete_in_steps(store, chosen)
        return success({"dry_run": dry_run, "groups": [group.labels for group in chosen]})

    def _push(self, _query: _Query, headers: _Headers, body: bytes, peer: Peer) -> Steps:
        encoding = headers.get("content-encoding", "")
        text = yield from unpack_in_steps(body, encoding, self._config.max_body_size)
        count = yield from push_in_steps(self._gateway, text, peer, self._config)
        return success({"groups": count})

    def _wipe(
        self,
        _query: _Query,
        _headers: _Headers,
        _body: bytes,
        _peer: Peer,
    ) -> Generator[None, None, Answer]:
        store = self._gateway.store
        yield from _delete_in_steps(store, store.groups())
        return ACCEPTED


def _delete_in_steps(store: Store, groups: Iterable[Group]) -> Generator[None, None, None]:
    for count, group in enumerate(groups, 1):
        store.delete(group)
        if count % _GROUPS_A_STEP == 0:
            yield


def _selected(labels: Mapping[str, str], selectors: list[Selector]) -> bool:
    return any(selector(labels) for selector in selectors)


def _flag(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise _bad("dry_run is 1 or 0")


def _bad(message: str) -> PayloadError:
    return PayloadError(message, reason="bad_request")
