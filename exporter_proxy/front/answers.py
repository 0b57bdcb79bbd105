"""What peers of the scrape port are told before a view could answer them."""

from http import HTTPStatus

TLS = "a TLS hello came, but this port does not speak TLS"


def late_head(seconds: float) -> str:
    """Return what is wrong with a later request of a connection, whose head doesn't end."""
    return f"the head of a request was not whole within {seconds:g} s (exporter.header_timeout)"


def raw(line: str) -> bytes:
    """Return what a peer is told that does not speak HTTP."""
    return f"error: {line}\n".encode(errors="backslashreplace")


def http(status: HTTPStatus, line: str) -> bytes:
    """Return a response of one line, after which the connection is closed."""
    body = raw(line)
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Server: exporter-proxy\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body
