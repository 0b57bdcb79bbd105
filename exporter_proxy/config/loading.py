"""From a file to a :class:`~exporter_proxy.config.sections.Config`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli

from exporter_proxy.config.kinds import join
from exporter_proxy.config.sections import Config
from exporter_proxy.config.tables import kinds_of, read_all, suggest
from exporter_proxy.errors import ConfigError, quote

VARIABLE = "EXPORTER_PROXY_CONFIG"
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
        return read(_parse(path))
    except ConfigError as exc:
        raise ConfigError([f"{path}: {problem}" for problem in exc.problems]) from None


def read(document: Mapping[str, object]) -> Config:
    """Return the configuration in ``document``, which is TOML already parsed.

    Raises:
        ConfigError: With every problem, each beginning with the key's full name.
    """
    sections, problems = read_all(_read_section, document.items())
    if problems:
        raise ConfigError(problems)
    return Config(**dict(sections))


def warnings(config: Config) -> list[str]:
    """Return what can be meant, but hardly is: one line each."""
    receiver, poll = config.receiver, config.poll_external
    found: list[str] = []
    polls = poll.poll_other_scrape_endpoints
    if polls and not poll.other_scrape_endpoints:
        found.append(
            "poll_external.other_scrape_endpoints: empty: nothing is polled though "
            "poll_other_scrape_endpoints is true"
        )
    if not (receiver.receive_on_tcp_socket or receiver.receive_on_unix_socket or polls):
        found.append(
            "nothing is received and nothing is polled: turn on receiver.receive_on_tcp_socket, "
            "receiver.receive_on_unix_socket or poll_external.poll_other_scrape_endpoints"
        )
    found += [
        f"poll_external.other_scrape_endpoints: {quote(endpoint.name)}: ca_file has no effect "
        "while allow_invalid_certs is true: set allow_invalid_certs = false"
        for endpoint in poll.other_scrape_endpoints
        if endpoint.ca_file is not None and endpoint.allow_invalid_certs
    ]
    found += _without_effect(config)
    return found


def _without_effect(config: Config) -> list[str]:
    """Say which keys the page that is served has no use for."""
    exporter, found = config.exporter, []
    if exporter.app_label and exporter.app_label in exporter.extra_labels:
        found.append(
            f"exporter.extra_labels.{exporter.app_label}: takes the place of app_label, which has "
            "the same name"
        )
    if exporter.exposition != "verbatim":
        return found
    set_keys = {
        "exporter.app_label": exporter.app_label,
        "exporter.extra_labels": exporter.extra_labels,
        "exporter.invalid_metrics": exporter.invalid_metrics != "quarantine",
        "[[app]]": config.apps,
        "labels, keep, drop and honor_timestamps of endpoints": any(
            endpoint.labels or endpoint.keep or endpoint.drop or not endpoint.honor_timestamps
            for endpoint in config.poll_external.other_scrape_endpoints
        ),
    }
    named = ", ".join(key for key, is_set in set_keys.items() if is_set)
    if named:
        found.append(
            f'{named}: without effect while exporter.exposition is "verbatim": set it to "merged"'
        )
    return found


def _parse(path: Path) -> dict[str, object]:
    try:
        return tomli.loads(path.read_bytes().decode())
    except OSError as exc:
        raise ConfigError([f"can't be read: {exc.strerror}"]) from exc
    except UnicodeDecodeError as exc:
        line = exc.object.count(b"\n", 0, exc.start) + 1
        raise ConfigError([f"line {line}: not UTF-8, as TOML must be"]) from exc
    except tomli.TOMLDecodeError as exc:
        raise ConfigError([f"line {exc.lineno}, column {exc.colno}: {exc.msg}"]) from exc
    except (ValueError, RecursionError) as exc:
        # tomli lets through a number with thousands of digits and lists nested as deep
        raise ConfigError(["not TOML: a number is too long or lists are nested too deep"]) from exc


def _read_section(name: str, value: object) -> tuple[str, Any]:
    kinds = kinds_of(Config)
    # Each of several sections is called by the singular.
    kinds["app"] = kinds.pop("apps")
    kind = kinds.get(name)
    if kind is not None:
        return "apps" if name == "app" else name, kind.read(value, name)
    key = join("", name)
    if isinstance(value, dict) or _is_sections(value):
        raise ConfigError([f"{key}: unknown section{suggest(name, kinds)}"])
    places = ", ".join("[[app]]" if name == "app" else f"[{name}]" for name in kinds)
    raise ConfigError([f"{key}: unknown key: keys stand in the sections {places}"])


def _is_sections(value: object) -> bool:
    """Tell whether TOML may have written ``value`` as ``[[name]]``."""
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)
