"""A terminal for the processes that a test starts."""

import os
import threading
from contextlib import suppress


class Terminal:
    """Shows what is written to it.

    Attributes:
        line: The file descriptor that processes get.
    """

    def __init__(self) -> None:
        self._ours, self.line = os.openpty()
        self._bytes = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        # Reading fails when nobody has the other end any more.
        with suppress(OSError):
            while part := os.read(self._ours, 65_536):
                self._bytes += part

    def shown(self) -> str:
        """Return all that was written, with the line breaks that were written."""
        return bytes(self._bytes).decode(errors="replace").replace("\r\n", "\n")

    def hang_up(self) -> None:
        """End, when all processes that have it are gone. Idempotent."""
        if self._reader.is_alive():
            os.close(self.line)
            self._reader.join()
            os.close(self._ours)
