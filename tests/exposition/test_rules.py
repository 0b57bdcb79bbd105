"""What is done to an app's families between the reader and the page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.exposition import lines
from exporter_proxy.exposition.lines import without_timestamps
from exporter_proxy.exposition.model import Family, Finding, Quarantined
from exporter_proxy.exposition.name_pattern import NamePattern
from exporter_proxy.exposition.reader import read as read_payload
from exporter_proxy.exposition.rules import Rules, apply, apply_in_steps
from tests.exposition.sample_lines import families, read


def gauge(name: str, samples: str, openmetrics: str | None = None) -> Family:
    """Return a family with all that a family can have."""
    return Family(
        name.encode(),
        "gauge",
        samples.encode(),
        samples.count("\n"),
        help=b"text",
        typed=False,
        unit=b"u",
        openmetrics=None if openmetrics is None else openmetrics.encode(),
        quoted=True,
    )


ABC = [gauge(name, f"{name} 1\n") for name in ("a", "ab", "abc")]


def test_nothing_to_do_is_nothing_done():
    """The very same objects come out."""
    applied = apply(ABC, Rules())

    assert applied.families is ABC
    assert not applied.findings
    assert not applied.quarantined


def test_families_about_which_nothing_changes_are_the_same_objects():
    rules = Rules(labels={"a": "x", "b": ""}, honor_timestamps=False, keep=NamePattern([".*"]))
    family = gauge("m", 'm{a="1"} 1\n')

    assert apply([family], rules).families[0] is family


@pytest.mark.parametrize(
    ("keep", "drop", "expected"),
    [
        pytest.param(["a"], None, [b"a"], id="whole names"),
        pytest.param(["a", "abc"], None, [b"a", b"abc"], id="any of them"),
        pytest.param(["a|abc"], None, [b"a", b"abc"], id="whole names, each of two"),
        pytest.param(["ab.*"], ["abc"], [b"ab"], id="dropped of those kept"),
        pytest.param(None, ["b.*"], [b"a", b"ab", b"abc"], id="not a part of the name"),
        pytest.param(None, ["(?i)A.?"], [b"abc"], id="dropped"),
        pytest.param([r"\Qab", "a"], None, [b"a", b"ab"], id="patterns stay apart"),
    ],
)
def test_keeps_and_drops(keep, drop, expected):
    rules = Rules(keep=keep and NamePattern(keep), drop=drop and NamePattern(drop))
    applied = apply(ABC, rules)

    assert [family.name for family in applied.families] == expected
    assert all(family in ABC for family in applied.families)


def test_patterns_match_characters():
    """Not bytes, of which é has two."""
    assert NamePattern(["caf."]).matches("café".encode())


def test_patterns_forget(monkeypatch):
    """What is remembered of names is bounded, and right."""
    monkeypatch.setattr("exporter_proxy.exposition.name_pattern._MOST_REMEMBERED", 2)
    pattern = NamePattern(["[ab]"])

    assert [pattern.matches(name) for name in (b"a", b"b", b"c", b"a", b"a", b"d")] == [
        True, True, False, True, True, False,
    ]  # fmt: skip
    assert len(pattern._answers) <= 2


def test_everything_else_of_a_family_stays():
    family = gauge("m", 'm{b="1"} 1 2000\n', 'm{b="1"} 1 2 # {c="d"} 1 3\n')
    (changed,) = apply([family], Rules(labels={"a": "x"})).families

    assert changed.samples == b'm{a="x",b="1"} 1 2000\n'
    assert changed.openmetrics == b'm{a="x",b="1"} 1 2 # {c="d"} 1 3\n'
    same = ("name", "type", "count", "help", "typed", "unit", "quoted")
    assert [getattr(changed, key) for key in same] == [getattr(family, key) for key in same]
    assert family.samples == b'm{b="1"} 1 2000\n'


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        pytest.param("m 1 2\n", "m 1\n", id="no labels"),
        pytest.param("m 1\n", "m 1\n", id="none"),
        pytest.param('m{a="x 1 2"} 1\n', 'm{a="x 1 2"} 1\n', id="none, blanks in a value"),
        pytest.param('m{a=" # {"} 1 2\n', 'm{a=" # {"} 1\n', id="exemplar in a value"),
        pytest.param('m{a="x"} NaN 2\nn -1e+5 -3\n', 'm{a="x"} NaN\nn -1e+5\n', id="two"),
        pytest.param('{"m"} 1 2\n{"m",a="b"} 1\n', '{"m"} 1\n{"m",a="b"} 1\n', id="quoted"),
    ],
)
def test_strips_timestamps(samples, expected):
    (changed,) = apply([gauge("m", samples)], Rules(honor_timestamps=False)).families

    assert changed.samples.decode() == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('m 1 2.5 # {a="b"} 1 2.5\n', b'm 1 # {a="b"} 1 2.5\n'),
        ("m 1 # {} 1 2.5\n", b"m 1 # {} 1 2.5\n"),
        ('m{a="b # {"} 1 2.5 # {} 1\nm 2 3\n', b'm{a="b # {"} 1 # {} 1\nm 2\n'),
    ],
)
def test_timestamps_of_exemplars_stay(line, expected):
    family = gauge("m", "m 1\n", line)
    (changed,) = apply([family], Rules(honor_timestamps=False)).families

    assert changed.openmetrics == expected


def test_formats_may_be_one_without_timestamps():
    """Which differ in the unit of timestamps only."""
    family = gauge("m", "m 1 2000\n", "m 1 2\n")
    (changed,) = apply([family], Rules(honor_timestamps=False)).families

    assert (changed.samples, changed.openmetrics) == (b"m 1\n", None)


def test_last_sample_of_a_series_is_left():
    """In the place of the first; readers refuse a series twice without timestamps."""
    family = gauge("m", "m 1 1\nn 7 1\nm 2 2\n", "m 1 0.1\nn 7 0.1\nm 2 0.2\n")
    applied = apply([family], Rules(honor_timestamps=False))

    assert applied.families[0].samples == b"m 2\nn 7\n"
    assert applied.families[0].openmetrics is None
    assert applied.families[0].count == 2
    assert applied.findings == [Finding("repeated_series", 1, 0)]


def test_holds_back_a_family_whose_series_become_one():
    """Either would be served as the other."""
    bad = gauge("m", 'm{a="1"} 1\nm{a="2"} 2\n')
    good = gauge("n", 'n{a="1"} 1\n')
    applied = apply([bad, good], Rules(labels={"a": "x", "b": "y"}, override_labels=True))

    assert [family.samples for family in applied.families] == [b'n{a="x",b="y"} 1\n']
    assert applied.quarantined == [
        Quarantined(
            b"m",
            0,
            "label_clash",
            'two series of "m" would be one with the labels that are added: a, b',
            bad.samples,
        )
    ]


def test_says_where_own_labels_won():
    applied = apply([gauge("m", 'm{a="1"} 1\nm{a="2"} 2\nm{b="1"} 3\n')], Rules(labels={"a": "x"}))

    assert applied.families[0].samples == b'm{a="1"} 1\nm{a="2"} 2\nm{a="x",b="1"} 3\n'
    assert applied.findings == [Finding("own_label", 2, 0)]


@pytest.mark.parametrize("size", [lines.WINDOW // 4, lines.WINDOW, 3 * lines.WINDOW])
@pytest.mark.parametrize("own", ['c="d"', 'a="1"'])
def test_large_families_are_changed_in_steps(size, own):
    """The loop can be served between them; no line is lost at their edges."""
    count = size // 40
    samples = "".join(f'm{{b="{number:020}"}} 1 5\n' for number in range(count))
    family = gauge("m", f"{samples}m{{{own}}} 1\n")
    steps = apply_in_steps([family, *ABC], Rules(labels={"a": "x"}, honor_timestamps=False))
    taken = sum(1 for _ in steps)
    (changed, *_) = apply([family], Rules(labels={"a": "x"}, honor_timestamps=False)).families

    assert changed.samples.startswith(
        samples.replace("{", '{a="x",').replace(" 5\n", "\n").encode()
    )
    assert changed.samples.count(b"\n") == count + 1
    assert changed.samples.endswith(
        b'm{a="1"} 1\n' if own.startswith("a") else b'm{a="x",c="d"} 1\n'
    )
    assert taken >= size // lines.WINDOW * 3


def test_many_small_families_are_changed_in_steps():
    family = gauge("m", 'm{b="1"} 1\n')
    rules = Rules(labels={"a": "x"}, drop=NamePattern(["n"]))
    taken = sum(1 for _ in apply_in_steps([family] * 10_000, rules))

    assert taken >= 12
    assert len(apply([family] * 10_000, rules).families) == 10_000


@given(families())
def test_strips_as_a_slow_reader_would(family: Family):
    """Only what stands second after the name and labels goes, and only if it is a timestamp."""
    for block in filter(None, (family.samples, family.openmetrics)):
        for old, new in zip(read(block), read(without_timestamps(block)), strict=True):
            value, *more = old.rest.split(" ")
            exemplar = more[more.index("#") :] if "#" in more else []

            assert new == old._replace(rest=" ".join([value, *exemplar]))


LINES = [
    "# TYPE m histogram",
    "# TYPE x counter",
    "# TYPE x info",
    "# EOF",
    "m 1",
    "m{} 1 5",
    'm{b="{",c="\\"} ",} 1',
    'm{app="1"} 1',
    'm{myapp=",app="} 1',
    'm{"l.x"="1"} 5',
    '{"m.x"} 1',
    '{"m.x", app="1"} 2 5',
    'm_bucket{le="1"} 1',
    "m_sum 1",
    'm_count{"app"="2"} 1',
    'x_total{app="1"} 1',
    'x_total{b="1"} 1 1.5 # {app="b"} 1 2',
    "x_total 1 # {} 1 2",
    "x_created 5",
    'x_info{b="1"} 1',
]


@pytest.mark.parametrize("override", [False, True])
@given(payload=st.lists(st.sampled_from(LINES), max_size=9, unique=True).map("\n".join))
def test_labels_what_readers_give(override, payload: str):
    """Each sample has the label once, whatever was pushed."""
    rules = Rules(labels={"app": "z"}, override_labels=override)
    for family in read_payload((payload.encode(),)).families:
        applied = apply([family], rules)
        for changed in applied.families:
            before, after = read(family.samples), read(changed.samples)

            assert len(after) == changed.count == family.count
            for old, new in zip(before, after, strict=True):
                given_labels = {"app": "z"} if override else {}
                assert dict(new.labels) == {"app": "z"} | dict(old.labels) | given_labels
                assert len(new.labels) == len(dict(new.labels))
                assert (new.name, new.rest) == (old.name, old.rest)
        assert applied.families or applied.quarantined
