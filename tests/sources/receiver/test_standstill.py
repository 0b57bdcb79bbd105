"""A process that stood still gives its peers the time back."""

from exporter_proxy.sources.receiver.standstill import LONG_SECONDS, Standstill


def test_usual_delays_are_none():
    still = Standstill()
    assert not still.over(5.0)
    still.expect(10.0)
    assert not still.over(10.0 + LONG_SECONDS)
    assert still.none_since(0.0)


def test_time_outs_begin_anew_when_it_goes_on():
    still = Standstill()
    still.expect(10.0)
    assert still.over(20.0)
    # A message had 3 s, of which it stood still for the last.
    assert not still.none_since(22.0 - 3.0)
    still.expect(21.0)
    assert not still.over(21.0)
    assert still.none_since(23.0 - 3.0)
