"""Push one app at the size limit until ended: ``python load_flood.py UNIX FORMAT BYTES [RATE]``.

FORMAT is ``json`` or ``capnp``, BYTES those of a message. They follow one another without a pause
on one connection, each with other values than the one before; with RATE at most so many bytes a
second.
"""

import itertools
import json
import math
import sys
import time

import payloads
from load import connect

_SEND_BYTES = 262_144


def main(unix: str, wire: str, size: int, rate: float) -> None:
    """Push without a pause that is not asked for."""
    messages = [memoryview(_message(wire, size, variant)) for variant in (1, 2)]
    connection = connect(0, unix)
    connection.settimeout(None)
    due = time.perf_counter()
    for message in itertools.cycle(messages):
        for start in range(0, len(message), _SEND_BYTES):
            part = message[start : start + _SEND_BYTES]
            connection.sendall(part)
            due += len(part) / rate
            pause = due - time.perf_counter()
            if pause > 0:
                time.sleep(pause)
            else:
                # What was not sent in time is not sent faster later.
                due -= pause


def _message(wire: str, size: int, variant: int) -> bytes:
    if wire == "json":
        # Quotes and line ends take two bytes each.
        families = payloads.large_families(int(size * 0.89), variant)
        return json.dumps({"flood": b"".join(families).decode()}).encode()
    message = payloads.capnp_schema().InboundMetrics.new_message()
    message.appName = "flood"
    message.data = b"".join(payloads.large_families(size - 1024, variant)).decode()
    data: bytes = message.to_bytes()
    return data


if __name__ == "__main__":
    bytes_a_second = float(sys.argv[4]) if len(sys.argv) > 4 else math.inf
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), bytes_a_second)
