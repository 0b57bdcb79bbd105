"""What the proxy tells about each app."""

from exporter_proxy.catalog.app_series import app_series


def lines(*args: object, **named: object) -> list[str]:
    """Return the samples of all families."""
    found = []
    for family in app_series(*args, **named):  # type: ignore[arg-type]
        written = family.samples.decode().splitlines()
        assert family.count == len(written)
        assert all(line.startswith(family.name.decode() + "{") for line in written)
        found += written
    return found


def test_an_app_that_was_read() -> None:
    assert lines("a", up=True, updated_ns=1_500_000_000_250_000_000, samples=3, findings={}) == [
        'exporter_proxy_app_up{app="a"} 1',
        'exporter_proxy_app_last_update_timestamp_seconds{app="a"} 1500000000.25',
        'exporter_proxy_app_samples{app="a"} 3',
    ]


def test_findings_are_sorted_by_reason() -> None:
    """So that their order does not depend on that of the payload."""
    found = lines("a", up=True, updated_ns=1, samples=0, findings={"b": 2, "a": 1})

    assert found[-2:] == [
        'exporter_proxy_app_findings{app="a",reason="a"} 1',
        'exporter_proxy_app_findings{app="a",reason="b"} 2',
    ]


def test_an_app_that_never_had_metrics() -> None:
    assert lines("a", up=False, updated_ns=None) == ['exporter_proxy_app_up{app="a"} 0']


def test_names_are_escaped() -> None:
    assert lines('a"\\\n', up=False, updated_ns=None) == [
        'exporter_proxy_app_up{app="a\\"\\\\\\n"} 0'
    ]
