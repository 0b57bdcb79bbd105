"""What stands between an app and the others, before it is one of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.exposition.merged import SELF
from exporter_proxy.exposition.merged.conflicts import (
    Conflict,
    conflicts_in_steps,
)
from exporter_proxy.exposition.merged.family import COMPOUND
from exporter_proxy.exposition.merged.index import MergedIndex
from exporter_proxy.exposition.model import Family, FamilyType
from exporter_proxy.steps import all_at_once
from tests.exposition.families import family, index_of

LATER = SELF - 1


def untyped(name: str, samples: str) -> Family:
    cell = family(name, "untyped", samples)
    cell.typed = False
    return cell


GAUGE = family("x", "gauge", "x 1", help="Gauge.")
COUNTER = family("x", "counter", 'x{a="1"} 1', help="Counter.")
HISTOGRAM = family("x", "histogram", 'x_bucket{le="+Inf"} 1')
BARE = untyped("x", 'x{b="1"} 1')
COUNT = family("x_count", "gauge", "x_count 1")


@pytest.mark.parametrize(
    ("others", "mine", "number", "expected"),
    [
        pytest.param([[GAUGE]], [], LATER, [], id="nothing"),
        pytest.param([[GAUGE]], [family("y", "gauge", "y 1")], LATER, [], id="other_names"),
        pytest.param([[GAUGE]], [BARE], LATER, [], id="no_type"),
        pytest.param([[GAUGE]], [COUNTER], 0, [], id="its_own_do_not_count"),
        pytest.param(
            [[GAUGE], [COUNTER]],
            [family("x", "counter", 'x{c="1"} 1', help="Other.")],
            LATER,
            [
                Conflict(b"x", "counter", "type_conflict", 0, b"gauge", False, ""),
                Conflict(b"x", "counter", "help_conflict", 0, b"Gauge.", False, ""),
            ],
            id="type_and_help_of_the_first_count",
        ),
        pytest.param(
            [[], [GAUGE], [COUNTER]],
            [family("x", "summary", "x_sum 1", help="Counter.")],
            0,
            [
                Conflict(b"x", "summary", "type_conflict", 1, b"gauge", True, "other", 2),
                Conflict(b"x", "summary", "help_conflict", 1, b"Gauge.", True, ""),
            ],
            id="a_first_one_counts",
        ),
        pytest.param(
            [[], [GAUGE], [BARE], [HISTOGRAM]],
            [family("x", "counter", 'x{c="1"} 1')],
            0,
            [Conflict(b"x", "counter", "type_conflict", 3, b"histogram", True, "other", 2)],
            id="the_one_held_back_is_named",
        ),
        pytest.param(
            [[HISTOGRAM]],
            [untyped("x", "x 1")],
            LATER,
            [Conflict(b"x", "untyped", "type_conflict", 0, b"histogram", False, "this")],
            id="no_type_beside_a_histogram",
        ),
        pytest.param(
            [[], [BARE]],
            [HISTOGRAM],
            LATER,
            [Conflict(b"x", "histogram", "type_conflict", 1, b"untyped", True, "other")],
            id="the_only_type_counts",
        ),
        pytest.param(
            [[HISTOGRAM]],
            [COUNT],
            LATER,
            [Conflict(b"x_count", "gauge", "suffix_clash", 0, b"x", False, "this")],
            id="name_of_a_series",
        ),
        pytest.param([[COUNT]], [HISTOGRAM], LATER, [], id="a_histogram_may_come_later"),
        pytest.param(
            [[family("x", "gaugehistogram", 'x_bucket{le="+Inf"} 1', "x_gcount 1")]],
            [family("x_gcount", "gauge", 'x_gcount{a="1"} 1')],
            LATER,
            [Conflict(b"x_gcount", "gauge", "suffix_clash", 0, b"x", False, "this")],
            id="name_of_a_gaugehistograms_series",
        ),
        pytest.param(
            [[HISTOGRAM]],
            [family("x_gcount", "gauge", "x_gcount 1")],
            LATER,
            [],
            id="a_histogram_has_no_such_series",
        ),
        pytest.param(
            [[], [COUNT]],
            [HISTOGRAM],
            0,
            [Conflict(b"x", "histogram", "suffix_clash", 1, b"x_count", True, "other")],
            id="takes_a_name_away",
        ),
        pytest.param([[HISTOGRAM], [COUNT]], [], LATER, [], id="others_conflicts_are_theirs"),
        pytest.param(
            [[HISTOGRAM], [COUNT]],
            [family("x", "histogram", 'x_bucket{a="1",le="+Inf"} 1')],
            LATER,
            [],
            id="what_is_so_already",
        ),
        pytest.param(
            [[], [GAUGE], [family("x", "gauge", 'x 2\nx{b="1"} 3', help="Gauge.")]],
            [family("x", "gauge", 'x 7\nx{b="1"} 7 1000\nx{c="1"} 7', help="Gauge.")],
            LATER,
            [Conflict(b"x", "gauge", "same_series", 1, b"x", False, "this", 2)],
            id="same_series",
        ),
        pytest.param(
            [[], [family("x", "gauge", 'x{b="1"} 3\nx 2')]],
            [family("x", "gauge", 'x 7\nx{b="1"} 7')],
            0,
            [Conflict(b"x", "gauge", "same_series", 1, b"x", True, "other", 2)],
            id="same_series_first",
        ),
        pytest.param(
            [[family("exporter_proxy_x_count", "gauge", 'exporter_proxy_x_count{a="1"} 1')]],
            [family("exporter_proxy_x", "summary", "exporter_proxy_x_sum 1")],
            LATER,
            [
                Conflict(
                    b"exporter_proxy_x",
                    "summary",
                    "suffix_clash",
                    0,
                    b"exporter_proxy_x_count",
                    True,
                    "other",
                )
            ],
            id="the_proxys_own_stand_by_name",
        ),
    ],
)
def test_conflicts(
    others: list[list[Family]], mine: list[Family], number: int, expected: list[Conflict]
) -> None:
    assert all_at_once(conflicts_in_steps(index_of(*others), mine, number)) == expected


def test_works_in_steps() -> None:
    """However many apps and samples there are."""
    many = "".join(f'x{{n="{number}"}} 1\n' for number in range(40_000))
    index = index_of(*[[family("x", "gauge", f'x{{a="{app}"}} 1')] for app in range(3_000)])

    steps = list(conflicts_in_steps(index, [family("x", "gauge", many)], LATER))

    assert len(steps) > 10


def test_steps_are_taken_over_many_apps_too() -> None:
    """Each says something else; the first and the number of them are found."""
    index = index_of(
        [],
        *[[family("x", "gauge", f'x{{a="{app}"}} 1', help=f"{app}")] for app in range(3_000)],
    )
    mine = family("x", "summary", "x_sum 1", help="Mine.")

    assert all_at_once(conflicts_in_steps(index, [mine], 0)) == [
        Conflict(b"x", "summary", "type_conflict", 1, b"gauge", True, "other", 3_000),
        Conflict(b"x", "summary", "help_conflict", 1, b"0", True, "", 3_000),
    ]


def test_finds_series_among_many_bytes() -> None:
    """The first one that the first app has, wherever it stands."""
    many = "".join(f'x{{n="{number}"}} 1\n' for number in range(20_000, 0, -1))
    index = index_of([family("x", "gauge", many)])

    assert all_at_once(conflicts_in_steps(index, [family("x", "gauge", many)], LATER)) == [
        Conflict(b"x", "gauge", "same_series", 0, b'x{n="1"}', False, "this", 20_000)
    ]


def test_apps_may_go_meanwhile() -> None:
    """What is gone is no conflict, or was one."""
    index = index_of(*[[family("x", "gauge", 'x{a="1"} 1')] for _ in range(3_000)], [COUNT])
    steps = conflicts_in_steps(index, [COUNTER, HISTOGRAM], LATER)

    for number, _ in enumerate(steps):
        index.drop_app(number)
        index.drop_app(2_999 - number)


TYPES: list[FamilyType] = ["counter", "gauge", "histogram", "summary", "untyped"]


@st.composite
def apps(draw: st.DrawFn) -> list[Family]:
    names = draw(st.lists(st.sampled_from(["x", "x_count", "x_sum", "y"]), unique=True))
    cells = []
    for name in names:
        cell = family(name, draw(st.sampled_from(TYPES)), f"{name} 1")
        cell.typed = cell.type != "untyped" or draw(st.booleans())
        cells.append(cell)
    return cells


def held(index: MergedIndex) -> set[tuple[bytes, int]]:
    """Return what can't be shown on the text page, by family and app."""
    return {
        (name, app)
        for name, merged in index.families.items()
        for app, cell in merged.cells.items()
        if index.is_shadowed(name) or not merged.fits(cell)
    }


@given(st.lists(apps(), min_size=3, max_size=3), apps(), st.integers(0, 2))
def test_what_is_held_back_is_what_the_index_holds_back(
    others: list[list[Family]], mine: list[Family], number: int
) -> None:
    """Conflicts say the same as an index that the app is put into."""
    kinds = {cell.name: cell.type for cell in mine}
    if any(kinds.get(name[:1]) in COMPOUND and len(name) > 1 for name in kinds):
        # The reader lets no app clash with itself.
        mine = [cell for cell in mine if len(cell.name) == 1]
    index = index_of(*others)
    index.drop_app(number)
    before = held(index)
    found = all_at_once(conflicts_in_steps(index, mine, number))
    index.set_app(number, mine)
    after = held(index)

    ours = {name for name, app in after if app == number}
    assert {each.family for each in found if each.held_back == "this"} - _same(found) == ours
    theirs = {name for name, app in after - before if app != number}
    named = {
        each.other if each.reason == "suffix_clash" else each.family
        for each in found
        if each.held_back == "other" and each.reason != "same_series"
    }
    assert theirs <= named
    assert named <= {name for name, app in after if app != number}


def _same(found: list[Conflict]) -> set[bytes]:
    """Return families that are shown, though one of their series is not on every page."""
    reasons: dict[bytes, set[str]] = {}
    for each in found:
        if each.held_back == "this":
            reasons.setdefault(each.family, set()).add(each.reason)
    return {name for name, given_ in reasons.items() if given_ == {"same_series"}}


def test_series_of_a_large_family_are_let_go_of_in_steps() -> None:
    """After the last of them was compared; beside the steps in which they are read."""
    lines = "".join(f'x{{a="{number}"}} 1\n' for number in range(40_000))
    index = index_of([family("x", "gauge", 'x{a="39999"} 2')])
    cell = family("x", "gauge", lines)

    steps = list(conflicts_in_steps(index, [cell], LATER))

    assert len(steps) >= len(cell.samples) // 131_072 + 4
    (conflict,) = all_at_once(conflicts_in_steps(index, [cell], LATER))
    assert (conflict.reason, conflict.other) == ("same_series", b'x{a="39999"}')
