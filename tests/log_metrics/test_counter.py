"""What a counter tells may be asked for by several at once."""

from tests.log_metrics.counting import counter


def test_what_waits_is_counted_by_one_at_a_time(monkeypatch):
    """The exposition of a long page is made in a thread, and a checkpoint meanwhile."""
    counted = counter(preset="rsyncd")
    held = []
    monkeypatch.setattr(counted._reader, "settle", lambda: held.append(counted._settling.locked()))

    counted.restore(counted.state())
    counted.exposition()

    assert (counted.overflowed, counted.unread_values) == (0, 0)
    assert held == [True] * 5
    assert not counted._settling.locked()
