"""From a file to a :class:`~exporter_proxy.config.sections.Config`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exporter_proxy.config.kinds import join
from exporter_proxy.config.logs import log_conflicts
from exporter_proxy.config.sections import Config
from exporter_proxy.config.tables import belongs, kinds_of, read_all, suggest
from exporter_proxy.config.toml import parse
from exporter_proxy.errors import ConfigError, quote

VARIABLE = "EXPORTER_PROXY_CONFIG"
# Sections of which there may be several.
_PLURALS = {"app": "apps", "log": "logs", "module": "modules"}
_LISTS = frozenset({"app", "access", "log", "module"})
PLACES = (Path("config.toml"), Path("/etc/exporter-proxy/config.toml"))


def find_file(named: str | None = None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file to read: the one named, else the first there is, else None.

    A file named on the command line or in ``$EXPORTER_PROXY_CONFIG`` is returned whether it is
    there or not; only of the usual places one that is missing is passed over.
    """
    if named is not None:
        return Path(named)
    if environ.get(VARIABLE):
        return Path(environ[VARIABLE])
    return next((place for place in PLACES if os.path.lexists(place)), None)


def load(path: Path | None) -> Config:
    """Return the configuration in the file ``path``; None: the defaults.

    Raises:
        ConfigError: With every problem of the file, each beginning with its name.
    """
    if path is None:
        return Config()
    try:
        return read(parse(path))
    except ConfigError as exc:
        raise ConfigError([f"{path}: {problem}" for problem in exc.problems]) from None


def read(document: Mapping[str, object]) -> Config:
    """Return the configuration in ``document``, which is TOML already parsed.

    Raises:
        ConfigError: With every problem, each beginning with the key's full name.
    """
    sections, problems = read_all(_read_section, document.items())
    config = Config(**dict(sections))
    read_names = {name for name, _ in sections}
    # of a section with a mistake, its defaults would be judged
    if all(name in read_names or name not in document for name in ("exporter", "receiver")):
        problems += _conflicts(config)
    problems += log_conflicts(config.logs)
    if problems:
        raise ConfigError(problems)
    return config


def _conflicts(config: Config) -> list[str]:
    """Return what is wrong between keys of different sections."""
    return [*_port_conflicts(config), *_app_conflicts(config)]


def _app_conflicts(config: Config) -> list[str]:
    """Return which modules bring the metrics of an app that an endpoint brings, too."""
    poll = config.poll_external
    polled = {
        endpoint.name
        for endpoint in (poll.other_scrape_endpoints if poll.poll_other_scrape_endpoints else ())
    }
    return [
        f"module[{number}]: {quote(module.app_name)}: names the same app as an endpoint of "
        "poll_external.other_scrape_endpoints: give it another app"
        for number, module in enumerate(config.modules)
        if module.interval and module.app_name in polled
    ]


def _port_conflicts(config: Config) -> list[str]:
    scrape, receiver = config.exporter.scrape_expose_endpoint, config.receiver
    pushed = receiver.receiver_tcp_socket
    if receiver.receive_on_tcp_socket and pushed.overlaps(scrape):
        remedy = (
            f"must have another port than exporter.scrape_expose_endpoint, {quote(str(scrape))}"
        )
        return [f"receiver.receiver_tcp_socket: {quote(str(pushed))}: {remedy}"]
    return []


def _read_section(name: str, value: object) -> tuple[str, Any]:
    kinds = kinds_of(Config)
    # Each of several sections is called by the singular.
    kinds |= {singular: kinds.pop(field) for singular, field in _PLURALS.items()}
    kind = kinds.get(name)
    if kind is not None:
        return _PLURALS.get(name, name), kind.read(value, name)
    key = join("", name)
    if isinstance(value, dict) or _is_sections(value):
        raise ConfigError([f"{key}: unknown section{suggest(name, kinds) or belongs(name)}"])
    if hint := belongs(name):
        raise ConfigError([f"{key}: unknown key{hint}"])
    places = ", ".join(f"[[{name}]]" if name in _LISTS else f"[{name}]" for name in kinds)
    raise ConfigError([f"{key}: unknown key: keys stand in the sections {places}"])


def _is_sections(value: object) -> bool:
    """Tell whether TOML may have written ``value`` as ``[[name]]``."""
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)
