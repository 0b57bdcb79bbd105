"""Poll a page until ended, and forget it: ``python load_drain.py PORT SECONDS``."""

import sys
import time

from load import HttpLoad


def main(port: int, seconds: float) -> None:
    """Poll, the next one never before the last has ended."""
    load = HttpLoad(port, "/metrics", gzip=False, connections=1)
    due = time.perf_counter()
    while True:
        load.scrape(1)
        due = max(due + seconds, time.perf_counter())
        time.sleep(max(0.0, due - time.perf_counter()))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
