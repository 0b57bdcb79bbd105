"""What the configuration says of access, put to use: read, asked, and swapped while it runs."""

import base64
import binascii
import logging
import pwd
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from exporter_proxy.access.passwords import BusyError, Passwords
from exporter_proxy.access.peers import Peer
from exporter_proxy.access.policy import Grant, Policy, Refusal, RefusalReason
from exporter_proxy.access.rate import RateLimiter
from exporter_proxy.access.tls_context import TlsContexts, TlsError
from exporter_proxy.access.tls_settings import Pem, TlsSettings
from exporter_proxy.access.tokens import Tokens
from exporter_proxy.access.watched import ReloadStats
from exporter_proxy.changes import Change
from exporter_proxy.config import AccessConfig, Config, ReceiverConfig, Right
from exporter_proxy.errors import ConfigError, quote
from exporter_proxy.repeats import Throttle

if TYPE_CHECKING:
    from exporter_proxy.access.web_file import WebFile

logger = logging.getLogger(__name__)

_MAX_HEADER = 16_384


class RefusedError(Exception):
    """A request is refused before anyone asks what it wants."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class AccessStats:
    """Plain counters, read by the self-metrics when they are rendered.

    Attributes:
        refused: HTTP requests, by reason.
        reloads: How reading files again went.
    """

    __slots__ = ("refused", "reloads")

    def __init__(self) -> None:
        self.refused: Counter[RefusalReason] = Counter(dict.fromkeys(get_args(RefusalReason), 0))
        self.reloads = ReloadStats()


@dataclass(slots=True, kw_only=True)
class _State:
    """All that one configuration says."""

    config: Config
    web: "WebFile | None"
    tokens: Tokens
    receiver_tls: TlsContexts | None
    grants: tuple[Grant, ...]
    reloads: ReloadStats


class Access:
    """Who may do what, now.

    Args:
        config: The configuration.
        monotonic: A clock, in seconds.

    Attributes:
        stats: Counters, which outlive a swap.
        active: Whether HTTP requests that read have to be looked at.
        headers: For every HTTP response.
        policy: Who may do what.

    Raises:
        ConfigError: A file that it names can't be used; one line for each mistake.
    """

    def __init__(self, config: Config, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.stats = AccessStats()
        self._monotonic = monotonic
        self._throttle: Throttle[tuple[str, RefusalReason]] = Throttle(_tell)
        self._passwords = Passwords({})
        self._limiter: RateLimiter | None = None
        self._generation = 0
        self.active = False
        self.headers: dict[str, str] = {}
        self.policy = Policy()
        self._state: _State
        self.replace(self.read(config))

    # Swapping.

    def read(self, config: Config) -> _State:
        """Return what ``config`` says, ready for :meth:`replace`; nothing changes yet.

        Raises:
            ConfigError: A file that it names can't be used; one line for each mistake.
        """
        problems: list[str] = []
        reloads = ReloadStats()
        web = tokens = receiver_tls = None
        path = config.exporter.web_config_file
        try:
            web = self._read_web_file(path, reloads) if path else None
        except ConfigError as exc:
            problems += exc.problems
        try:
            tokens = _tokens(config, reloads, self._monotonic)
        except ValueError as exc:
            problems += exc.args
        try:
            settings = _receiver_settings(config.receiver)
            if settings is not None:
                receiver_tls = TlsContexts(
                    settings, "receiver_certificates", reloads, self._monotonic
                )
        except TlsError as exc:
            problems += exc.args
        # Of a file that can't be read nobody knows who is in it.
        users = set() if web is None else set(web.config.basic_auth_users)
        judged = None if path and web is None else users
        grants, wrong = _grants(config.access, judged)
        problems += wrong
        if problems:
            raise ConfigError(problems)
        assert tokens is not None
        return _State(
            config=config,
            web=web,
            tokens=tokens,
            receiver_tls=receiver_tls,
            grants=grants,
            reloads=reloads,
        )

    async def prepare(self, new: Config) -> Change:
        """Read what ``new`` says; nothing changes yet.

        Raises:
            ConfigError: A file that it names can't be used; one line for each mistake.
        """
        state = self.read(new)
        return Change(lambda: self.replace(state))

    def _read_web_file(self, path: str, reloads: ReloadStats) -> "WebFile":
        # Its format is needed by those who have one.
        from exporter_proxy.access.web_file import WebFile  # noqa: PLC0415

        return WebFile(path, reloads, self._monotonic)

    def replace(self, state: _State) -> None:
        """Go by another configuration from now on. Verdicts about passwords are kept."""
        self._state = state
        # What failed before is counted still.
        state.reloads.failures = self.stats.reloads.failures | {
            what: self.stats.reloads.failures.get(what, 0) for what in state.reloads.successful
        }
        self.stats.reloads = state.reloads
        self._apply()

    def _apply(self) -> None:
        state = self._state
        web = state.web
        users = {} if web is None else web.config.basic_auth_users
        self._generation = 0 if web is None else web.generation
        self._passwords.replace({name: hashed.reveal() for name, hashed in users.items()})
        self._limiter = None
        self.headers = {}
        if web is not None:
            limit = web.config.rate_limit
            if limit.interval:
                self._limiter = RateLimiter(limit.interval, limit.burst, self._monotonic)
            headers = web.config.http_server_config.headers
            self.headers = {name: value for name, value in headers.items() if value}
        # A web configuration file may get users while we run.
        self.active = web is not None or bool(state.grants)
        self.policy = Policy(
            state.grants,
            users=bool(users),
            web_file=web is not None,
            networks=state.config.push.allow_from,
        )

    def close(self) -> None:
        """End the thread that checks passwords, and log what has not been logged."""
        self._passwords.close()
        self._throttle.close()

    # Asking.

    def refusal(
        self, peer: Peer, right: Right, app: str | None = None, *, raw: bool = False
    ) -> Refusal | None:
        """Return why ``peer`` may not do something, None if it may: see :meth:`Policy.refusal`."""
        self._refresh()
        return self.policy.refusal(peer, right, app, raw=raw)

    async def identify(self, peer: Peer, authorization: str | None) -> Peer:
        """Return ``peer`` with what its ``Authorization`` header proves.

        Raises:
            RefusedError: It proves nothing, or there are too many requests.
        """
        self._refresh()
        if self._limiter is not None and not self._limiter.allows():
            raise RefusedError(Refusal("rate_limit", "too many requests (rate_limit)", 429))
        scheme, credentials = self._asked_for(authorization)
        if scheme == "basic":
            return _with_user(peer, await self._user(credentials, peer))
        if scheme == "bearer":
            found = self._places(credentials)
            if not found:
                raise RefusedError(Refusal("wrong_credentials", "nobody has this token", 401))
            return _with_tokens(peer, found)
        return peer

    def identify_at_once(self, peer: Peer, authorization: str | None) -> Peer | None:
        """Return what :meth:`identify` does, if that is known already; None: it isn't.

        Nor is it if requests are counted, or the answer has headers of the operator.
        """
        if not self.active:
            return peer
        self._refresh()
        if self._limiter is not None or self.headers:
            return None
        scheme, credentials = self._asked_for(authorization)
        if scheme == "basic":
            found = _name_and_password(credentials)
            known = found is not None and self._passwords.is_right(*found)
            return _with_user(peer, found[0]) if found is not None and known else None
        if scheme == "bearer":
            places = self._places(credentials)
            return _with_tokens(peer, places) if places else None
        return peer

    def _asked_for(self, authorization: str | None) -> tuple[str, str]:
        """Return scheme and credentials; nothing of those that nobody asks for.

        They prove nothing, and do no harm.
        """
        if authorization is None:
            return "", ""
        scheme, _, rest = authorization.partition(" ")
        scheme = scheme.lower()
        return (scheme, rest.strip()) if scheme.title() in self.policy.challenges else ("", "")

    def _places(self, token: str) -> frozenset[int]:
        return self._state.tokens.find(token) if len(token) <= _MAX_HEADER else frozenset()

    def note(self, peer: Peer, refusal: Refusal, what: str) -> None:
        """Count and log a refused HTTP request.

        Args:
            peer: Whose.
            refusal: Why.
            what: Its method and path.
        """
        self.stats.refused[refusal.reason] += 1
        who = peer.address or (f"uid {peer.uid}" if peer.uid is not None else "unix")
        logger.log(
            logging.WARNING if self._throttle.is_first((who, refusal.reason)) else logging.DEBUG,
            "request refused: peer=%s: %s: %s",
            who,
            what,
            refusal.message,
        )

    def scrape_tls(self) -> TlsContexts | None:
        """Return what makes contexts for the scrape port; None: it speaks no TLS."""
        web = self._state.web
        return None if web is None else web.tls()

    def receiver_tls(self) -> TlsContexts | None:
        """Return what makes contexts for the TCP receiver; None: it speaks no TLS."""
        return self._state.receiver_tls

    async def _user(self, credentials: str, peer: Peer) -> str:
        found = _name_and_password(credentials)
        wrong = Refusal("wrong_credentials", "the name or the password is wrong", 401)
        if found is None:
            raise RefusedError(wrong)
        user, password = found
        try:
            right = await self._passwords.verify(user, password, peer.address or str(peer.uid))
        except BusyError:
            line = "too many passwords are being checked: try again in a moment"
            raise RefusedError(Refusal("busy", line, 503)) from None
        if not right:
            raise RefusedError(wrong)
        return user

    def refresh(self) -> None:
        """Read what has changed of all files, which otherwise waits until it is needed."""
        self._refresh()
        self._state.tokens.refresh()
        for contexts in (self.scrape_tls(), self.receiver_tls()):
            if contexts is not None:
                contexts.current()

    def _refresh(self) -> None:
        web = self._state.web
        if web is not None:
            web.refresh()
            if web.generation != self._generation:
                self._apply()


def _tell(kind: tuple[str, RefusalReason] | None, count: int) -> None:
    requests = "request" if count == 1 else "requests"
    if kind is None:
        logger.warning("%d more %s of other peers refused", count, requests)
    else:
        logger.warning("%d more %s refused: peer=%s reason=%s", count, requests, *kind)


def _with_user(peer: Peer, user: str) -> Peer:
    return Peer(address=peer.address, uid=peer.uid, certificate=peer.certificate, user=user)


def _with_tokens(peer: Peer, places: frozenset[int]) -> Peer:
    return Peer(address=peer.address, uid=peer.uid, certificate=peer.certificate, tokens=places)


def _name_and_password(credentials: str) -> tuple[str, str] | None:
    """Return what a header of RFC 7617 says, or None if it says nothing."""
    if len(credentials) > _MAX_HEADER:
        return None
    try:
        text = base64.b64decode(credentials, validate=True).decode(errors="surrogateescape")
    except (binascii.Error, ValueError):
        return None
    user, colon, password = text.partition(":")
    return (user, password) if colon else None


def _tokens(config: Config, reloads: ReloadStats, monotonic: Callable[[], float]) -> Tokens:
    given, files = {}, {}
    for place, entry in enumerate(config.access):
        if entry.bearer_token is not None:
            given[place] = entry.bearer_token
        if entry.bearer_token_file is not None:
            files[place] = entry.bearer_token_file
    return Tokens(given, files, reloads, monotonic)


def _receiver_settings(config: ReceiverConfig) -> TlsSettings | None:
    if config.tls_cert_file is None or not config.receive_on_tcp_socket:
        return None
    authorities = config.tls_client_ca_file
    return TlsSettings(
        cert=Pem("receiver.tls_cert_file", path=config.tls_cert_file),
        key=Pem("receiver.tls_key_file", path=config.tls_key_file),
        client_auth="NoClientCert" if authorities is None else "RequireAndVerifyClientCert",
        client_ca=(
            None if authorities is None else Pem("receiver.tls_client_ca_file", path=authorities)
        ),
        min_version=config.tls_min_version,
        place="receiver.tls_",
    )


def _grants(
    entries: tuple[AccessConfig, ...], users: set[str] | None
) -> tuple[tuple[Grant, ...], list[str]]:
    """Return what entries give, and what is wrong with them.

    Args:
        entries: The ``[[access]]`` sections.
        users: Those of the web configuration file; None: not known.
    """
    grants: list[Grant] = []
    problems: list[str] = []
    for place, entry in enumerate(entries):
        uid = entry.peer_uid
        if isinstance(uid, str):
            try:
                uid = pwd.getpwnam(uid).pw_uid
            except (KeyError, ValueError):
                problems.append(f"access[{place}].peer_uid: {quote(uid)}: there is no such user")
                continue
        if entry.user is not None and users is not None and entry.user not in users:
            problems.append(
                f"access[{place}].user: {quote(entry.user)}: must be one of basic_auth_users in "
                "exporter.web_config_file"
            )
        grants.append(
            Grant(
                place=place,
                user=entry.user,
                uid=uid,
                rights=frozenset(entry.rights),
                matches=None if entry.apps is None else _matcher(entry.apps),
            )
        )
    return tuple(grants), problems


def _matcher(pattern: str) -> Callable[[str], bool]:
    import re2  # noqa: PLC0415 - only a configuration with patterns needs it

    compiled = re2.compile(pattern)

    def matches(app: str) -> bool:
        try:
            return compiled.fullmatch(app) is not None
        except UnicodeEncodeError:  # half a surrogate pair, which no name has
            return False

    return matches
