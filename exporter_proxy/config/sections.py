"""The sections of ``config.toml``, one class each, every default visible on its field.

Durations are seconds and sizes bytes, however the file wrote them.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from exporter_proxy.config.access import ACCESS, AccessConfig
from exporter_proxy.config.apps import APPS, AppConfig
from exporter_proxy.config.endpoints import EndpointConfig, EndpointList, ScrapeSettings
from exporter_proxy.config.kinds import (
    NEVER,
    Age,
    Boolean,
    Duration,
    Integer,
    Size,
    UnfitError,
)
from exporter_proxy.config.labels import APP_LABEL, LABELS
from exporter_proxy.config.limits import ON_EXPIRE, RATE, SAMPLES, SIZE
from exporter_proxy.config.logs import LOGS, LogConfig
from exporter_proxy.config.modules import MODULES, ModuleConfig
from exporter_proxy.config.push import PushConfig
from exporter_proxy.config.tables import Section, Written, kinds_of
from exporter_proxy.config.texts import (
    Choice,
    FileMode,
    ListenAddress,
    OptionalPath,
    Path,
    SocketPath,
    String,
    Target,
)
from exporter_proxy.config.values import Address

SCRAPE_ADDRESS = Address("0.0.0.0", 6555)  # noqa: S104 - the scrape port is there for others
RECEIVER_ADDRESS = Address("127.0.0.1", 6554)


def _check_account(text: str) -> str:
    if not text or not text.isprintable():
        raise UnfitError
    return text


_USER = String('the name of a user, or "current_user"', _check_account)
_GROUP = String('the name of a group, or "current_group"', _check_account)


@dataclass(frozen=True, slots=True)
class ExporterConfig:
    """``[exporter]``: the table, the page, and the port that shows them.

    Attributes:
        worker_threads: Extra workers for large payloads and pages.
        concurrent_requests: Connections at once, for each receiver.
        scrape_expose_endpoint: The scrape port.
        max_apps: How many apps the table takes.
        expire_after: Seconds after which an app that sent nothing expires; infinite: never.
        on_expire: What becomes of it then: its metrics are dropped, or stay and it is said to be
            down.
        app_max_samples: Samples of an update of any app; 0: no limit.
        app_max_bytes: Bytes of an update of any app; 0: no limit.
        app_max_updates_per_second: Updates of any app that pushes, on average; 0: no limit.
        forget_after: Seconds for which it is still said of a dropped app that it is down.
        state_file: Where the table is kept for the next start; empty: nowhere.
        exposition: How payloads become a page.
        invalid_metrics: What becomes of metric families that can't be read.
        app_label: Name of a label with the app's name for every sample; empty: none.
        extra_labels: Labels for every sample of every app.
        override_labels: Whether labels that are given to samples replace those that they have.
        scrape_timeout: Seconds that a reader of a page may take.
        header_timeout: Seconds that the head of a request to the scrape port may take, or the first
            bytes of a message there.
        self_metrics: Whether the proxy's own metrics are exposed.
        self_metrics_interval: Seconds for which a rendering of them is served.
        web_config_file: Certificates, users and headers of the scrape port, in the format of the
            exporter-toolkit; empty: it speaks plain HTTP with anyone.
        sd_target: Where Prometheus finds the scrape port, for ``/sd``; empty: where it asks for it.
        enable_lifecycle: Whether POST on ``/-/reload`` and ``/-/quit`` is obeyed.
    """

    worker_threads: Annotated[int, Integer(0, 1024)] = 0
    concurrent_requests: Annotated[int, Integer(1, 1_000_000)] = 2048
    scrape_expose_endpoint: Annotated[Address, ListenAddress(6555)] = SCRAPE_ADDRESS
    max_apps: Annotated[int, Integer(1, 100_000_000)] = 100_000
    expire_after: Annotated[float, Age()] = NEVER
    on_expire: Annotated[Literal["drop", "mark"], ON_EXPIRE] = "drop"
    app_max_samples: Annotated[int, SAMPLES] = 0
    app_max_bytes: Annotated[int, SIZE] = 0
    app_max_updates_per_second: Annotated[float, RATE] = 0.0
    forget_after: Annotated[float, Duration(0, '3600 or "24h"')] = 86400.0
    state_file: Annotated[str, OptionalPath()] = ""
    exposition: Annotated[Literal["verbatim", "merged"], Choice("verbatim", "merged")] = "merged"
    invalid_metrics: Annotated[
        Literal["quarantine", "expose", "reject"], Choice("quarantine", "expose", "reject")
    ] = "quarantine"
    app_label: Annotated[str, APP_LABEL] = ""
    extra_labels: Annotated[dict[str, str], LABELS] = field(default_factory=dict)
    override_labels: Annotated[bool, Boolean()] = False
    scrape_timeout: Annotated[float, Duration(0.001, '30 or "1m"')] = 30.0
    header_timeout: Annotated[float, Duration(0.001, '10 or "1m"')] = 10.0
    self_metrics: Annotated[bool, Boolean()] = True
    self_metrics_interval: Annotated[float, Duration(0, '5 or "1m"')] = 5.0
    web_config_file: Annotated[str, OptionalPath()] = ""
    sd_target: Annotated[str, Target()] = ""
    enable_lifecycle: Annotated[bool, Boolean()] = False


@dataclass(frozen=True, slots=True)
class ReceiverConfig:
    """``[receiver]``: the sockets that applications push to.

    Attributes:
        format: What is understood; ``"auto"`` tells it by the first bytes.
        receive_on_unix_socket: Whether there is a Unix socket.
        receiver_unix_socket: Its path; None: the first usable place.
        unix_socket_user: Its owner.
        unix_socket_group: Its group.
        unix_socket_mode: Its permissions.
        receive_on_tcp_socket: Whether there is a TCP port.
        receiver_tcp_socket: Its address.
        receive_on_scrape_port: Whether the scrape port takes messages without HTTP, in any format.
        max_message_size: Bytes of one message.
        max_buffered: Bytes of all unfinished messages together; beyond it reading pauses.
        message_timeout: Seconds that a message may take once begun.
        idle_timeout: Seconds that an open connection may be silent between messages.
        expire_after: Seconds after which an app that sent nothing expires; infinite: never;
            None: ``exporter.expire_after``.
        on_expire: What becomes of it then; None: ``exporter.on_expire``.
        tls_cert_file: Certificate of the TCP port; None: it speaks no TLS.
        tls_key_file: The certificate's key.
        tls_client_ca_file: Authorities that a peer's certificate must come from; None: peers need
            none.
        tls_min_version: The oldest TLS that is spoken.
    """

    format: Annotated[Literal["json", "capnp", "auto"], Choice("json", "capnp", "auto")] = "json"
    receive_on_unix_socket: Annotated[bool, Boolean()] = True
    receiver_unix_socket: Annotated[str | None, SocketPath()] = None
    unix_socket_user: Annotated[str, _USER] = "current_user"
    unix_socket_group: Annotated[str, _GROUP] = "current_group"
    unix_socket_mode: Annotated[int, FileMode()] = 0o660
    receive_on_tcp_socket: Annotated[bool, Boolean()] = True
    receiver_tcp_socket: Annotated[Address, ListenAddress(6554)] = RECEIVER_ADDRESS
    receive_on_scrape_port: Annotated[bool, Boolean()] = False
    max_message_size: Annotated[int, Size()] = 64 * 2**20
    max_buffered: Annotated[int, Size()] = 256 * 2**20
    message_timeout: Annotated[float, Duration(0.001, '10 or "1m"')] = 10.0
    idle_timeout: Annotated[float, Duration(0.001, '300 or "5m"')] = 300.0
    expire_after: Annotated[float | None, Age()] = None
    on_expire: Annotated[Literal["drop", "mark"] | None, ON_EXPIRE] = None
    tls_cert_file: Annotated[str | None, Path()] = None
    tls_key_file: Annotated[str | None, Path()] = None
    tls_client_ca_file: Annotated[str | None, Path()] = None
    tls_min_version: Annotated[Literal["TLS12", "TLS13"], Choice("TLS12", "TLS13")] = "TLS12"


def _check_receiver(written: Written, key: str) -> list[str]:
    return _check_sizes(written, key) + _check_tls(written, key)


def _check_tls(written: Written, key: str) -> list[str]:
    """Tell which keys of TLS lack a certificate or its key."""
    has = [name for name in written.raw if name.startswith("tls_")]
    missing = [name for name in ("tls_cert_file", "tls_key_file") if name not in has]
    if not missing:
        return []
    return [f"{key}.{name}: can't be used without {' and '.join(missing)}" for name in has]


def _check_sizes(written: Written, key: str) -> list[str]:
    defaults, sizes = ReceiverConfig(), ("max_message_size", "max_buffered")
    message, buffered = (written.values.get(name, getattr(defaults, name)) for name in sizes)
    known = all(name in written.values or name not in written.raw for name in sizes)
    if known and buffered < message:
        # such a message could never be finished
        limit = f"must be at least max_message_size, which is {message} bytes"
        return [f"{key}.max_buffered: {buffered}: {limit}"]
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class PollConfig(ScrapeSettings):
    """``[poll_external]``: endpoints that the proxy scrapes; see :class:`ScrapeSettings`.

    Attributes:
        poll_other_scrape_endpoints: Whether it does.
        other_scrape_endpoints: Which.
    """

    poll_other_scrape_endpoints: Annotated[bool, Boolean()] = False
    other_scrape_endpoints: Annotated[tuple[EndpointConfig, ...], EndpointList()] = ()


class PollSection(Section[PollConfig]):
    """``[poll_external]``, each endpoint filled up with what the section says."""

    def read(self, value: object, key: str) -> PollConfig:
        """See :meth:`Kind.read`."""
        values = self.read_keys(value, key)
        endpoints = values.pop("other_scrape_endpoints", ())
        shared = {name: values[name] for name in kinds_of(ScrapeSettings) if name in values}
        return PollConfig(
            **values,
            other_scrape_endpoints=tuple(EndpointConfig(**shared | own) for own in endpoints),
        )


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration.

    Attributes:
        apps: The ``[[app]]`` sections, in their order.
        access: The ``[[access]]`` sections, in their order.
        logs: The ``[[log]]`` sections, in their order.
        modules: The ``[[module]]`` sections, in their order.
    """

    exporter: Annotated[
        ExporterConfig,
        Section(ExporterConfig, expected="a section, written [exporter]", place="[exporter]"),
    ] = field(default_factory=ExporterConfig)
    receiver: Annotated[
        ReceiverConfig,
        Section(ReceiverConfig, _check_receiver, "a section, written [receiver]", "[receiver]"),
    ] = field(default_factory=ReceiverConfig)
    poll_external: Annotated[
        PollConfig,
        PollSection(
            PollConfig, expected="a section, written [poll_external]", place="[poll_external]"
        ),
    ] = field(default_factory=PollConfig)
    push: Annotated[
        PushConfig,
        Section(PushConfig, expected="a section, written [push]", place="[push]"),
    ] = field(default_factory=PushConfig)
    apps: Annotated[tuple[AppConfig, ...], APPS] = ()
    access: Annotated[tuple[AccessConfig, ...], ACCESS] = ()
    logs: Annotated[tuple[LogConfig, ...], LOGS] = ()
    modules: Annotated[tuple[ModuleConfig, ...], MODULES] = ()
