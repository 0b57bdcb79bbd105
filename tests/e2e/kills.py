"""Apps that push as fast as they are answered, until the proxy is killed under them."""

import http.client
import json
import random
import re
import threading
import time
from collections import defaultdict
from contextlib import suppress

from tests.proxy_process import ProxyProcess, wait_for_disk

SAMPLE = re.compile(rb'^(app_[0-9]+)_v\{n="([0-9]+)"\} ([0-9]+)$', re.MULTILINE)
# Samples that an app sends at most: most of them few, some many, one more than a piece has.
SIZES = [5] * 20 + [2_000] * 4 + [60_000]
THREADS = 3


def samples(app: str, number: int) -> int:
    """Return how many samples a payload of an app has: others every time."""
    most = SIZES[int(app.removeprefix("app_"))]
    return 1 + (number * 7919) % most


def payload(app: str, number: int) -> str:
    """Return the payload of an app with that number, which is also each sample's value."""
    return "".join(f'{app}_v{{n="{n}"}} {number}\n' for n in range(samples(app, number)))


def shown(page: bytes) -> dict[str, int]:
    """Return which payload of each app a page shows; fail if it is none that was ever made."""
    values: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for app, n, number in SAMPLE.findall(page):
        values[app.decode()].append((int(n), int(number)))
    found = {}
    for app, pairs in values.items():
        number = pairs[0][1]
        expected = [(n, number) for n in range(samples(app, number))]
        assert pairs == expected, f"{app} has a payload that was never sent"
        found[app] = number
    return found


class Crowd:
    """Apps, what they sent, and what they were told has arrived.

    Attributes:
        sent: {app: number of the last payload that was sent, whether it arrived or not}
        arrived: {app: [(number, when)]}: payloads that were taken without an error.
        pushes: How many arrived so far.
        stalled: The longest, in seconds, that this process, the other one and the disk took
            together for what takes a moment.
    """

    def __init__(self) -> None:
        self.sent = dict.fromkeys((f"app_{number}" for number in range(len(SIZES))), 0)
        self.arrived: dict[str, list[tuple[int, float]]] = {app: [] for app in self.sent}
        self.pushes = 0
        self.stalled = 0.0
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def push_to(self, proxy: ProxyProcess) -> None:
        """Begin to push; somebody scrapes at the same time, so that payloads are read."""
        self._stop.clear()
        self.stalled = 0.0
        apps = list(self.sent)
        jobs = [(self._push, (proxy, apps[first::THREADS])) for first in range(THREADS)]
        jobs += [(self._scrape, (proxy,)), (self._watch, (proxy,))]
        self._threads = [threading.Thread(target=job, args=args) for job, args in jobs]
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        """Wait until nobody pushes any more."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def forget_since(self, moment: float) -> None:
        """Count only what had arrived at that moment."""
        for app, arrived in self.arrived.items():
            self.arrived[app] = [each for each in arrived if each[1] <= moment]

    def check(self, page: bytes) -> None:
        """Fail if what arrived is not there, or something is that was never sent.

        What is there counts from now on as having arrived long ago.
        """
        found = shown(page)
        for app, last in self.sent.items():
            due = max((number for number, _ in self.arrived[app]), default=0)
            kept = found.pop(app, 0)
            assert due <= kept <= last, f"{app} has {kept}, {due} had arrived, {last} was sent last"
            self.arrived[app] = [(kept, 0.0)] if kept else []
        assert not found, "apps that never were"

    def _push(self, proxy: ProxyProcess, apps: list[str]) -> None:
        while not self._stop.is_set():
            app = random.choice(apps)
            self.sent[app] += 1
            number = self.sent[app]
            data = json.dumps({app: payload(app, number)}).encode()
            try:
                answer = proxy.push_tcp(data)
            except OSError:
                return
            # Whoever is killed closes its connections, too: what comes after that is not counted.
            when = time.monotonic()
            assert not answer, answer
            self.arrived[app].append((number, when))
            self.pushes += 1

    def _scrape(self, proxy: ProxyProcess) -> None:
        while not self._stop.wait(0.1):
            try:
                proxy.get("/metrics")
            except (OSError, ValueError, EOFError):
                return
            except Exception:  # noqa: BLE001 - half of an answer, when it is killed
                return

    def _watch(self, proxy: ProxyProcess) -> None:
        began = time.monotonic()
        while not self._stop.wait(0.02):
            wait_for_disk(proxy.directory / "disk")
            with suppress(OSError, http.client.HTTPException):
                # Refused when it is killed.
                proxy.get("/-/healthy")
            now = time.monotonic()
            self.stalled = max(self.stalled, now - began - 0.02)
            began = now
