"""Changes, and what a file has of them."""

from pathlib import Path

from exporter_proxy.state.record import Change, Record, Saved
from exporter_proxy.state.store import Store


def change(app: str, number: int, *pieces: bytes, updated_ns: int = 1) -> Change:
    """Return a change that brings a payload."""
    return Change(app, number, Record("s", updated_ns), pieces)


def opened(path: Path) -> Store:
    """Return a store on a file, made if there is none."""
    store = Store(path)
    store.open()
    return store


def content(path: Path) -> list[Saved]:
    """Return what a file has."""
    store = opened(path)
    try:
        return store.read()
    finally:
        store.close()
