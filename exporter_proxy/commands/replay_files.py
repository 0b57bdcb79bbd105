"""The metrics that ``exporter-proxy replay`` pushes."""

from pathlib import Path

import msgspec

from exporter_proxy.errors import quote
from exporter_proxy.exposition.reader import read

MOST_BYTES = 1 << 30


class FilesError(Exception):
    """There is nothing to push; the text says why, for a person."""


def read_directory(directory: str) -> list[str]:
    """Return the payloads in the files of a directory, in the order of their names.

    Hidden files and folders are passed over, and files with no metrics in them. A file whose name
    ends in ``.json`` holds a JSON message, of which every app's text is a payload.

    Raises:
        FilesError: There are none, or a file can't be read.
    """
    folder = Path(directory)
    payloads: list[str] = []
    size = 0
    try:
        files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        for path in files:
            if not path.is_file():
                continue
            data = path.read_bytes()
            size += len(data)
            if size > MOST_BYTES:
                raise FilesError(f"{directory}: more than {MOST_BYTES} bytes")
            payloads += _payloads(path, data)
    except OSError as error:
        raise FilesError(f"{error.filename or directory}: {error.strerror or error}") from error
    if not payloads:
        raise FilesError(f"{directory}: no file of metrics in it")
    return payloads


def _payloads(path: Path, data: bytes) -> list[str]:
    try:
        if path.suffix == ".json":
            return _texts(msgspec.json.decode(data, type=dict[str, _Value]))
        text = data.decode()
        return [text] if read((data,)).families else []
    except UnicodeDecodeError as error:
        raise FilesError(f"{path}: not UTF-8 at byte {error.start}") from error
    except msgspec.DecodeError as error:
        raise FilesError(f"{path}: no JSON message: {quote(str(error))}") from error


class _WithOptions(msgspec.Struct):
    metrics: str | list[str]


_Value = str | list[str] | _WithOptions


def _texts(message: dict[str, _Value]) -> list[str]:
    texts = []
    for value in message.values():
        metrics = value.metrics if isinstance(value, _WithOptions) else value
        texts.append(metrics if isinstance(metrics, str) else "\n".join(metrics))
    return texts
