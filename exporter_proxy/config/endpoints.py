"""What is polled: one URL or table of ``poll_external.other_scrape_endpoints`` each."""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from exporter_proxy.config.kinds import (
    Age,
    Boolean,
    Duration,
    Kind,
    Size,
    UnfitError,
    type_name,
)
from exporter_proxy.config.labels import LABELS, PATTERNS
from exporter_proxy.config.limits import ON_EXPIRE, SAMPLES, SIZE
from exporter_proxy.config.tables import Section, TableOf, Written, read_all
from exporter_proxy.config.texts import Choice, Path, SecretText, String
from exporter_proxy.config.urls import EndpointUrl, hide_user_info, split_url
from exporter_proxy.config.values import Secret
from exporter_proxy.errors import ConfigError, PayloadError, quote
from exporter_proxy.payload.names import MAX_NAME_CHARACTERS, check_name

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")


class Url(Kind[str]):
    """The URL of an endpoint."""

    expected = 'an HTTP or HTTPS URL, such as "http://127.0.0.1:9100/metrics"'

    def convert(self, value: object) -> str:
        """See :meth:`Kind.convert`."""
        if isinstance(value, str) and split_url(value) is not None:
            return value
        raise UnfitError

    def show(self, value: object) -> str:
        """Return ``value`` without user info, also where it lacks a scheme."""
        if isinstance(value, str):
            return quote(hide_user_info(value) if "://" in value else value.rpartition("@")[2])
        return super().show(value)


def _check_app(text: str) -> str:
    try:
        return check_name(text)
    except PayloadError:
        raise UnfitError from None


def _check_header_name(name: str) -> None:
    if not _HEADER_NAME.fullmatch(name):
        raise UnfitError("must be the name of an HTTP header, such as X-Scope-OrgID")


APP = String(
    "an app's name: 1 to 256 characters, none of them a control character, not . or ..", _check_app
)
AUTH = 'a table, such as { username = "prometheus", password_file = "/etc/password" }'
HEADERS = TableOf(
    SecretText("a header's value, without line breaks", one_line=True),
    'a table of headers, such as { X-Scope-OrgID = "team" }',
    _check_header_name,
)

POLL_SOURCE = "external_poll: "
"""What the source of every polled app begins with, as ``/apps`` shows it."""


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """A user's name and password; without either password key the password is empty."""

    username: Annotated[str, String("a user's name")]
    password: Annotated[Secret | None, SecretText()] = None
    password_file: Annotated[str | None, Path()] = None


def _check_basic_auth(written: Written, key: str) -> list[str]:
    if "password" in written.raw and "password_file" in written.raw:
        return [f"{key}: only one of password and password_file can be used"]
    return []


BASIC_AUTH = Section(BasicAuth, _check_basic_auth, AUTH, place="an endpoint's basic_auth")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeSettings:
    """How an endpoint is polled; each endpoint may differ from its section.

    Attributes:
        allow_invalid_certs: Whether a certificate that can't be verified is accepted.
        poll_interval: Seconds from one poll to the next.
        client_timeout: Seconds that a poll may take, connecting included.
        on_failure: What becomes of the last good metrics when a poll fails.
        max_body_size: Bytes of a page, after decompression.
        expire_after: Seconds after which an app without a good poll expires; None:
            ``exporter.expire_after``.
        on_expire: What becomes of it then; None: ``exporter.on_expire``.
        max_samples: Samples of a page; 0: no limit; None: ``exporter.app_max_samples``.
        max_bytes: Bytes of a page, once it has come; 0: no limit; None: ``exporter.app_max_bytes``.
    """

    allow_invalid_certs: Annotated[bool, Boolean()] = True
    poll_interval: Annotated[float, Duration(0.1, '5 or "1m"')] = 5.0
    client_timeout: Annotated[float, Duration(0.001, '2 or "500ms"')] = 2.0
    on_failure: Annotated[Literal["keep", "drop"], Choice("keep", "drop")] = "keep"
    max_body_size: Annotated[int, Size()] = 64 * 2**20
    expire_after: Annotated[float | None, Age()] = None
    on_expire: Annotated[Literal["drop", "mark"] | None, ON_EXPIRE] = None
    max_samples: Annotated[int | None, SAMPLES] = None
    max_bytes: Annotated[int | None, SIZE] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointConfig(ScrapeSettings):
    """An endpoint, with all that its section says filled in.

    Attributes:
        url: Without user info, which is in ``basic_auth``.
        name: The app that its metrics belong to.
        source: As ``/apps`` shows it.
        labels: Labels for every sample.
        override_labels: Whether ours replace those that a sample has; None:
            ``exporter.override_labels``.
        keep: Patterns of the metric families to keep; none: all.
        drop: Patterns of the metric families to leave out.
        honor_timestamps: Whether timestamps of samples are kept.
    """

    url: Annotated[str, Url()]
    name: Annotated[str, APP]
    source: str
    headers: Annotated[dict[str, Secret], HEADERS] = field(default_factory=dict)
    basic_auth: Annotated[BasicAuth | None, BASIC_AUTH] = None
    bearer_token_file: Annotated[str | None, Path()] = None
    ca_file: Annotated[str | None, Path()] = None
    labels: Annotated[dict[str, str], LABELS] = field(default_factory=dict)
    override_labels: Annotated[bool | None, Boolean()] = None
    keep: Annotated[tuple[str, ...], PATTERNS] = ()
    drop: Annotated[tuple[str, ...], PATTERNS] = ()
    honor_timestamps: Annotated[bool, Boolean()] = True


def check_endpoint(written: Written, key: str) -> list[str]:
    """Refuse a second way to authenticate, of which a server would see only one.

    One with a mistake in it is a way too: else this would be found only after its correction.
    """
    ways = [name for name in ("basic_auth", "bearer_token_file") if name in written.raw]
    url = split_url(written.values.get("url", ""))
    if url is not None and url.username is not None:
        ways.insert(0, "the URL's user info")
    headers = written.raw.get("headers")
    if isinstance(headers, dict):
        ways += [f"headers.{name}" for name in headers if name.lower() == "authorization"]
    if len(ways) > 1:
        return [f"{key}: only one of {' and '.join(ways)} can be used"]
    return []


class EndpointList(Kind[tuple[dict[str, Any], ...]]):
    """A list of endpoints, read as the arguments of :class:`EndpointConfig` that each one has.

    What an endpoint leaves out comes from its section, which is read apart.
    """

    expected = 'a list of URLs or tables, such as ["http://127.0.0.1:9100/metrics"]'

    def read(self, value: object, key: str) -> tuple[dict[str, Any], ...]:
        """See :meth:`Kind.read`."""
        if not isinstance(value, list):
            raise ConfigError([f"{key}: {_URL.show(value)}: must be {self.expected}"])
        found, problems = read_all(
            lambda index, item: (f"{key}[{index}]", _read_endpoint(item, f"{key}[{index}]")),
            enumerate(value),
        )
        problems += _name_endpoints(found)
        if problems:
            raise ConfigError(problems)
        return tuple(values for _, values in found)


def _read_endpoint(value: object, key: str) -> dict[str, Any]:
    if isinstance(value, dict):
        values = _ENDPOINT.read_keys(value, key)
    elif isinstance(value, str):
        values = {"url": _URL.read(value, key)}
    else:
        raise ConfigError([f"{key}: {type_name(value)}: must be a URL or a table with a url"])
    url = split_url(values["url"])
    assert url is not None
    values["url"] = url
    if url.username is not None:
        password = None if url.password is None else Secret(url.password)
        values["basic_auth"] = BasicAuth(url.username, password)
    return values


def _name_endpoints(found: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """Give each endpoint its source and name; return which can't have theirs."""
    shared = Counter(values["url"].address for _, values in found)
    owners: dict[str, str] = {}
    problems: list[str] = []
    for key, values in found:
        url: EndpointUrl = values["url"]
        path = url.target if shared[url.address] > 1 else ""
        source = f"{POLL_SOURCE}{url.address}{path}"
        name = values.setdefault("name", source)
        values |= {"url": url.url, "source": source}
        owner = owners.setdefault(name, key)
        if owner != key:
            problems.append(
                f"{key}: {quote(name)}: names the same app as {owner}: give one of them a name"
            )
        if len(name) > MAX_NAME_CHARACTERS:
            problems.append(
                f"{key}: {quote(name)}: has {len(name)} characters, an app's name at most "
                f"{MAX_NAME_CHARACTERS}: give it a name"
            )
    return problems


_URL = Url()
_ENDPOINT = Section(
    EndpointConfig,
    check_endpoint,
    place="[[poll_external.other_scrape_endpoints]]",
    optional=frozenset({"name"}),
)
