"""A listening socket whose accepting can be paused: peers then wait in the backlog."""

import asyncio
import contextlib
import select
import socket
from collections.abc import Callable

from exporter_proxy.sources.receiver.sockets import BACKLOG


class PausableListener:
    """Accepts connections on a socket, with pauses.

    uvloop can't pause a server. But a server made on a duplicate of the socket can be closed and
    made anew, while the socket itself, which this object holds, goes on listening.

    Args:
        listener: A listening, non-blocking socket; owned from now on.
        protocol_factory: Makes the protocol of each connection.
        on_waiting: Called once after each :meth:`watch`, when a peer waits in the backlog.
    """

    def __init__(
        self,
        listener: socket.socket,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        on_waiting: Callable[[], None],
    ) -> None:
        self._listener = listener
        self._protocol_factory = protocol_factory
        self._on_waiting = on_waiting
        self._loop = asyncio.get_running_loop()
        # Kept, because uvloop closes a Unix listener whose server object is collected.
        self._server: asyncio.Server | None = None
        self._starting: asyncio.Task[None] | None = None
        self._wanted = False
        self._watching = False

    @property
    def socket(self) -> socket.socket:
        """The socket that is listened on; closed after :meth:`close`."""
        return self._listener

    @property
    def accepting(self) -> bool:
        """Whether connections are accepted, or will be as soon as the loop gets to it."""
        return self._wanted

    async def start(self) -> None:
        """Accept connections."""
        self._wanted = True
        await self._serve()

    def pause(self) -> None:
        """Leave new peers in the backlog. Takes effect before the next accept."""
        self._wanted = False
        if self._server is not None:
            self._server.close()
            self._server = None

    def resume(self) -> None:
        """Accept again."""
        if not self._wanted and self._listener.fileno() != -1:
            self._wanted = True
            self._unwatch()
            if self._starting is None:
                self._starting = self._loop.create_task(self._serve())

    def watch(self) -> None:
        """Have ``on_waiting`` called when a peer waits; for a paused listener."""
        if not self._watching and self._listener.fileno() != -1:
            self._watching = True
            self._loop.add_reader(self._listener.fileno(), self._waiting)

    def peer_waits(self) -> bool:
        """Whether a peer waits in the backlog at this moment."""
        if self._listener.fileno() == -1:
            return False
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Stop listening. Idempotent."""
        self.pause()
        if self._listener.fileno() != -1:
            self._unwatch()
            self._listener.close()

    async def _serve(self) -> None:
        # Wanted can change while the server is being made.
        try:
            while self._wanted and self._server is None:
                duplicate = self._listener.dup()
                # Listens anew, with 100 unless told: the backlog is the socket's, not the server's.
                if duplicate.family == socket.AF_UNIX:
                    server = await self._loop.create_unix_server(
                        self._protocol_factory, sock=duplicate, backlog=BACKLOG
                    )
                else:
                    server = await self._loop.create_server(
                        self._protocol_factory, sock=duplicate, backlog=BACKLOG
                    )
                if self._wanted:
                    self._server = server
                else:
                    server.close()
        except OSError:
            # Out of descriptors, or the socket was closed meanwhile; the owner resumes again.
            self._wanted = False
        finally:
            self._starting = None

    def _waiting(self) -> None:
        self._unwatch()
        self._on_waiting()

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            with contextlib.suppress(OSError, ValueError):
                self._loop.remove_reader(self._listener.fileno())
