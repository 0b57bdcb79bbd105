"""When memory is given back."""

from exporter_proxy.process.memory import WORTH_TRIMMING, Trimmer, find_trim


def nothing() -> None:
    """Trim nothing."""


def test_trims_after_much_was_replaced():
    """And then not before as much was replaced again, and some time has passed."""
    trimmer = Trimmer(nothing, interval=5.0)

    assert trimmer.due(WORTH_TRIMMING - 1, 0.0) is None
    assert trimmer.due(WORTH_TRIMMING, 0.0) is nothing
    assert trimmer.due(WORTH_TRIMMING, 9.0) is None
    assert trimmer.due(3 * WORTH_TRIMMING, 4.0) is None
    assert trimmer.due(3 * WORTH_TRIMMING, 5.0) is nothing


def test_does_without():
    """Another C library may have nothing of the kind."""
    assert Trimmer(None).due(10 * WORTH_TRIMMING, 0.0) is None


def test_gives_memory_back():
    """What is found can be called."""
    trim = find_trim()

    assert trim is None or trim() in {0, 1}
