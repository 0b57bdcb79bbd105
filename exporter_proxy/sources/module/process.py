"""One run of a program: its output within limits, and nothing of it left behind.

Linux only: a descriptor of the process (pidfd_open(2)) tells of its end before it is reaped. Until
then its number, which is also that of its group, can't become anybody else's, so that the signals
that end the group reach it alone.
"""

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import IO, NamedTuple

from exporter_proxy.errors import ModuleError, PollError, quote
from exporter_proxy.sources.module.apart import apart
from exporter_proxy.sources.module.kind import of_poll
from exporter_proxy.sources.poll.body import Body, too_large
from exporter_proxy.table import Payload
from exporter_proxy.turns import turns_of_loop

GRACE_SECONDS = 1.0
"""From SIGTERM to SIGKILL, and from a program's end to that of its output."""

MAX_ERRORS = 1_048_576
"""Bytes that a program may write on its standard error."""

# As much as a pipe holds.
_READ_BYTES = 65_536
_TAIL = 4096
_SHOWN = 200


class Program(NamedTuple):
    """What is run.

    Attributes:
        arguments: The program first.
        environment: All of it.
        directory: The working directory.
        max_size: Bytes of output that are taken.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    directory: str
    max_size: int


async def run(program: Program) -> Payload:
    """Run a program to its end; cancelled, it is ended, with all that it started in its group.

    Raises:
        ModuleError: ``not_started``, ``exit_status``, ``output_open``, or what is wrong with the
            output.
    """
    running = await _start(program)
    try:
        chunks = await running.finish()
    finally:
        await running.end()
    return await _payload(chunks, program.max_size)


async def _start(program: Program) -> "_Running":
    start = _Start(program)
    starting = apart(start)
    # Whoever is cancelled may not be there to ask for an error.
    starting.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        process = await asyncio.shield(starting)
    except asyncio.CancelledError:
        start.give_up()
        await asyncio.wait({starting}, timeout=GRACE_SECONDS)
        raise
    except (OSError, ValueError) as exc:
        raise _not_started(program, exc) from exc
    try:
        return _Running(process, program.max_size)
    except OSError as exc:
        # There are no descriptors left.
        _end_at_once(process)
        raise _not_started(program, exc) from exc


def _spawn(program: Program) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - a list of the operator's, never a shell's text
        program.arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=program.environment,
        cwd=program.directory,
        start_new_session=True,
    )


class _Start:
    """Starts a program in a thread, as it may lie on a file system that takes its time.

    Given up, it ends what it has started or will have: nobody else knows of that.

    Args:
        program: Which.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._given_up = False

    def __call__(self) -> subprocess.Popen[bytes]:
        """Return the process; raises what its start does."""
        process = _spawn(self._program)
        with self._lock:
            self._process = process
            if not self._given_up:
                return process
        _end_at_once(process)
        return process

    def give_up(self) -> None:
        """Let nothing come of it."""
        with self._lock:
            self._given_up = True
            process = self._process
        if process is not None:
            _end_at_once(process)


def _end_at_once(process: subprocess.Popen[bytes]) -> None:
    _signal_group(process, signal.SIGKILL)
    for pipe in (process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()
    process.wait()


def _not_started(program: Program, exc: Exception) -> ModuleError:
    what, why = program.arguments[0], str(exc)
    if isinstance(exc, OSError):
        why = exc.strerror or why
        if exc.filename == program.directory:
            what = program.directory
    return ModuleError(f"can't start {quote(what, _SHOWN)}: {why}", reason="not_started")


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        # Gone; or all that is left runs as another user, and is not ours to end.
        return


class _Running:
    """A program that was started.

    Args:
        process: Its process, not reaped.
        max_size: Bytes of output that are taken.
    """

    def __init__(self, process: subprocess.Popen[bytes], max_size: int) -> None:
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._exited: asyncio.Future[None] = self._loop.create_future()
        self._descriptor = os.pidfd_open(process.pid)
        self._loop.add_reader(self._descriptor, self._note_exit)
        assert process.stdout is not None
        assert process.stderr is not None
        self._output = _Output(process.stdout, max_size)
        self._errors = _Errors(process.stderr)

    async def finish(self) -> list[bytes]:
        """Wait for the program's end, and return what it wrote.

        Raises:
            ModuleError: See :func:`run`.
        """
        output, errors = self._output, self._errors
        await asyncio.wait(
            {self._exited, output.flooded, errors.flooded}, return_when=asyncio.FIRST_COMPLETED
        )
        if self._exited.done():
            # What it wrote last may still be on its way.
            await asyncio.wait(
                {output.ended, output.flooded},
                timeout=GRACE_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
        if output.flooded.done():
            raise of_poll(too_large(output.max_size, "the output"))
        if errors.flooded.done():
            raise ModuleError(
                f"more than {MAX_ERRORS} bytes on its standard error", reason="body_too_large"
            )
        # It has ended, and is not reaped: the group is ended before that.
        status = os.waitid(  # noqa: ASYNC222 - nothing to wait for
            os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT
        )
        assert status is not None
        if status.si_code != os.CLD_EXITED or status.si_status:
            raise ModuleError(_how_it_ended(status, errors.last_line()), reason="exit_status")
        if not output.ended.done():
            raise ModuleError(
                "it has ended, but another program that it started keeps its output open",
                reason="output_open",
            )
        return output.chunks

    async def end(self) -> None:
        """End what is left of the program and its group: ask, then kill. Cancelled, kill."""
        try:
            if not self._exited.done():
                _signal_group(self._process, signal.SIGTERM)
                await asyncio.wait({self._exited}, timeout=GRACE_SECONDS)
        finally:
            _signal_group(self._process, signal.SIGKILL)
            try:
                if not self._exited.done():
                    await asyncio.wait({self._exited}, timeout=GRACE_SECONDS)
            finally:
                self._close()

    def _close(self) -> None:
        if not self._exited.done():
            self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        self._output.close()
        self._errors.close()
        # Reaps it. One that can't even be killed, in the kernel's hands, is left to Python.
        self._process.poll()

    def _note_exit(self) -> None:
        self._loop.remove_reader(self._descriptor)
        if not self._exited.done():
            self._exited.set_result(None)


class _Pipe:
    """What a program writes.

    Not a transport of the loop's: while uvloop opens one, a task that is cancelled has the file
    closed under it, by its number alone, which may be another file's at the next close.

    Args:
        file: Where it is read; closed in the end.
        max_size: Bytes that are kept.

    Attributes:
        ended: Whether it writes no more.
        flooded: Whether it wrote too much.
    """

    def __init__(self, file: IO[bytes], max_size: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._file = file
        self._size = 0
        self.max_size = max_size
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self.flooded: asyncio.Future[None] = self._loop.create_future()
        os.set_blocking(file.fileno(), False)
        self._loop.add_reader(file.fileno(), self._read)

    def close(self) -> None:
        """Read no more. Idempotent."""
        if not self._file.closed:
            self._loop.remove_reader(self._file.fileno())
            self._file.close()

    def _read(self) -> None:
        try:
            data = os.read(self._file.fileno(), _READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self.ended.set_result(None)
            self.close()
            return
        self._size += len(data)
        if self._size <= self.max_size:
            self._keep(data)
        else:
            self.flooded.set_result(None)
            self.close()

    def _keep(self, data: bytes) -> None:
        raise NotImplementedError


class _Output(_Pipe):
    """Standard output, all of it."""

    def __init__(self, file: IO[bytes], max_size: int) -> None:
        super().__init__(file, max_size)
        self.chunks: list[bytes] = []

    def _keep(self, data: bytes) -> None:
        self.chunks.append(data)


class _Errors(_Pipe):
    """Standard error, its end."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, MAX_ERRORS)
        self._tail = b""

    def _keep(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-_TAIL:]

    def last_line(self) -> str:
        """Return the last line with something in it."""
        lines = self._tail.decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""


def _how_it_ended(status: "os.waitid_result", last_line: str) -> str:
    if status.si_code == os.CLD_EXITED:
        text = f"exit status {status.si_status}"
    else:
        try:
            name = signal.Signals(status.si_status).name
        except ValueError:  # a real-time signal
            name = f"signal {status.si_status}"
        text = f"ended by {name}"
    return f"{text}: {quote(last_line, _SHOWN)}" if last_line else text


async def _payload(chunks: list[bytes], max_size: int) -> Payload:
    """Check an output, and make a payload of it.

    Raises:
        ModuleError: ``invalid_utf8`` or ``nul_byte``.
    """
    body, turns = Body(max_size, what="the output"), turns_of_loop()
    try:
        for chunk in chunks:
            for _ in body.feed(chunk):
                await turns.turn()
        return body.close()
    except PollError as exc:
        raise of_poll(exc) from exc
