"""docs/configuration.md and the code say the same."""

import re
import shlex
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
import tomli

from exporter_proxy import config
from exporter_proxy.config.tables import kinds_of
from exporter_proxy.errors import ConfigError

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")

SECTIONS = {
    "## `[exporter]`": config.ExporterConfig,
    "## `[receiver]`": config.ReceiverConfig,
    "## `[poll_external]`": config.PollConfig,
    "## An endpoint: `[[poll_external.other_scrape_endpoints]]`": config.EndpointConfig,
    "### `basic_auth`": config.BasicAuth,
    "## Apps: `[[app]]`": config.AppConfig,
    "## Modules: `[[module]]`": config.ModuleConfig,
    "## Pushes over the scrape port: `[push]`": config.PushConfig,
    "## Access: `[[access]]`": config.AccessConfig,
    "## Logs: `[[log]]`": config.LogConfig,
    "### A metric: `[[log.metrics]]`": config.LogMetricConfig,
}
# defaulted by what stands beside them, not by their field
COMPUTED = {("EndpointConfig", "name"): "unset"}


def rows(heading: str) -> dict[str, str]:
    """Return {key: default} of the table under ``heading``."""
    body = re.split(r"^#+ ", REFERENCE.split(heading + "\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[
        0
    ]
    table = re.findall(r"^\| `(\w+)` \| .+? \| (\S.*?) \| .+ \|$", body, flags=re.MULTILINE)
    assert len(table) == len(dict(table)), "a key has two rows"
    return dict(table)


@pytest.mark.parametrize(("heading", "section"), SECTIONS.items())
def test_every_key_has_a_row_and_every_row_a_key(heading, section):
    """In both directions."""
    assert sorted(kinds_of(section)) == sorted(rows(heading))


@pytest.mark.parametrize(("heading", "section"), SECTIONS.items())
def test_documented_defaults_are_the_real_ones(heading, section):
    """A default is read as a file would be, and is what an empty file gives."""
    kinds = kinds_of(section)
    inherited = kinds_of(config.ScrapeSettings) if section is config.EndpointConfig else {}
    documented = rows(heading)
    for field in fields(section):
        if field.name not in kinds:
            continue
        cell = documented[field.name]
        default = field.default
        if field.default_factory is not MISSING:
            default = field.default_factory()
        if (section.__name__, field.name) in COMPUTED:
            assert cell == COMPUTED[section.__name__, field.name]
        elif field.name in inherited:
            assert cell == "inherited", field.name
        elif default is MISSING:
            assert cell == "required", field.name
        elif default is None:
            assert cell == "unset", field.name
        else:
            written = tomli.loads(f"value = {cell.strip('`')}")["value"]
            assert kinds[field.name].read(written, field.name) == default, field.name


def test_examples_of_the_reference_load():
    """Each block of TOML."""
    blocks = re.findall(r"```toml\n(.*?)```", REFERENCE, flags=re.DOTALL)

    assert blocks
    for block in blocks:
        assert config.read(tomli.loads(block)) != config.Config()


def test_mistakes_of_the_reference_are_reported_so():
    """The lines that it shows are the lines that come."""
    shown = re.search(r"```console\n\$ exporter-proxy -c (\S+)\n(.*?)```", REFERENCE, re.DOTALL)
    assert shown is not None
    name, lines = shown.groups()
    document = {
        "exporter": {"max_apps": 0},
        "receiver": {"fromat": "json", "max_apps": 5, "idle_timeout": -1},
        "poll_external": {"other_scrape_endpoints": ["ftp://me:pw@127.0.0.1/"]},
    }

    with pytest.raises(ConfigError) as caught:
        config.read(document)

    assert lines.splitlines() == [f"{name}: {problem}" for problem in caught.value.problems]


def test_shipped_file_has_every_published_key():
    """Commented out or not, and no comment names a key that is none."""
    text = (ROOT / "config.toml").read_text(encoding="utf-8")
    keys = {line.split(" = ")[0].lstrip("# ") for line in text.splitlines() if " = " in line}
    known = {key for section in SECTIONS.values() for key in kinds_of(section)}

    assert keys <= known
    assert shlex.split(
        """worker_threads concurrent_requests scrape_expose_endpoint state_file exposition
        expire_after on_expire app_max_samples app_label format
        receive_on_unix_socket receiver_unix_socket unix_socket_user unix_socket_group
        receive_on_tcp_socket receiver_tcp_socket poll_other_scrape_endpoints
        other_scrape_endpoints allow_invalid_certs poll_interval client_timeout name kind url
        interval match labels drop
        expire_after path preset checkpoint"""
    ) == re.findall(r"^(?:# )?(\w+) = ", text, flags=re.MULTILINE)
