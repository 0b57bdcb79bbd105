"""How long apps live that are in the table, under a configuration."""

import math

import pytest

from exporter_proxy import config
from exporter_proxy.app_lives import lives_for, settle
from exporter_proxy.table import Life, Table

ENDPOINTS = {
    "poll_other_scrape_endpoints": True,
    "other_scrape_endpoints": [
        {"url": "http://h:1/", "name": "plain"},
        {"url": "http://h:2/", "name": "own", "expire_after": 3, "on_expire": "mark"},
    ],
}


@pytest.mark.parametrize(
    ("app", "source", "expected"),
    [
        ("a", "127.0.0.1:6554", Life(20)),
        ("a", "/run/old.sock", Life(20)),
        ("a", "push", Life(30, "mark")),
        ("a", "pushgateway", Life(30, "mark")),
        ("a", "log: /x", Life(10)),
        ("a", "module: m", Life(10)),
        ("plain", "external_poll: h:1", Life(10)),
        ("own", "external_poll: h:2", Life(3, "mark")),
        ("polled no more", "external_poll: h:3", Life(10)),
        ("job 1", "127.0.0.1:6554", Life(40)),
        ("job 1", "push", Life(40, "mark")),
        ("job 22", "127.0.0.1:6554", Life(50, "mark")),
        ("other", "127.0.0.1:6554", Life(20, "mark")),
        ("other", "log: /x", Life(10, "mark")),
    ],
)
def test_life_of_an_app(app: str, source: str, expected: Life):
    """As its next update would have it, by its source and the first section that matches."""
    find = lives_for(
        config.read(
            {
                "exporter": {"expire_after": 10},
                "receiver": {"expire_after": 20},
                "push": {"expire_after": 30, "on_expire": "mark"},
                "poll_external": ENDPOINTS,
                "app": [
                    {"match": "job .", "expire_after": 40},
                    {"match": "job .*|own", "expire_after": 50, "on_expire": "mark"},
                    {"match": "job .*", "expire_after": 60},
                    {"match": "other", "on_expire": "mark"},
                ],
            }
        )
    )
    assert find(app, source) == expected


def test_endpoints_that_are_not_polled_say_nothing():
    find = lives_for(
        config.read(
            {
                "poll_external": {**ENDPOINTS, "poll_other_scrape_endpoints": False},
                "app": [{"match": "own", "expire_after": 5}],
            }
        )
    )
    assert find("own", "push") == Life(5)


@pytest.mark.parametrize(
    ("document", "same"),
    [
        ({"receiver": {"format": "json"}}, True),
        ({"app": [{"match": "x", "drop": ["y"]}]}, True),
        ({"exporter": {"expire_after": "never"}}, True),
        ({"exporter": {"expire_after": 5}}, False),
        ({"push": {"on_expire": "mark"}}, False),
        ({"app": [{"match": "x", "expire_after": 5}]}, False),
        ({"poll_external": ENDPOINTS}, False),
    ],
)
def test_what_makes_another_life(document, same):
    """Only then is the table looked through."""
    assert (lives_for(config.read(document)) == lives_for(config.read({}))) is same


def test_settling_in_steps():
    """Apps that are updated or gone meanwhile are left alone."""
    table = Table(monotonic=lambda: 1000.0)
    for number in range(350):
        table.update(f"app {number}", (b"x 1",), source="s")
    steps = settle(table, lambda app, _: Life(5, "mark") if app != "app 7" else Life())
    next(steps)
    table.update("app 300", (b"x 1",), source="s", expire_after=60)
    table.delete("app 301")
    assert len(list(steps)) == 2
    ends = {row.app: row.expires_at - row.updated_at for row in table}
    assert ends.pop("app 7") == math.inf
    assert ends.pop("app 300") == 60
    assert set(ends.values()) == {5}
    assert len(ends) == 347
