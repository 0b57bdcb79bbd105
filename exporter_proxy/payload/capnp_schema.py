"""The schema of the Cap'n Proto wire, as the library has it."""

from pathlib import Path

import capnp


def _load() -> "capnp.lib.capnp._StructModule":
    # In a wheel the schema lies within the package, in a checkout beside it.
    package = Path(__file__).parent.parent
    folder = next(
        folder
        for folder in (package / "schemas", package.parent / "schemas")
        if (folder / "metric_data.capnp").is_file()
    )
    capnp.remove_import_hook()
    return capnp.load(str(folder / "metric_data.capnp"))


SCHEMA = _load()
"""``SCHEMA.InboundMetrics`` and, as the proxy reads it, ``SCHEMA.InboundMetricsBytes``."""
