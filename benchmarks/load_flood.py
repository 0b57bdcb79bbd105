"""Push one app at the size limit until ended: ``python load_flood.py UNIX FORMAT BYTES``.

FORMAT is ``json`` or ``capnp``, BYTES those of a message. They follow one another without a pause
on one connection, each with other values than the one before.
"""

import itertools
import json
import sys

import payloads
from load import connect

_SEND_BYTES = 262_144


def main(unix: str, wire: str, size: int) -> None:
    """Push without a pause."""
    messages = [memoryview(_message(wire, size, variant)) for variant in (1, 2)]
    connection = connect(0, unix)
    connection.settimeout(None)
    for message in itertools.cycle(messages):
        for start in range(0, len(message), _SEND_BYTES):
            connection.sendall(message[start : start + _SEND_BYTES])


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
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
