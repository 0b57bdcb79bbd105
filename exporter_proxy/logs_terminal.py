"""Log lines for a person at a terminal: short, in colour, one line each."""

import logging
import os
import time
from typing import TextIO

from rich.console import Console
from rich.text import Text

from exporter_proxy.logs import UtcFormatter, one_line

_STYLES = {"DEBUG": "dim", "INFO": "green", "WARNING": "bold yellow", "ERROR": "bold red"}
# Fields of a message: ``source=127.0.0.1:6554``. Linear: a name has no =.
_FIELD = r"(?<!\S)[a-z_]+="
_INDENT = "    "


class TerminalFormatter(UtcFormatter):
    """``06:00:00Z WARNING message``, coloured as far as the terminal and its user want it.

    What a peer sent is shown and never obeyed: nothing is taken for markup, and what is not
    printable is escaped. Lines are not wrapped; that is the terminal's own business, which knows
    its width, also later. ``NO_COLOR`` and ``TERM=dumb`` turn colours off.

    Args:
        stream: The terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        # It only makes the lines: each is captured and goes the way of all log lines.
        self._console = Console(
            file=stream,
            # Rich by itself would still write bold and dim.
            color_system=None if os.environ.get("NO_COLOR") else "auto",
            markup=False,
            highlight=False,
            emoji=False,
            soft_wrap=True,
        )

    def format(self, record: logging.LogRecord) -> str:
        """Return ``record`` as a line, and indented lines for its traceback."""
        # Pieces with a style each: no text is ever read as markup.
        line = Text(end="")
        line.append(time.strftime("%H:%M:%SZ ", time.gmtime(record.created)), "dim")
        line.append(f"{record.levelname:7} ", _STYLES.get(record.levelname, "bold red"))
        message = Text(one_line(record.getMessage()))
        message.highlight_regex(_FIELD, "cyan")
        line.append_text(message)
        for part in self.formatted_exception(record).splitlines():
            line.append(f"\n{_INDENT}{one_line(part)}", "red")
        with self._console.capture() as shown:
            self._console.print(line, end="")
        return shown.get()
