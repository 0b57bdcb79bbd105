"""``[push]``: what is written over the scrape port."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from exporter_proxy.config.access import Network
from exporter_proxy.config.kinds import Age, Boolean, Integer, Size
from exporter_proxy.config.limits import ON_EXPIRE
from exporter_proxy.config.tables import ListOf

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network


@dataclass(frozen=True, slots=True)
class PushConfig:
    """``[push]``: what is written over the scrape port.

    Attributes:
        allow_from: Networks from which it may be written, besides this machine.
        pushgateway_api: Whether Pushgateway's paths are answered.
        app_api: Whether ``/push/<app>`` is answered.
        enable_admin_api: Whether all groups can be deleted at once.
        honor_timestamps: Whether samples that are pushed there may have timestamps.
        max_body_size: Bytes of a request's body, unpacked.
        max_document_size: Bytes of a document of many groups, which is decoded in one go.
        max_groups: Groups of such a document, which are taken over in one go.
        expire_after: Seconds after which a group that got nothing expires; infinite: never;
            None: ``exporter.expire_after``.
        on_expire: What becomes of it then; None: ``exporter.on_expire``.
    """

    allow_from: Annotated[
        "tuple[IPv4Network | IPv6Network, ...]",
        ListOf(Network(), 'a list of networks, such as ["10.0.0.0/8"]'),
    ] = ()
    pushgateway_api: Annotated[bool, Boolean()] = True
    app_api: Annotated[bool, Boolean()] = True
    enable_admin_api: Annotated[bool, Boolean()] = False
    honor_timestamps: Annotated[bool, Boolean()] = False
    max_body_size: Annotated[int, Size()] = 64 * 2**20
    max_document_size: Annotated[int, Size()] = 2 * 2**20
    max_groups: Annotated[int, Integer(1, 100_000)] = 1000
    expire_after: Annotated[float | None, Age()] = None
    on_expire: Annotated[Literal["drop", "mark"] | None, ON_EXPIRE] = None
