"""Reports as JSON, an entry of a list a line."""

from collections.abc import Generator
from dataclasses import fields

from msgspec import json

from exporter_proxy.exposition.report import Report
from exporter_proxy.steps import all_at_once

_STEP = 500


def encode(report: Report) -> bytes:
    """Return a report as JSON."""
    return b"".join(all_at_once(encode_in_steps(report)))


def encode_in_steps(report: Report) -> Generator[None, None, list[bytes]]:
    """Return a report as JSON in chunks; a payload may have very many families."""
    chunks = [b"{"]
    separator = b"\n"
    for field in fields(report):
        value = getattr(report, field.name)
        chunks.append(b'%s  "%s": ' % (separator, field.name.encode()))
        if isinstance(value, list | tuple):
            yield from _encode_list(value, chunks)
        else:
            chunks.append(json.encode(value))
        separator = b",\n"
    chunks.append(b"\n}\n")
    return chunks


def _encode_list(
    entries: "list[object] | tuple[object, ...]", chunks: list[bytes]
) -> Generator[None, None, None]:
    if not entries:
        chunks.append(b"[]")
        return
    separator = b"["
    for start in range(0, len(entries), _STEP):
        lines = (b"\n    " + json.encode(entry) for entry in entries[start : start + _STEP])
        chunks.append(separator + b",".join(lines))
        separator = b","
        yield
    chunks.append(b"\n  ]")


def decode(document: bytes) -> Report:
    """Return the report that another process has written.

    Raises:
        msgspec.DecodeError: It is none.
    """
    return json.decode(document, type=Report)
