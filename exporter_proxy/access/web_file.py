"""Read the web configuration file, at the start and whenever it changes."""

import importlib.util
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from exporter_proxy.access.tls_context import TlsContexts, TlsError
from exporter_proxy.access.watched import FileError, ReloadStats, Watch, read_file
from exporter_proxy.access.web_format import WebConfig
from exporter_proxy.config.kinds import type_name
from exporter_proxy.config.tables import Section, kinds_of
from exporter_proxy.errors import ConfigError, quote

logger = logging.getLogger(__name__)

_WHAT = "web_config_file"
_TLS = "web_certificates"
_FORMAT = Section(WebConfig, expected="a mapping of keys")
_TLS_SECTION = kinds_of(WebConfig)["tls_server_config"]
# What a key of the format comes from, where people found it elsewhere.
_NEVER = {
    "basic_auth_excluded_paths": "is no key of the format; /-/healthy and /-/ready are open anyway"
}


class WebFile:
    """The web configuration file as it is now.

    When it changes and can't be used, what it said before stays, and the log says so once.

    Args:
        path: The file.
        reloads: Where it is told how reading it again went.
        monotonic: A clock, in seconds.

    Attributes:
        config: What it says.
        generation: Moves on when it says something else.

    Raises:
        ConfigError: With every mistake in it, each beginning with its path and its key.
    """

    def __init__(
        self,
        path: str,
        reloads: ReloadStats,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.generation = 0
        self._reloads = reloads
        self._monotonic = monotonic
        self._watch = Watch([path], monotonic)
        self.config, self._tls = self._read()
        reloads.add(_WHAT)

    def refresh(self) -> None:
        """Read it again if it has changed; it is looked at once a second at most."""
        if not self._watch.changed():
            return
        try:
            self.config, self._tls = self._read()
        except ConfigError as exc:
            for problem in exc.problems:
                logger.error("%s: what it said before stays in use", problem)  # noqa: TRY400
            self._reloads.note(_WHAT, successful=False)
            return
        self.generation += 1
        self._reloads.note(_WHAT, successful=True)
        logger.info("the web configuration file was read again: %s", self.path)

    def tls(self) -> TlsContexts | None:
        """Return what makes the context of a handshake that begins now; None: no TLS."""
        self.refresh()
        return self._tls

    def _read(self) -> tuple[WebConfig, TlsContexts | None]:
        try:
            document = read_document(self.path)
        except ConfigError as exc:
            raise self._error(exc.problems) from None
        config, problems = judge(document)
        tls = None
        try:
            tls = self._make_tls(document)
        except TlsError as exc:
            problems += exc.args
        if config is None or problems:
            raise self._error(problems)
        return config, tls

    def _error(self, problems: list[str]) -> ConfigError:
        return ConfigError([f"{self.path}: {problem}" for problem in problems])

    def _make_tls(self, document: dict[str, Any]) -> TlsContexts | None:
        """Return what makes contexts; None: no TLS, or the section says something wrong.

        Raises:
            TlsError: It can't be had.
        """
        try:
            section = _TLS_SECTION.read(document.get("tls_server_config", {}), "tls_server_config")
        except ConfigError:
            return None
        settings = section.settings(Path(self.path).parent)
        return settings and TlsContexts(settings, _TLS, self._reloads, self._monotonic)


def read(path: str) -> WebConfig:
    """Return what the file ``path`` says, without a look at its certificates.

    Raises:
        ConfigError: With every mistake in it, each beginning with its key.
    """
    config, problems = judge(read_document(path))
    if config is None or problems:
        raise ConfigError(problems)
    return config


def read_document(path: str) -> dict[str, Any]:
    """Return the document in the file ``path``: mappings with text for keys, without what is null.

    Raises:
        ConfigError: It can't be read, or is no such document.
    """
    missing = [name for name in ("yaml", "bcrypt") if importlib.util.find_spec(name) is None]
    if missing:
        packages = " and ".join({"yaml": "PyYAML"}.get(name, name) for name in missing)
        how = "pip install 'exporter-proxy[web]' (in a clone: pip install -r requirements/web.txt)"
        raise ConfigError([f"reading it needs {packages}: {how}"])
    try:
        content = read_file(path)
    except FileError as exc:
        raise ConfigError([f"can't be read: {exc}"]) from exc
    return _parse(content)


def judge(document: dict[str, Any]) -> tuple[WebConfig | None, list[str]]:
    """Return what ``document`` says, and what is wrong with it: each line begins with its key."""
    problems = [f"{name}: {why}" for name, why in _NEVER.items() if name in document]
    try:
        return _FORMAT.read({k: v for k, v in document.items() if k not in _NEVER}, ""), problems
    except ConfigError as exc:
        return None, problems + exc.problems


def _parse(content: bytes) -> dict[str, Any]:
    """See :func:`read_document`."""
    import yaml  # noqa: PLC0415 - of the extra "web"

    from exporter_proxy.access.web_yaml import DuplicateKeyError, load  # noqa: PLC0415

    try:
        document = load(content)
    except DuplicateKeyError as exc:
        raise ConfigError([str(exc)]) from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as exc:
        # The library's message quotes the line, in which a secret may be.
        mark = getattr(exc, "problem_mark", None)
        where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        raise ConfigError([f"{where}{_say(exc)}"]) from None
    document = {} if document is None else document
    if not isinstance(document, dict):
        raise ConfigError([f"{type_name(document)}: must be a mapping of keys, in YAML"])
    return _plain(document)


def _say(exc: Exception) -> str:
    problem = getattr(exc, "problem", None)
    # Of what it says, that which never holds a part of the file.
    known = isinstance(problem, str) and (
        problem.startswith("did not find expected ") or not {"'", '"'} & set(problem)
    )
    return f"not YAML: {problem}" if known else "not YAML"


def _plain(document: dict[Any, Any]) -> dict[str, Any]:
    found = {}
    for key, value in document.items():
        if value is None:
            continue
        name = key if isinstance(key, str) else quote(key).strip('"')
        found[name] = _plain(value) if isinstance(value, dict) else value
    return found
