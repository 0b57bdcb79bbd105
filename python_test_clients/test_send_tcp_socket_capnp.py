"""Push one application's metrics over TCP as a Cap'n Proto message."""

import argparse
import socket
import sys
from pathlib import Path

import capnp  # pip install -r requirements.txt

SCHEMA = Path(__file__).resolve().parent.parent / "schemas" / "metric_data.capnp"
metric_data = capnp.load(str(SCHEMA))

APP = "foo_bar_app4_metrics"
METRICS = """\
# HELP tcp_client_orders_total Orders taken.
# TYPE tcp_client_orders_total counter
tcp_client_orders_total{shop="north"} 312
tcp_client_orders_total{shop="south"} 207
"""


def main() -> int:
    """Send the message and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "address",
        metavar="HOST:PORT",
        nargs="?",
        default="127.0.0.1:6554",
        help="where the proxy takes pushes (default: %(default)s)",
    )
    address = parser.parse_args().address
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        parser.error(f"{address}: expected HOST:PORT, such as 127.0.0.1:6554")
    message = metric_data.InboundMetrics.new_message(appName=APP, data=METRICS)
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=10) as connection:
            connection.sendall(message.to_bytes())
            # "That was all": the proxy closes in turn. It says nothing unless it refuses a message.
            connection.shutdown(socket.SHUT_WR)
            answer = connection.makefile(encoding="utf-8").read()
    except (OSError, OverflowError) as error:
        print(f"{address}: {error}. Is the proxy running? (make run)", file=sys.stderr)
        return 1
    if answer:
        print(answer.strip(), file=sys.stderr)
        return 1
    print(f"sent {APP} to {address}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
