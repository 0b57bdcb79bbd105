"""Run the proxy as ``python -m exporter_proxy``, or by the name of the program."""

import sys

from exporter_proxy.process.hangups import early_hangups


def main() -> int:
    """Do what the arguments say and return the exit code."""
    early_hangups.hold()
    try:
        # It takes a tenth of a second, in which a signal may come.
        from exporter_proxy.cli import main as do  # noqa: PLC0415

        return do()
    except KeyboardInterrupt:
        # Nothing has begun.
        return 0


if __name__ == "__main__":
    sys.exit(main())
