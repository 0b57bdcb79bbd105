"""Serve a large page to be polled, made as it is sent: ``python load_target.py PORT BYTES``."""

import itertools
import socket
import sys

import payloads


def main(port: int, size: int) -> None:
    """Serve one connection after another until ended, each poll with other values."""
    listener = socket.create_server(("127.0.0.1", port))
    variants = itertools.count()
    while True:
        connection, _ = listener.accept()
        try:
            _serve(connection, size, variants)
        except OSError:
            # The poll was given up.
            connection.close()


def _serve(connection: socket.socket, size: int, variants: "itertools.count[int]") -> None:
    request = b""
    while data := connection.recv(65_536):
        request += data
        if not request.endswith(b"\r\n\r\n"):
            continue
        request = b""
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for family in payloads.large_families(size, next(variants) % 8):
            connection.sendall(b"%x\r\n%b\r\n" % (len(family), family))
        connection.sendall(b"0\r\n\r\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
