"""docs/http.md says what the port does."""

import re
from pathlib import Path

from exporter_proxy.views.server import PAGES
from tests.views.test_apps import TABLE

DOCS = (Path(__file__).parents[2] / "docs" / "http.md").read_text()


def test_every_path_is_described() -> None:
    """What the first page links to, and the apps' own, of which there are many."""
    described = re.findall(r"^\| `(/\S*)` \|", DOCS, re.MULTILINE)

    own = ["/apps/<app>", "/apps/<app>/metrics"]
    assert [path for path in described if path in own] == own
    assert [path for path in described if path not in own] == ["/", *PAGES]


def test_the_table_is_the_one_that_is_drawn() -> None:
    assert f"/apps\n{TABLE}```\n" in DOCS
