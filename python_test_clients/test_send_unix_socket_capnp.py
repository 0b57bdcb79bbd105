"""Push the metrics of two applications over one connection to the proxy's Unix socket.

Each message counts as soon as the proxy has all of it: a connection may stay open for as long as
there is something to say.
"""

import argparse
import os
import socket
import sys
from pathlib import Path

import capnp  # pip install -r requirements.txt

SCHEMA = Path(__file__).resolve().parent.parent / "schemas" / "metric_data.capnp"
metric_data = capnp.load(str(SCHEMA))

METRICS = {
    "foo_bar_app5_metrics": """\
# HELP unix_client_sessions People who are logged in.
# TYPE unix_client_sessions gauge
unix_client_sessions 17
""",
    "foo_bar_app6_metrics": """\
# HELP unix_client_mails_total Mails sent.
# TYPE unix_client_mails_total counter
unix_client_mails_total{kind="invoice"} 96
unix_client_mails_total{kind="reminder"} 4
""",
}


# Where the proxy puts its socket unless config.toml names a path: the first place it can write.
PLACES = (
    "/var/run/exporter-proxy-receiver.sock",
    f"{os.environ.get('XDG_RUNTIME_DIR') or '/var/run'}/exporter-proxy-receiver.sock",
    f"{os.environ.get('TMPDIR') or '/tmp'}/exporter-proxy-receiver-{os.geteuid()}.sock",  # noqa: S108 - as the proxy does
)


def main() -> int:
    """Send a message for each application and say how it went."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        default=next(filter(os.path.exists, PLACES), PLACES[0]),
        help="the proxy's Unix socket, which its log names at the start;\n"
        "without it, the first of these that is there:\n" + "\n".join(dict.fromkeys(PLACES)),
    )
    path = parser.parse_args().path
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(path)
            for app, text in METRICS.items():
                message = metric_data.InboundMetrics.new_message(appName=app, data=text)
                connection.sendall(message.to_bytes())
            # "That was all": the proxy closes in turn. It says nothing unless it refuses a message.
            connection.shutdown(socket.SHUT_WR)
            answer = connection.makefile(encoding="utf-8").read()
    except OSError as error:
        print(f"{path}: {error}. Is the proxy running? (make run)", file=sys.stderr)
        print("When it starts, its log says which socket it listens on.", file=sys.stderr)
        return 1
    if answer:
        print(answer.strip(), file=sys.stderr)
        return 1
    print(f"sent {' and '.join(METRICS)} to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
