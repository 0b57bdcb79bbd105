"""The benchmarks run; what they find is nobody's business here."""

import subprocess
import sys

import pytest

from tests.proxy_process import ROOT

RUN = [sys.executable, str(ROOT / "benchmarks" / "run.py")]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RUN, *arguments], capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize(
    ("scenario", "figures"),
    [
        ("pushes", ["a connection a push, Unix, 1000 samples", "Cap'n Proto on one connection"]),
        ("connections", ["100 connections open, TCP: memory", "Unix: time of a scrape"]),
        ("gateway_pushes", ["4 samples, 2 groups, 1 client", "10 groups, 4 clients", "check on"]),
        ("scrapes", ["/metrics, 1,000 samples unchanged, gzip", "aiohttp sending ready bytes"]),
        ("polls", ["every 0.5 s, plain", "every 0.5 s, gzip", "bare uvloop client"]),
        ("startup", ["exec to first answered scrape", "memory at rest"]),
        ("large_scrapes", ["4,000 samples unchanged, gzip", "nginx", "Pushgateway"]),
        ("changed_pages", ["all 4 apps pushed, gzip", "its check on", "its check off"]),
        ("one_change", ["gzip, families of its own", "gzip, the 50 families of all apps"]),
        ("latency", ["push of 1,000 samples, 2 / 4 / 6 apps, a scrape every second"]),
        ("busy", ["4,000 samples scraped and pushed", "with nothing else to do"]),
        ("isolation", ["beside messages of 2 MiB, JSON", "beside a polled page of 0.0M samples"]),
        ("memory", ["memory, 4,000 samples, pushed and scraped with gzip", "in the second half"]),
        ("state", ["push of 4 samples with a state file", "until it listens", "after 10 times"]),
        ("reader_speed", ["1,000 samples, counters, gauges and histograms", "prometheus-client"]),
    ],
)
def test_scenario_gives_its_figures(scenario: str, figures: list[str]) -> None:
    """Each scenario comes to its end with numbers that are much too small to tell anything."""
    result = run("--smoke", scenario)

    assert result.returncode == 0, result.stdout + result.stderr
    for figure in figures:
        assert figure in result.stdout


def test_peer_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Pushgateway is not installed, the rest is measured all the same."""
    monkeypatch.setenv("PATH", "/nonexistent")

    result = run("--smoke", "scrapes")

    assert result.returncode == 0, result.stdout + result.stderr
    assert "prometheus-pushgateway is not installed" in result.stdout
    assert "aiohttp sending ready bytes" in result.stdout


@pytest.mark.parametrize("scenario", ["large_scrapes", "changed_pages"])
def test_scenarios_of_large_pages_do_without_the_peers(
    scenario: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not installed is named, whether its page is asked for or it is pushed to."""
    monkeypatch.setenv("PATH", "/nonexistent")

    result = run("--smoke", scenario)

    assert result.returncode == 0, result.stdout + result.stderr
    assert "prometheus-pushgateway is not installed" in result.stdout
    assert "4,000 samples" in result.stdout


def test_unknown_scenario_is_refused() -> None:
    """A name that isn't one is told, with those that are."""
    result = run("scrape")

    assert result.returncode == 2
    _, found, known = result.stderr.partition("no such scenario: scrape; there are ")
    assert found
    assert {"pushes", "scrapes", "reader_speed"} < set(known.strip().split(", "))
