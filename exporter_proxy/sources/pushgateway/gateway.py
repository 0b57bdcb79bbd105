"""Pushgateway's API as a source: groups, pushed over HTTP.

It knows no transport: :meth:`Gateway.handle` takes a request and returns its answer.
"""

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from urllib.parse import parse_qs

from exporter_proxy.access import Peer
from exporter_proxy.config import PushConfig
from exporter_proxy.errors import PayloadError, RejectReason
from exporter_proxy.payload.grouping import labels_of_path
from exporter_proxy.payload.ttl import parse_ttl
from exporter_proxy.sources.answers import TAKEN, Answer, Steps
from exporter_proxy.sources.base import SourceStats
from exporter_proxy.sources.pushgateway.answers import ACCEPTED, refused, wrong_method
from exporter_proxy.sources.pushgateway.bodies import Bodies
from exporter_proxy.sources.pushgateway.group import Group, Segment
from exporter_proxy.sources.pushgateway.shapes import Shape
from exporter_proxy.sources.pushgateway.store import SOURCE, Store
from exporter_proxy.sources.refusals import RefusalLog
from exporter_proxy.steps import all_at_once

Permit = Callable[[Peer, str], None]
"""Raises ForbiddenError if a peer may not write an app."""

_ALLOWED = "DELETE, OPTIONS, POST, PUT"
# A body that is read in one go: a millisecond or two.
_SMALL_BYTES = 131_072
_MOST_PATHS = 16_384
_SWEEP_SECONDS = 1.0
# What is text without a look at it: that of curl's --data-binary is one of them.
_TEXT_TYPES = ("text/", "application/x-www-form-urlencoded")
# What says nothing of the metrics.
_NO_FAILURES: frozenset[RejectReason] = frozenset({"app_over_rate", "bad_ttl", "too_many_apps"})


class Gateway:
    """Takes pushes to groups; a :class:`~exporter_proxy.sources.base.Source`.

    Args:
        store: Keeps the groups.

    Attributes:
        permit: Asked before anything is written.
    """

    permit: Permit

    def __init__(self, store: Store) -> None:
        self.name = SOURCE
        self.stats = SourceStats(kind="push")
        self.store = store
        self._bodies: Bodies
        # Groups by the paths that they were last pushed to.
        self._paths: dict[str, Group] = {}
        self._refusals: RefusalLog | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    def configure(self, config: PushConfig, permit: Permit) -> None:
        """Go by this from now on; groups stay as they are."""
        self.permit = permit
        self._bodies = Bodies(config.max_body_size, honor_timestamps=config.honor_timestamps)

    # What a source is.

    async def start(self) -> None:
        """Begin to take pushes."""
        self._refusals = RefusalLog(self.name)
        self._sweep()
        self.stats.listening = True

    def pause(self) -> None:
        """Do nothing: requests end with the scrape port."""

    async def stop(self, grace_seconds: float) -> None:  # noqa: ARG002 - nothing is under way here
        """Log what has not been logged. Idempotent."""
        self.stats.listening = False
        if self._refusals is not None:
            self._refusals.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def _sweep(self) -> None:
        self.store.sweep()
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)

    # Pushes.

    def handle(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, peer: Peer
    ) -> Answer | Steps:
        """Answer a request for a group.

        Args:
            method: As it came.
            target: Path and query, percent-encoded; begins with ``/metrics/job``.
            headers: By names in lower case.
            body: All of it, as it came.
            peer: Who sends it.

        Returns:
            The answer; for a large body steps to it, of some milliseconds each, between which
            others may be served. What is pushed is there when it is returned, not before.

        Raises:
            ForbiddenError: The sender may not; as the steps may.
        """
        if method in {"PUT", "POST"} and len(body) <= _SMALL_BYTES:
            group = self._paths.get(target)
            if group is not None and self._push_as_before(method, group, headers, body, peer):
                return TAKEN
        steps = self._steps(method, target, headers, body, peer)
        # What is compressed is small until it is unpacked.
        if len(body) > _SMALL_BYTES or "content-encoding" in headers:
            return steps
        return all_at_once(steps)

    def _push_as_before(
        self, method: str, group: Group, headers: Mapping[str, str], body: bytes, peer: Peer
    ) -> bool:
        """Take a push that brings other values of the same series; False: it is another one."""
        segments, store = group.segments, self.store
        if (
            (method == "PUT" and len(segments) > 1)
            or group.ttl is not None
            or "x-ttl" in headers
            or "content-encoding" in headers
            or not headers.get("content-type", "text/").startswith(_TEXT_TYPES)
            or b"\0" in body
            or store.looks
            or not store.is_there(group)
        ):
            return False
        _, shape = self._bodies.known(body)
        place = _place(segments, shape)
        if place is None or shape is None:
            return False
        self.permit(peer, group.app)
        now = store.wall()
        store.replace(group, place, Segment((body,), shape, now))
        self.count(1, now)
        return True

    def _steps(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, peer: Peer
    ) -> Steps:
        path, _, query = target.partition("?")
        if method not in {"PUT", "POST", "DELETE"}:
            return wrong_method(method, _ALLOWED)
        try:
            group = self.store.group(labels_of_path(path))
            self.permit(peer, group.app)
            if method == "DELETE":
                self.store.delete(group)
                return ACCEPTED
            ttl = parse_ttl(group.app, _asked_ttl(headers, query))
            group = yield from self._push(group, headers, body, ttl=ttl, replace=method == "PUT")
        except PayloadError as error:
            self.note(error, peer)
            return refused(error)
        if len(self._paths) >= _MOST_PATHS:
            self._paths.clear()
        self._paths[target] = group
        return TAKEN

    def _push(
        self,
        group: Group,
        headers: Mapping[str, str],
        body: bytes,
        *,
        ttl: float | None,
        replace: bool,
    ) -> Generator[None, None, Group]:
        """Push to a group, and return the one that was written."""
        store = self.store
        try:
            segment = yield from self.read(
                group,
                body,
                content_type=headers.get("content-type", ""),
                encoding=headers.get("content-encoding", ""),
            )
            planned = yield from store.plan_in_steps(group, segment, replace=replace)
        except PayloadError as error:
            self.fail(group, error)
            raise
        store.commit([planned._replace(ttl=ttl)])
        self.count(1, segment.pushed_at)
        return planned.group

    def read(
        self, group: Group, body: bytes, *, content_type: str = "", encoding: str = ""
    ) -> Generator[None, None, Segment]:
        """Read a body for a group, in steps.

        Raises:
            PayloadError: It is refused.
        """
        return (
            yield from self._bodies.read(group, body, content_type, encoding, self.store.wall())
        )

    def fail(self, group: Group, error: PayloadError) -> None:
        """Take note that what was pushed to a group is refused."""
        if error.reason not in _NO_FAILURES:
            self.store.fail(group.labels, str(error))

    def count(self, pushes: int, now: float) -> None:
        """Count what was taken, at a moment in seconds since the epoch."""
        self.stats.updates += pushes
        self.stats.last_success_ns = int(now * 1e9)

    def refused(self, error: PayloadError) -> Answer:
        """Return the answer to what is refused."""
        return refused(error)

    def note(self, error: PayloadError, peer: Peer) -> None:
        """Count and log a refused request."""
        self.stats.rejected[error.reason] += 1
        self.stats.fail(str(error))
        if self._refusals is not None:
            self._refusals.note(error, peer.address or "unix")


def _place(segments: Sequence[Segment], shape: Shape | None) -> int | None:
    """Return where the segment of a shape is whose payload is its body; None: there is none."""
    for place, segment in enumerate(segments):
        if segment.shape is shape and not segment.findings and not segment.openmetrics:
            return place
    return None


def _asked_ttl(headers: Mapping[str, str], query: str) -> str | None:
    asked = headers.get("x-ttl")
    if asked is None and query:
        asked = parse_qs(query, keep_blank_values=True).get("ttl", [None])[-1]
    return asked
