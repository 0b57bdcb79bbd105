"""Connections, and the ways in which they end."""

import asyncio
import socket
import struct

GONE = (OSError, EOFError, RuntimeError)
"""What a connection that has ended raises; the last of them where uvloop is to write to it."""


def vanish(writer: asyncio.StreamWriter) -> None:
    """Reset a connection, if it is still there."""
    opened = writer.get_extra_info("socket")
    if opened is not None and not writer.is_closing():
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
