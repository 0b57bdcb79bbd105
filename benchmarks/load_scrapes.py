"""Scrape with gzip until ended: ``python load_scrapes.py PORT SECONDS``, SECONDS between starts.

A process of its own, so that it never waits for the one that takes the times of pushes.
"""

import sys
import time

from load import HttpLoad


def main(port: int, seconds: float) -> None:
    """Scrape, the next one never before the last has ended."""
    load = HttpLoad(port, "/metrics", gzip=True, connections=1)
    due = time.perf_counter()
    while True:
        load.scrape(1)
        due = max(due + seconds, time.perf_counter())
        time.sleep(max(0.0, due - time.perf_counter()))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
