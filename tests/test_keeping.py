"""Who is still wanted of those that were kept."""

import pytest

from exporter_proxy.config import read
from exporter_proxy.keeping import keeper_for
from exporter_proxy.table import FOR_EVER, Table


@pytest.mark.parametrize(
    ("app", "source", "is_wanted"),
    [
        ("x", "log: /x.log", True),
        ("log: /y.log", "log: /y.log", True),
        ("old name", "log: /x.log", False),
        ("z", "log: /z.log", False),
        ("z", "127.0.0.1:6554", True),
    ],
)
def test_apps_of_logs_that_are_followed_no_more_are_not(tmp_path, app, source, is_wanted):
    document = {
        "exporter": {"state_file": str(tmp_path / "state")},
        "log": [{"path": "/x.log", "app": "x"}, {"path": "/y.log"}],
    }
    keeper = keeper_for(read(document), Table(), lambda _app, _source: FOR_EVER)

    assert keeper is not None
    assert keeper._is_wanted(app, source) is is_wanted
