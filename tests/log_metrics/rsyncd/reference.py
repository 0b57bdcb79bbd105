"""A slow reader of an rsync daemon's own log: line by line, with nothing but string methods."""

from collections import Counter

_SOCKET = ("connection unexpectedly", "write error", "read error", "safe_write", "safe_read")


def _message(line: str) -> tuple[str, str] | None:
    """Return the process id and the message of ``2026/11/22 10:07:11 [7] message``."""
    date, _, rest = line.partition(" ")
    clock, _, rest = rest.partition(" ")
    pid, bracket, message = rest.removeprefix("[").partition("] ")
    shapes = ("".join("9" if char.isdecimal() else char for char in part) for part in (date, clock))
    if [*shapes] != ["9999/99/99", "99:99:99"] or not (rest.startswith("[") and bracket):
        return None
    return (pid, message) if pid.isdecimal() else None


# one loop that can be read against the log, rather than made of parts as what it checks is
def count(text: str) -> Counter[str]:  # noqa: C901, PLR0912, PLR0915
    """Return {series: value}, without the histogram and without series of 0."""
    found: Counter[str] = Counter()
    modules: dict[str, str] = {}
    done: set[str] = set()
    codes: set[tuple[str, str]] = set()

    def fail(pid: str, code: str) -> None:
        if (pid, code) not in codes:
            codes.add((pid, code))
            found[f'rsync_errors_total{{status_code="{code}"}}'] += 1

    for line in text.split("\n"):
        parts = _message(line)
        if parts is None:
            continue
        pid, message = parts
        words = message.split(" ")
        if message.startswith(("connect from ", "rsync on ", "rsync to ")):
            codes -= {each for each in codes if each[0] == pid}
            done.discard(pid)
            modules.pop(pid, None)
        if message.startswith("connect from "):
            found["rsync_connections_total"] += 1
        elif message.startswith(("rsync on ", "rsync to ")):
            module = modules[pid] = message[9:].split("/")[0].split(" from ")[0]
            way = "send" if words[1] == "on" else "receive"
            found[f'rsync_executions_total{{module="{module}",direction="{way}"}}'] += 1
        elif message.startswith("sent ") and words[2:4] == ["bytes", ""] and len(words) == 11:
            if pid not in done:
                module = modules.get(pid, "__unknown__")
                sent, received, size = int(words[1]), int(words[5]), int(words[10])
                found[f'rsync_sent_bytes_total{{module="{module}"}}'] += sent
                found[f'rsync_received_bytes_total{{module="{module}"}}'] += received
                found[f'rsync_exchanged_bytes_total{{module="{module}"}}'] += sent + received
                found[f'rsync_file_size_bytes_total{{module="{module}"}}'] += size
            if pid in modules:
                done.add(pid)
        elif message.startswith(("send ", "recv ", "del. ")) and words[2].startswith("["):
            module = modules.get(pid, "__unknown__")
            operation = {"send": "send", "recv": "receive", "del.": "delete"}[words[0]]
            found[f'rsync_files_total{{module="{module}",operation="{operation}"}}'] += 1
        elif message.startswith("rsync error: "):
            fail(pid, message.partition("(code ")[2].partition(")")[0])
        elif message.startswith("rsync: "):
            cause = message[7:].partition("] ")[2] if message[7] == "[" else message[7:]
            if not cause.startswith(_SOCKET) and (pid in modules or " failed" in cause):
                fail(pid, "23" if pid in modules else "5")
        elif message.startswith("Deletions stopped "):
            fail(pid, "25")
        elif message.startswith("rsync denied on module "):
            module = message[23:].split(" from ")[0]
            found[f'rsync_denied_total{{module="{module}",reason="host"}}'] += 1
        elif message.startswith("max connections ("):
            found['rsync_denied_total{module="__unknown__",reason="max_connections"}'] += 1
        elif message.startswith("unknown module '"):
            found["rsync_unknown_modules_total"] += 1
        elif message.startswith("auth failed on module "):
            found[f'rsync_auth_failures_total{{module="{message[22:].split(" from ")[0]}"}}'] += 1
        elif message.startswith("module-list request from "):
            found["rsync_module_lists_total"] += 1
    return +found
