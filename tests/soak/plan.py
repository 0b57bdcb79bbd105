"""How large a soak is, and what the proxy is configured as."""

from dataclasses import dataclass
from pathlib import Path

from tests.proxy_process import Section

WIRES = (
    "json/tcp",
    "json/unix",
    "json/http",
    "capnp/tcp",
    "capnp/unix",
    "capnp/http",
    "stream/tcp",
    "group",
    "push",
)
"""All ways in which apps push, and where to: ``http`` is the scrape port, which takes messages
without HTTP, too. ``stream`` is many documents on one connection, ``group`` Pushgateway's API,
``push`` a POST on ``/push/<app>``."""

# Of twelve apps, which speaks what.
_SHARES = (0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is done, and how often.

    Attributes:
        seconds: For how long.
        apps: How many push.
        targets: How many are polled.
        rate: Pushes a second, of all apps together.
        peers: How many misbehave at a time.
        slow_readers: How many of these read ``/metrics`` at 1 kB/s, from the first to the last.
        pauses: SIGSTOP, each as (part of the time, seconds).
        kills: ``kill -9``, each as a part of the time.
        reload_seconds: Between two reloads; every third is of a file that can't be used.
        seed: Of all that happens by chance.
    """

    seconds: float = 120.0
    apps: int = 2000
    targets: int = 50
    rate: float = 400.0
    peers: int = 40
    slow_readers: int = 20
    pauses: tuple[tuple[float, float], ...] = ((0.12, 2.0), (0.6, 10.0))
    kills: tuple[float, ...] = (0.3, 0.45)
    reload_seconds: float = 5.0
    seed: int = 1

    @classmethod
    def short(cls) -> "Plan":
        """Return what the suite has time for."""
        return cls(
            seconds=14.0,
            apps=200,
            targets=10,
            rate=120.0,
            peers=15,
            slow_readers=5,
            pauses=((0.15, 1.0),),
            kills=(0.4,),
            reload_seconds=2.0,
        )

    def names(self) -> dict[str, list[str]]:
        """Return the apps of each wire."""
        named: dict[str, list[str]] = {wire: [] for wire in WIRES}
        for number in range(self.apps):
            named[WIRES[_SHARES[number % len(_SHARES)]]].append(f"a{number}")
        return named


MAX_MESSAGE = 1 << 20
"""Bytes."""
MESSAGE_TIMEOUT = 3.0
NOISY_APPS = 8
"""Apps that send what is wrong; they are in the table, too."""


def sections(plan: Plan, state: Path, target_port: int, variant: int) -> dict[str, object]:
    """Return the configuration; another ``variant`` is what a reload finds."""
    urls = [
        {"url": f"http://127.0.0.1:{target_port}/t{number}", "name": f"t{number}"}
        for number in range(plan.targets)
    ]
    exporter: Section = {
        "state_file": str(state),
        "scrape_timeout": 5 + variant % 2,
        "max_apps": plan.apps + plan.targets + NOISY_APPS,
        "app_label": "app" if variant % 2 else "",
        "concurrent_requests": 512,
        "self_metrics_interval": 1,
    }
    receiver: Section = {
        "receive_on_scrape_port": True,
        "max_message_size": MAX_MESSAGE,
        "message_timeout": MESSAGE_TIMEOUT,
        "idle_timeout": 8 + variant % 3,
    }
    poll: Section = {
        "poll_other_scrape_endpoints": True,
        "other_scrape_endpoints": urls,
        "poll_interval": 2 + (variant % 3) / 2,
        "client_timeout": 1,
        "max_body_size": MAX_MESSAGE,
    }
    greedy: Section = {"match": "greedy", "max_samples": 10}
    return {"exporter": exporter, "receiver": receiver, "poll_external": poll, "app": [greedy]}
