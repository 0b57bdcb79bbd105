"""docs/logs.md and the code say the same."""

import re
from pathlib import Path

import pytest
import tomli

from exporter_proxy.config.logs import LOGS
from exporter_proxy.log_metrics.compile import check_log
from tests.log_metrics.counting import counter, samples

TEXT = (Path(__file__).parents[2] / "docs" / "logs.md").read_text(encoding="utf-8")


def test_examples_load_without_doubts():
    blocks = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)

    assert len(blocks) > 1
    for block in blocks:
        sections = LOGS.read(tomli.loads(block).get("log", []), "log")
        assert [check_log(section, "log") for section in sections] == [[]] * len(sections)


@pytest.mark.parametrize("preset", ["rsyncd", "nginx", "apache", "sshd"])
def test_every_metric_of_a_preset_has_a_row(preset):
    lines = counter(preset=preset).exposition().decode().splitlines()
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]

    assert names
    for name in names:
        assert f"`{name.replace('apache_', 'nginx_')}`" in TEXT
    for name in re.findall(rf"`({preset.removesuffix('d')}d?_\w+)`", TEXT):
        assert name in names


def test_families_without_labels_are_there_from_the_start():
    """So that rate() sees the first event."""
    found = samples(counter(preset="sshd"))

    assert found == {
        "sshd_invalid_users_total": 0,
        "sshd_attempts_exceeded_total": 0,
        "sshd_sessions_opened_total": 0,
        "sshd_sessions_closed_total": 0,
    }
