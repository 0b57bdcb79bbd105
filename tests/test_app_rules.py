"""Which rules an app has."""

import pytest

from exporter_proxy import config
from exporter_proxy.app_rules import rules_for
from exporter_proxy.exposition.model import Family
from exporter_proxy.exposition.rules import Rules, apply


def rules(app: str, /, **document: object) -> Rules:
    """Return the rules of an app under a configuration."""
    return rules_for(config.read(document))(app)


def test_nothing_configured_is_nothing_done():
    assert not rules("x")


@pytest.mark.parametrize(
    ("app", "labels"),
    [
        pytest.param("a", {"s": "first"}, id="whole name"),
        pytest.param("ab", {"s": "second"}, id="the first that matches counts"),
        pytest.param("abc", {"s": "second"}, id="and no other"),
        pytest.param("xa", {}, id="not a part of the name"),
        pytest.param("é", {"s": "third", "t": "x"}, id="a character"),
    ],
)
def test_first_section_that_matches_counts(app, labels):
    sections = [
        {"match": "a", "labels": {"s": "first"}},
        {"match": "a.*", "labels": {"s": "second"}},
        {"match": "abc|.", "labels": {"s": "third", "t": "x"}},
    ]

    assert rules(app, app=sections).labels == labels


def test_the_more_specific_label_counts():
    document = {
        "exporter": {"app_label": "a", "extra_labels": {"b": "extra", "c": "extra"}},
        "app": [
            {"match": "x", "labels": {"c": "own", "d": "own"}},
            {"match": "y", "labels": {"a": ""}},
        ],
    }

    assert rules("x", **document).labels == {"a": "x", "b": "extra", "c": "own", "d": "own"}
    assert rules("y", **document).labels == {"a": "", "b": "extra", "c": "extra"}
    assert rules("z", **document).labels == {"a": "z", "b": "extra", "c": "extra"}


def test_extra_label_takes_the_place_of_the_app_label():
    exporter = {"app_label": "a", "extra_labels": {"a": "extra"}}

    assert rules("x", exporter=exporter).labels == {"a": "extra"}


@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("own", [None, False, True])
def test_overriding_is_the_app_s_to_say(everywhere, own):
    """Or else one for all."""
    section = {"match": "x"} if own is None else {"match": "x", "override_labels": own}
    document = {"exporter": {"override_labels": everywhere}, "app": [section]}

    assert rules("x", **document).override_labels == (everywhere if own is None else own)
    assert rules("y", **document).override_labels == everywhere


def poll(*, polled: bool) -> dict[str, object]:
    """Return a section with an endpoint called node."""
    return {
        "poll_other_scrape_endpoints": polled,
        "other_scrape_endpoints": [
            {
                "url": "http://h/",
                "name": "node",
                "labels": {"job": "endpoint"},
                "keep": ["node_.*"],
                "drop": ["node_cpu"],
                "honor_timestamps": False,
                "override_labels": True,
            }
        ],
    }


def test_endpoint_has_its_own():
    """No section adds to them."""
    app = [{"match": ".*", "labels": {"a": "section"}, "keep": ["x"]}]
    found = rules("node", poll_external=poll(polled=True), app=app)

    assert found.labels == {"job": "endpoint"}
    assert found.override_labels
    assert not found.honor_timestamps
    assert [found.wants(name) for name in (b"node_x", b"node_cpu", b"x")] == [True, False, False]


def test_endpoint_that_is_not_polled_has_none():
    """An app of its name is pushed."""
    found = rules("node", poll_external=poll(polled=False), app=[{"match": "node", "keep": ["x"]}])

    assert (found.labels, found.honor_timestamps) == ({}, True)
    assert [found.wants(name) for name in (b"node_x", b"x")] == [False, True]


def test_rules_do_what_they_say():
    found = rules("x", exporter={"app_label": "app"}, app=[{"match": "x", "drop": ["n"]}])
    families = [Family(name, "gauge", name + b" 1\n", 1) for name in (b"m", b"n")]

    assert [family.samples for family in apply(families, found).families] == [b'm{app="x"} 1\n']


def test_rules_are_remembered():
    """What they hold is made once."""
    find = rules_for(config.read({"exporter": {"app_label": "app"}}))

    assert find("x") is find("x")
    assert find("x") is not find("y")
