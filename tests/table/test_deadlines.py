"""Whose end comes next."""

from exporter_proxy.table.deadlines import Deadlines


def test_earliest_comes_up_first():
    deadlines = Deadlines()
    for app, deadline in (("c", 3.0), ("a", 1.0), ("b", 2.0)):
        deadlines.enter(app, deadline)
    assert not deadlines.is_due(0.999)
    assert deadlines.is_due(1.0)
    assert [deadlines.pop() for _ in range(3)] == ["a", "b", "c"]
    assert not deadlines.is_due(1e9)


def test_putting_off_costs_no_entry():
    """An app comes up when it was entered for first, and is entered anew then."""
    deadlines = Deadlines()
    for later in range(1000):
        deadlines.enter("a", 5.0 + later)
    assert len(deadlines) == 1
    assert deadlines.pop() == "a"
    deadlines.enter("a", 1004.0)
    assert not deadlines.is_due(1003.0)


def test_ever_shorter_lives_do_not_pile_up():
    deadlines = Deadlines()
    for round_ in range(1000):
        for app in "abc":
            deadlines.enter(app, 5000.0 - round_)
    assert len(deadlines) <= 2 * 3 + 64 + 1
    found = set()
    while deadlines.is_due(4001.0):
        found.add(deadlines.pop())
    assert found == set("abc")
