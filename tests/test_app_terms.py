"""On which terms an app's updates are taken."""

import math

import pytest

from exporter_proxy import config
from exporter_proxy.app_terms import terms_for
from exporter_proxy.budgets import Budget, Limit
from exporter_proxy.sources.admission import NO_TERMS, Terms


def terms(app: str, /, **document: object) -> Terms:
    """Return the terms of an app under a configuration."""
    find = terms_for(config.read(document))
    assert find is not None
    return find(app)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"app": [{"match": "x", "drop": ["y"]}]}, id="rules alone"),
        pytest.param({"exporter": {"expire_after": 5, "on_expire": "mark"}}, id="ages of all"),
        pytest.param({"receiver": {"expire_after": 5}}, id="ages of a source"),
        pytest.param(
            {"exporter": {"app_max_samples": 0, "app_max_bytes": 0}}, id="limits that are none"
        ),
        pytest.param(
            {"poll_external": {"max_samples": 5, "other_scrape_endpoints": ["http://h/"]}},
            id="endpoints that are not polled",
        ),
    ],
)
def test_nothing_configured_costs_nothing(document):
    assert terms_for(config.read(document)) is None


def test_defaults_are_for_every_app():
    exporter = {
        "app_max_samples": 10,
        "app_max_bytes": "1KiB",
        "app_max_updates_per_second": 0.5,
    }
    assert terms("any", exporter=exporter) == Terms(
        budget=Budget(
            samples=Limit(10, "exporter.app_max_samples"),
            bytes=Limit(1024, "exporter.app_max_bytes"),
            rate=Limit(0.5, "exporter.app_max_updates_per_second"),
        )
    )


def test_first_section_that_matches_counts():
    """What it leaves out is as for every app; 0 takes a limit back."""
    document = {
        "exporter": {"app_max_samples": 10, "app_max_bytes": 100},
        "app": [
            {"match": "b.*", "max_samples": 20, "max_updates_per_second": 2},
            {"match": "a|b", "max_samples": 0, "max_bytes": 0, "expire_after": "1m"},
            {"match": "c", "expire_after": "never", "on_expire": "mark"},
        ],
    }
    default = Budget(
        samples=Limit(10, "exporter.app_max_samples"), bytes=Limit(100, "exporter.app_max_bytes")
    )
    assert terms("b", **document) == Terms(
        budget=Budget(
            samples=Limit(20, "app[0].max_samples"),
            bytes=Limit(100, "exporter.app_max_bytes"),
            rate=Limit(2, "app[0].max_updates_per_second"),
        )
    )
    assert terms("a", **document) == Terms(expire_after=60)
    assert terms("c", **document) == Terms(expire_after=math.inf, on_expire="mark", budget=default)
    assert terms("other", **document) == Terms(budget=default)


def test_no_match_and_no_default():
    assert terms("x", app=[{"match": "y", "max_bytes": 5}]) == NO_TERMS


def test_endpoints_have_their_own():
    """No section is asked for them, and their rate is their poll_interval."""
    document = {
        "exporter": {"app_max_bytes": 100, "app_max_updates_per_second": 1},
        "poll_external": {
            "poll_other_scrape_endpoints": True,
            "max_samples": 7,
            "expire_after": 5,
            "other_scrape_endpoints": [
                "http://h/",
                {"url": "http://i/", "name": "i", "max_samples": 8, "max_bytes": 9},
            ],
        },
        "app": [{"match": ".*", "max_samples": 1, "expire_after": 1}],
    }
    assert terms("external_poll: h:80", **document) == Terms(
        budget=Budget(samples=Limit(7, "max_samples"), bytes=Limit(100, "exporter.app_max_bytes"))
    )
    assert terms("i", **document) == Terms(
        budget=Budget(samples=Limit(8, "max_samples"), bytes=Limit(9, "max_bytes"))
    )
