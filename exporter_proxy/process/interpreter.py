"""Keep the interpreter itself from holding the event loop."""

import gc
import sys

# How long the loop may have to wait for a worker thread to let go of the interpreter.
_SWITCH_SECONDS = 0.0005


def tame_interpreter() -> None:
    """Keep the garbage collector, and threads, from holding the event loop.

    A full collection looks at every object of a table of 100,000 apps, which takes longer than the
    loop may be held. Nothing in the table is cyclic, so full collections find next to nothing.
    """
    gc.freeze()
    gc.set_threshold(3_000, 5, 100_000)
    # And what worker threads do in Python, from making the loop wait: by default up to 5 ms.
    sys.setswitchinterval(_SWITCH_SECONDS)
