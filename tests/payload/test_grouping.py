"""Grouping keys: from paths, to names of apps and back."""

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.errors import PayloadError
from exporter_proxy.payload.grouping import (
    app_name,
    check_labels,
    labels_of_app,
    labels_of_path,
)

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
LABELS = st.dictionaries(TEXT.filter(bool), TEXT, max_size=4)


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        ("/x", {"job": "x"}),
        ("/x/", {"job": "x"}),
        ("/x/instance/i/z/1", {"job": "x", "instance": "i", "z": "1"}),
        ("/x/instance@base64/=", {"job": "x"}),
        ("/x/l/", {"job": "x", "l": ""}),
        ("/%C3%BC%20%2B+", {"job": "ü ++"}),
        ("@base64/YS9i", {"job": "a/b"}),
        ("@base64/YQ/l@base64/-_8", None),
        ("@base64/YQ==/l@base64/w7w=", {"job": "a", "l": "ü"}),
        ("/x/U__a_2e_b/v", {"job": "x", "a.b": "v"}),
        ("/x/U__a__b/v", {"job": "x", "a_b": "v"}),
        ("/x/U__snow_2603_man/v", {"job": "x", "snow☃man": "v"}),
        ("/x/U__a_d800_/v", {"job": "x", "U__a_d800_": "v"}),
        ("/x/U__a_b/v", {"job": "x", "U__a_b": "v"}),
        ("/x/U_____a/v", {"job": "x", "U_____a": "v"}),
        ("/x/job/y", {"job": "x"}),
    ],
)
def test_path(path: str, labels: dict[str, str] | None) -> None:
    if labels is None:
        with pytest.raises(PayloadError, match="not UTF-8"):
            labels_of_path("/metrics/job" + path)
    else:
        assert labels_of_path("/metrics/job" + path) == labels


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/", "job name is required"),
        ("//l/v", "job name is required"),
        ("@base64/=", "job name is required"),
        ("@base6/x", 'improper job label "job@base6"'),
        ("/x/l", 'odd number of components in label string "/l"'),
        ("/x/l//m/v", 'empty value for label "l": write it as "/l@base64/="'),
        ("/x/1l/v", 'improper label name "1l"'),
        ("/x/__l/v", 'improper label name "__l"'),
        ("/x/l@base64/Y+", 'invalid base64 encoding for label l="Y+"'),
        ("/x/l@base64/Y", 'invalid base64 encoding for label l="Y"'),
        ("/x/l@base64/ü", 'invalid base64 encoding for label l="ü"'),
        ("/x/l@base64/AA", 'invalid value for label l="AA": a NUL character'),
        ("/%00", "has a NUL character in it"),
        ("/%FF", 'the path "/metrics/job/%FF" is not UTF-8'),
    ],
)
def test_bad_path(path: str, message: str) -> None:
    with pytest.raises(PayloadError) as caught:
        labels_of_path("/metrics/job" + path)

    assert message in str(caught.value)
    assert caught.value.reason == "bad_grouping_key"


@given(job=TEXT.filter(bool), value=TEXT)
def test_any_value_in_base64(job: str, value: str) -> None:
    """What can't stand in a path as it is can in base64, padded or not."""
    coded = base64.urlsafe_b64encode(value.encode()).decode()
    bare = base64.urlsafe_b64encode(job.encode()).decode().rstrip("=")

    labels = labels_of_path(f"/metrics/job@base64/{quote(bare)}/l@base64/{quote(coded) or '='}")

    assert labels == {"job": job, "l": value}


@given(st.text(st.characters(codec="ascii")))
def test_any_path_gives_labels_or_an_error(path: str) -> None:
    try:
        labels = labels_of_path("/metrics/job" + path)
    except PayloadError:
        return
    assert labels["job"]
    assert labels_of_app(app_name(labels)) == labels


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({"job": "x"}, '{instance="",job="x"}'),
        ({"job": "x", "instance": "i", "a": ""}, '{a="",instance="i",job="x"}'),
        ({"job": 'a"\\\n\té\x7f\u2028\U000e0001'},
         '{instance="",job="a\\"\\\\\\n\\té\\x7f\\u2028\\U000e0001"}'),
        ({"job": "x", "a.b": "v"}, '{"a.b"="v",instance="",job="x"}'),
    ],
)  # fmt: skip
def test_name_of_an_app(labels: dict[str, str], name: str) -> None:
    """As Prometheus shows label sets: sorted, in Go's quotes, printable."""
    assert app_name(labels) == name
    assert name.isprintable()
    assert labels_of_app(name) == labels


@given(LABELS, TEXT.filter(bool))
def test_names_of_apps_can_be_read_back(labels: dict[str, str], job: str) -> None:
    """Hence no two keys have the same name."""
    key = {"job": job, **{name: value for name, value in labels.items() if name != "job"}}
    if not key.get("instance", "-"):
        del key["instance"]

    assert labels_of_app(app_name(key)) == key
    assert app_name(key).isprintable()


@pytest.mark.parametrize(
    "name", ["x", "{}", '{a="b"}', "{job}", '{job="x"', '{job="x",,}', '{"job="x"}']
)
def test_other_names_are_no_groups(name: str) -> None:
    assert labels_of_app(name) is None


def test_labels_given_as_such() -> None:
    assert check_labels({"a": "b", "job": "x", "instance": ""}) == {"job": "x", "a": "b"}


@pytest.mark.parametrize(
    "labels",
    [{}, {"job": ""}, {"job": "x", "": "v"}, {"job": "x", "__a": "v"}, {"job": "x", "a": "\0"},
     {"job": "\ud800"}],
)  # fmt: skip
def test_labels_that_are_no_key(labels: dict[str, str]) -> None:
    with pytest.raises(PayloadError):
        check_labels(labels)
