"""What counts lines in the tests: it keeps them."""

import json


class Lines:
    """A counter that knows lines that don't begin with ``?``; its state is all of them."""

    def __init__(self, fingerprint: str = "lines") -> None:
        self.fingerprint = fingerprint
        self.seen: list[str] = []

    @property
    def lines(self) -> int:
        return len(self.seen)

    @property
    def matched(self) -> int:
        return sum(not line.startswith("?") for line in self.seen)

    @property
    def unmatched(self) -> int:
        return self.lines - self.matched

    def feed(self, block: bytes | memoryview, stream: str = "", lines: int | None = None) -> None:
        assert bytes(block[-1:]) == b"\n"
        assert lines == bytes(block).count(b"\n")
        self.seen += str(block, "utf-8", "replace").split("\n")[:-1]

    def exposition(self) -> bytes:
        return (
            b"# HELP lines_total Lines.\n# TYPE lines_total counter\nlines_total %d\n" % self.lines
        )

    def state(self) -> bytes:
        return json.dumps([self.fingerprint, self.seen]).encode()

    def restore(self, state: bytes) -> None:
        fingerprint, seen = json.loads(state)
        if fingerprint != self.fingerprint:
            raise ValueError("the state is another's")
        self.seen = seen
