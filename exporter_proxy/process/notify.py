"""What is told to the service manager: the protocol of sd_notify(3), datagrams of ``NAME=value``.

It is a few lines over a socket, so that no library is needed for it. Where no service manager asks
to be told (``$NOTIFY_SOCKET``), nothing is sent.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, MutableMapping

from exporter_proxy.repeats import Streak

logger = logging.getLogger(__name__)

# How long what must arrive may wait for room in the manager's queue.
_PATIENCE_SECONDS = 1.0
# Without a watchdog that asks for more.
_STATUS_SECONDS = 10.0


class Notifier:
    """Tells the service manager how the service is.

    A manager that can't be reached costs a line in the log and nothing else.

    Args:
        address: Path of the manager's socket, an abstract one with ``@`` first; None: nobody asks.
        watchdog_seconds: Within what time it wants to hear of us, again and again; None: not.
    """

    def __init__(self, address: str | None, watchdog_seconds: float | None = None) -> None:
        self.watchdog_seconds = watchdog_seconds
        self._address = f"\0{address[1:]}" if address and address[0] == "@" else address
        self._streak = Streak(logger, "telling the service manager", f"socket={address}")
        self._socket: socket.socket | None = None

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] = os.environ) -> "Notifier":
        """Return a notifier for what the environment asks for.

        The variables are taken out of it: a child of ours must not answer for us.
        """
        address = environment.pop("NOTIFY_SOCKET", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        process = environment.pop("WATCHDOG_PID", "")
        watchdog = None
        ours = process in {"", str(os.getpid())}
        if ours and microseconds.isascii() and microseconds.isdigit() and int(microseconds):
            watchdog = int(microseconds) / 1_000_000
        if address and address[0] not in "/@":
            logger.warning("the service manager's socket is of an unknown kind: %s", address)
            address = ""
        return cls(address or None, watchdog if address else None)

    @property
    def asked(self) -> bool:
        """Whether a service manager asks to be told."""
        return self._address is not None

    def ready(self, status: str) -> None:
        """Tell that everything listens, after a start or a reload."""
        self._send("READY=1", f"STATUS={status}", wait=True)

    def reloading(self) -> None:
        """Tell that a reload begins; it ends with :meth:`ready`, however it ends."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=reloading", wait=True)

    def stopping(self) -> None:
        """Tell that the end begins."""
        self._send("STOPPING=1", "STATUS=stopping", wait=True)

    def alive(self, status: str) -> None:
        """Tell the watchdog, if there is one, that all is well, and how it is."""
        watchdog = ["WATCHDOG=1"] if self.watchdog_seconds else []
        self._send(*watchdog, f"STATUS={status}")

    def status(self, status: str) -> None:
        """Tell how it is, and the watchdog nothing."""
        self._send(f"STATUS={status}")

    def close(self) -> None:
        """Send nothing more. Idempotent."""
        if self._socket is not None:
            self._socket.close()
        self._socket = self._address = None

    def _send(self, *fields: str, wait: bool = False) -> None:
        """Send a datagram.

        Args:
            fields: In the order in which they count.
            wait: Wait a moment if the manager's queue is full. What comes again need not: the
                loop is not to be held.
        """
        if self._address is None:
            return
        # A line break would begin another field.
        lines = (field.replace("\n", " ") for field in fields)
        data = "\n".join(lines).encode("utf-8", "backslashreplace")
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.settimeout(_PATIENCE_SECONDS if wait else 0)
            self._socket.sendto(data, self._address)
        except OSError as error:
            self._streak.failed(error.strerror or str(error))
        else:
            self._streak.worked()


class Heartbeat:
    """Tells the service manager again and again how it is, from the event loop.

    It beats at half of the watchdog's time. A loop that hangs beats no more, and one whose service
    is not well tells its status but not the watchdog, so that the manager ends and restarts it.

    Args:
        notifier: Tells it.
        status: Says how it is, in one line.
        well: Whether the service does what it is there for.
    """

    def __init__(
        self, notifier: Notifier, status: Callable[[], str], well: Callable[[], bool]
    ) -> None:
        self._notifier = notifier
        self._status = status
        self._well = well
        self._timer: asyncio.TimerHandle | None = None
        watchdog = notifier.watchdog_seconds
        self._seconds = min(_STATUS_SECONDS, watchdog / 2) if watchdog else _STATUS_SECONDS

    def start(self) -> None:
        """Begin; where nobody asks nothing is done."""
        if self._notifier.asked:
            self._beat()

    def stop(self) -> None:
        """End. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._beat)
        if self._well():
            self._notifier.alive(self._status())
        else:
            self._notifier.status(f"not well: {self._status()}")
