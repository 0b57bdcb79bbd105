"""Reads the files of a path one after another, in the order in which they were written."""

from exporter_proxy.sources.log.block import Block, read_block, take_rest
from exporter_proxy.sources.log.generations import Generations, Note
from exporter_proxy.sources.log.opening import DamagedError
from exporter_proxy.sources.log.stream import Stream


class Reading:
    """Reads what is new in the files of a path.

    Args:
        generations: The files.
        linger: Seconds for which a file that was rotated away has to be quiet, while its successor
            is written, before it counts as complete.
        note: See :data:`Note`.
    """

    def __init__(self, generations: Generations, linger: float, note: Note) -> None:
        self._generations = generations
        self._linger = linger
        self._note = note

    def next_block(self, max_line: int, now: float) -> Block | None:
        """Return the next lines; None: there are none now.

        Args:
            max_line: Bytes of a line; of a longer one the first are taken.
            now: The time, in seconds of a clock that nobody sets.
        """
        for number, stream in enumerate(self._generations.streams):
            if stream.role == "done":
                continue
            try:
                block = self._read(stream, max_line)
                if block is None and not stream.truncated and stream.file is not None:
                    block = self._end(stream, number, max_line, now)
                elif block is not None:
                    stream.grew_at = now
            except DamagedError as error:
                if now - stream.grew_at < self._linger:
                    # It is still being packed, perhaps; what follows comes after it.
                    return None
                stream.end()
                self._generations.losses.append(f"{stream.path} {error}")
                continue
            except OSError as error:
                self._note(stream.path, error)
                continue
            if block is not None:
                return block
            if stream.truncated:
                return None
        return None

    def _read(self, stream: Stream, max_line: int) -> Block | None:
        if stream.file is None and not stream.unread and stream.role == "live" and stream.size:
            # It was closed as there was nothing to read.
            return None
        return read_block(stream, max_line) if stream.open() else None

    def _end(self, stream: Stream, number: int, max_line: int, now: float) -> Block | None:
        """Finish a file that was read to its end, if nothing more is expected of it."""
        if stream.role == "copy":
            if stream.joins and self._join(stream, number, max_line):
                return None
        elif stream.role == "live" or not self._is_over(stream, now):
            return None
        block = read_block(stream, max_line, final=True)
        if block is None:
            stream.end()
        return block

    def _join(self, stream: Stream, number: int, max_line: int) -> bool:
        """Hand the begin of a line to the file that has its end; tell whether there is one."""
        later = self._generations.streams[number + 1 :]
        heir = next((each for each in later if each.role != "done"), None)
        if heir is None or heir.mark.offset or heir.carry:
            return False
        heir.carry = take_rest(stream, max_line)
        heir.skipping = stream.skipping
        stream.end()
        return True

    def _is_over(self, stream: Stream, now: float) -> bool:
        """Tell whether the writer of a file that was rotated away has gone over to the next."""
        if now - stream.grew_at < self._linger:
            return False
        live = self._generations.live
        return not stream.links or (live is not None and live.size > 0)
