"""Push apps of 1,000 samples in turn until ended: ``python load_pushes.py UNIX APPS RATE``.

RATE is that of pushes a second. All go over one kept connection.
"""

import itertools
import sys
import time

import payloads
from load import connect

VARIANTS = 2


def main(unix: str, apps: int, rate: float) -> None:
    """Push, each time with other values than the time before."""
    # Made one by one: otherwise it would take seconds before the first is sent.
    connection = connect(0, unix)
    due = time.perf_counter()
    for variant in itertools.cycle(range(1, VARIANTS + 1)):
        for number in range(apps):
            name = f"app_{number}"
            data = payloads.message(name, payloads.large_app(name, variant=variant))
            time.sleep(max(0.0, due - time.perf_counter()))
            connection.sendall(data)
            due += 1 / rate


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
