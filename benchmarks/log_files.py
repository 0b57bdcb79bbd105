"""Logs to read: the same lines each time, as rsync's daemon and nginx write them."""

import random
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

_SEED = 20_220_522
# So many different lines; a log repeats them with other process ids or times.
_BLOCK_LINES = 50_000
_MODULES = ("ftp", "debian", "backup", "pub", "mirror")
_ERRORS = (
    "rsync error: error in rsync protocol data stream (code 12) at io.c(231) [sender=3.2.7]",
    "rsync error: timeout in data send/receive (code 30) at io.c(197) [sender=3.2.7]",
    "rsync error: received SIGINT, SIGTERM, or SIGHUP (code 20) at rsync.c(713) [sender=3.2.7]",
)
_METHODS = ("GET",) * 8 + ("POST", "HEAD")
_STATUSES = (200,) * 12 + (206, 301, 304, 304, 404, 500, 502)
_AGENTS = (
    "curl/7.88.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0",
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/120.0.0.0 Safari/537.36"
    ),
)


def rsyncd() -> Iterator[str]:
    """Yield the lines of an rsync daemon without ``transfer logging``, as it logs by default."""
    chance = random.Random(_SEED)
    pid = second = 0
    while True:
        pid = pid % 4_000_000 + 1
        second = (second + chance.randrange(3)) % 86_400
        front = f"2022/05/22 {_clock(second)} [{pid}] "
        host = f"host{chance.randrange(500)}.example.org (10.0.{chance.randrange(256)}.7)"
        module = chance.choice(_MODULES)
        yield f"{front}connect from {host}"
        kind = chance.random()
        if kind < 0.02:
            yield f"{front}module-list request from {host}"
            continue
        if kind < 0.03:
            yield f"{front}auth failed on module {module} from {host}: password mismatch"
            continue
        yield f"{front}rsync allowed access on module {module} from {host}"
        if kind < 0.25:
            yield f"{front}rsync to {module}/incoming/{chance.randrange(100)} from {host}"
            yield f"{front}receiving file list"
        else:
            yield f"{front}rsync on {module}/pool/main/{chance.randrange(9999)} from {host}"
            yield f"{front}building file list"
        if kind > 0.96:
            yield front + chance.choice(_ERRORS)
            continue
        sizes = [int(10 ** chance.uniform(1, 9)) for _ in range(3)]
        yield f"{front}sent {sizes[0]} bytes  received {sizes[1]} bytes  total size {sizes[2]}"


def nginx() -> Iterator[str]:
    """Yield lines of nginx's ``combined`` format with the request's time after them."""
    chance = random.Random(_SEED)
    second = 0
    while True:
        second = (second + (chance.random() < 0.01)) % 86_400
        agent, method = chance.choice(_AGENTS), chance.choice(_METHODS)
        path = f"/static/{chance.randrange(5000)}/page-{chance.randrange(100)}.html"
        size, status = int(10 ** chance.uniform(1, 6)), chance.choice(_STATUSES)
        yield (
            f"10.1.{chance.randrange(256)}.{chance.randrange(256)} - - "
            f"[22/May/2022:{_clock(second)} +0000] "
            f'"{method} {path}?q={chance.randrange(10**6)} HTTP/1.1" {status} {size} '
            f'"https://www.example.org/" "{agent}" {10 ** chance.uniform(-3, 0.5):.3f}'
        )


LOGS: dict[str, Callable[[], Iterator[str]]] = {"rsyncd": rsyncd, "nginx": nginx}


def write(path: Path, kind: str, lines: int) -> None:
    """Write a log of so many lines: blocks of different lines, over and over."""
    block = "".join(f"{line}\n" for line in islice(LOGS[kind](), min(lines, _BLOCK_LINES)))
    data = block.encode()
    whole, rest = divmod(lines, _BLOCK_LINES) if lines > _BLOCK_LINES else (1, 0)
    with path.open("wb") as file:
        for _ in range(whole):
            file.write(data)
        file.write(b"".join(data.splitlines(keepends=True)[:rest]))


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
