"""Whatever TOML can say, for whichever key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy import config
from exporter_proxy.config.tables import kinds_of
from exporter_proxy.errors import ConfigError

# a file is UTF-8, so it has no surrogates
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = (
    st.booleans()
    | st.integers()
    | st.integers(-2, 2000)
    | st.floats()
    | TEXT
    | st.sampled_from(["5m", "0660", "64MiB", "never", "json", "keep", "h:1", "http://u:p@h/", "("])
    | st.datetimes()
    | st.dates()
    | st.times()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=9), inner, max_size=3
        )
    ),
    max_leaves=8,
)
SECTION_KEYS = [
    (name, key)
    for name, section in (
        ("exporter", config.ExporterConfig),
        ("receiver", config.ReceiverConfig),
        ("poll_external", config.PollConfig),
        ("push", config.PushConfig),
    )
    for key in kinds_of(section)
]
ENDPOINT = "poll_external.other_scrape_endpoints[0]"


def check(document: object, key: str) -> None:
    """Read ``document``; what is wrong must be said of ``key``, printable and short."""
    problems: list[str] = []
    try:
        assert isinstance(config.read(document), config.Config)
    except ConfigError as exc:
        problems = exc.problems or ["no problem"]
    for problem in problems:
        assert problem.startswith(key)
        assert problem.isprintable()
        assert len(problem) < 500
        assert "u:p@" not in problem


@given(st.sampled_from(SECTION_KEYS), VALUES)
def test_section_key_loads_or_is_named(where, value):
    """One of the two, and no other exception."""
    section, key = where
    # A message larger than all of the buffer is said of the buffer, whose limit it breaks.
    named = "max_" if key == "max_message_size" else key

    check({section: {key: value}}, f"{section}.{named}")


@given(st.sampled_from([key for key in kinds_of(config.EndpointConfig) if key != "url"]), VALUES)
def test_endpoint_key_loads_or_is_named(key, value):
    """The list's index and the key are in the message."""
    endpoint = {"url": "http://h/", key: value}

    check({"poll_external": {"other_scrape_endpoints": [endpoint]}}, f"{ENDPOINT}.{key}")


@given(st.sampled_from([key for key in kinds_of(config.AppConfig) if key != "match"]), VALUES)
def test_app_key_loads_or_is_named(key, value):
    """The section's index and the key are in the message."""
    check({"app": [{"match": "x", key: value}]}, f"app[0].{key}")


@given(st.sampled_from([key for key in kinds_of(config.AccessConfig) if key != "user"]), VALUES)
def test_access_key_loads_or_is_named(key, value):
    """The section's index is in the message, and the key where it is the key's fault."""
    check({"access": [{"user": "x", "rights": ["push"], key: value}]}, "access[0]")


@given(VALUES)
def test_app_loads_or_is_named(value):
    """As all sections, as one of them, and as its pattern."""
    check({"app": value}, "app")
    check({"app": [value]}, "app[0]")
    check({"app": [{"match": value}]}, "app[0].match")


@given(VALUES)
def test_endpoint_loads_or_is_named(value):
    """As an item of the list, and as its URL."""
    check({"poll_external": {"other_scrape_endpoints": [value]}}, ENDPOINT)
    check({"poll_external": {"other_scrape_endpoints": [{"url": value}]}}, ENDPOINT)


@given(TEXT, VALUES)
def test_unknown_names_are_refused(name, value):
    """At the top, in a section and in an endpoint."""
    known = {"app", *kinds_of(config.Config), *kinds_of(config.EndpointConfig)}
    if name in known:
        return
    for document in (
        {name: value},
        {"poll_external": {"other_scrape_endpoints": [{"url": "http://h/", name: value}]}},
    ):
        with pytest.raises(ConfigError, match=r"unknown (key|section)"):
            config.read(document)
