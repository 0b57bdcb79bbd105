"""What a source takes away of the table."""

from exporter_proxy.sources.belonging import drop_own, leave
from exporter_proxy.table import Table

PAYLOAD = (b"x 1\n",)


def test_drops_its_own_alone():
    table = Table()
    table.update("a", PAYLOAD, source="ours")
    table.update("b", PAYLOAD, source="others")

    for app in ("a", "b", "absent"):
        drop_own(table, app, "ours")

    assert [row.app for row in table] == ["b"]
    assert list(table.ghosts) == ["a"]


def test_leaves_nothing_of_its_own():
    table = Table()
    table.update("a", PAYLOAD, source="ours")
    table.set_problem("a", "poll failing: refused", source="ours")
    table.update("dropped", PAYLOAD, source="ours")
    table.drop("dropped")

    for app in ("a", "dropped", "absent"):
        leave(table, app, "ours")

    assert not list(table)
    assert not table.ghosts
    assert not table.problems


def test_leaves_all_that_is_of_others():
    table = Table()
    table.update("a", PAYLOAD, source="others")
    table.set_problem("a", "module failing: exit code 1", source="others")
    table.update("dropped", PAYLOAD, source="others")
    table.drop("dropped")

    for app in ("a", "dropped"):
        leave(table, app, "ours")

    assert [row.app for row in table] == ["a"]
    assert list(table.ghosts) == ["dropped"]
    assert table.problems["a"].text == "module failing: exit code 1"
