"""``POST /api/v1/push``: many groups in one JSON document, all or none."""

from collections.abc import Generator, Sequence
from typing import NamedTuple

import msgspec

from exporter_proxy.access import Peer
from exporter_proxy.config import PushConfig
from exporter_proxy.errors import PayloadError, quote
from exporter_proxy.payload.grouping import check_labels
from exporter_proxy.payload.ttl import parse_ttl
from exporter_proxy.sources.pushgateway.gateway import Gateway
from exporter_proxy.sources.pushgateway.group import Group, Planned, Segment

# Groups that are read before the event loop is served: a millisecond or so.
_GROUPS_A_STEP = 32


class _Push(msgspec.Struct, forbid_unknown_fields=True):
    """A push to one group.

    Attributes:
        labels: Its grouping key.
        metrics: Exposition text, or its lines.
        replace: Whether all that the group has is replaced, as PUT does; else as POST does.
        ttl: How long it lives.
    """

    labels: dict[str, str]
    metrics: str | list[str] = ""
    replace: bool = True
    ttl: float | str | None = None


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    groups: list[_Push]


class _Read(NamedTuple):
    """A push whose metrics were read."""

    group: Group
    segment: Segment
    replace: bool
    ttl: float | None


def push_in_steps(
    gateway: Gateway, body: bytes, peer: Peer, config: PushConfig
) -> Generator[None, None, int]:
    """Take all pushes of a document, or none; return how many groups there were.

    Args:
        gateway: Takes them.
        body: The document.
        peer: Its sender.
        config: Has its limits: decoding takes some 7 ms for each MiB, taking over the groups some
            10 ms for a thousand, both in one go.

    Raises:
        PayloadError: What is wrong with the first group that can't be taken.
        ForbiddenError: The sender may not write one of them.
    """
    document = _decode(body, config)
    yield
    read: list[_Read] = []
    seen: set[str] = set()
    for count, push in enumerate(document.groups, 1):
        if count % _GROUPS_A_STEP == 0:
            yield
        group = gateway.store.group(check_labels(push.labels))
        gateway.permit(peer, group.app)
        if group.app in seen:
            error = PayloadError("it is there twice", reason="bad_request")
            raise _of(group, error)
        seen.add(group.app)
        try:
            read.append((yield from _read(gateway, group, push)))
        except PayloadError as error:
            gateway.fail(group, error)
            raise _of(group, error) from error
    _commit(gateway, read)
    gateway.count(len(read), gateway.store.wall())
    return len(read)


def _read(gateway: Gateway, group: Group, push: _Push) -> Generator[None, None, _Read]:
    ttl = parse_ttl(group.app, push.ttl)
    text = push.metrics if isinstance(push.metrics, str) else "\n".join(push.metrics)
    segment = yield from gateway.read(group, text.encode(errors="surrogatepass"))
    yield from gateway.store.plan_in_steps(group, segment, replace=push.replace)
    return _Read(group, segment, push.replace, ttl)


def _decode(body: bytes, config: PushConfig) -> _Document:
    if len(body) > config.max_document_size:
        raise PayloadError(
            f"the document is larger than {config.max_document_size} bytes "
            "(push.max_document_size): send several",
            reason="message_too_large",
        )
    try:
        document = msgspec.json.decode(body, type=_Document)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise PayloadError(f"can't read the JSON: {error}", reason="malformed_json") from error
    if not document.groups:
        raise PayloadError("the document has no groups", reason="empty_message")
    if len(document.groups) > config.max_groups:
        raise PayloadError(
            f"the document has {len(document.groups)} groups, more than {config.max_groups} "
            "(push.max_groups): send several",
            reason="message_too_large",
        )
    return document


def _commit(gateway: Gateway, read: Sequence[_Read]) -> None:
    """Check all pushes against the groups and each other, and take them over; at once."""
    store = gateway.store
    before: list[Planned] = []
    for each in read:
        # Others had their turns since the bodies were read.
        group = store.current(each.group)
        try:
            plan = store.plan(group, each.segment, replace=each.replace)
        except PayloadError as error:
            store.take_back(before)
            gateway.fail(group, error)
            raise _of(group, error) from error
        before.append(store.enter(plan._replace(ttl=each.ttl)))
    store.write(before)


def _of(group: Group, error: PayloadError) -> PayloadError:
    return PayloadError(f"the group {quote(group.app, 200)}: {error}", reason=error.reason)
