"""Whatever is written, rotated, packed, read and killed in any order: each line counts once."""

import contextlib
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from exporter_proxy.sources.log.follower import Following
from tests.sources.log.writing import Log, Reader


class Rotations(RuleBasedStateMachine):
    """One log, one reader with a checkpoint."""

    @initialize(pattern=st.sampled_from(["x.log", "x.log*", "*.log"]), lines=st.integers(0, 3))
    def begin(self, pattern, lines):
        self.folder = Path(tempfile.mkdtemp())
        self.log = Log(self.folder / "x.log")
        if lines or "*" in pattern:
            # Of what matches a pattern nothing is known before it was there when looked for.
            self.log.append(max(1, lines))
        following = Following(str(self.folder / pattern), from_end=False)
        self.reader = Reader(following)
        self.reader.poll()
        self.reader.save()

    def be_seen(self):
        self.reader.poll()
        self.reader.save()

    @rule(lines=st.integers(1, 5))
    def append(self, lines):
        self.log.append(lines)

    @rule()
    def begin_line(self):
        self.log.begin()

    @rule(create=st.booleans())
    def rename(self, create):
        self.log.rename(create=create)

    @precondition(lambda self: self.log.path.exists())
    @rule()
    def copytruncate(self):
        # One that is cut in two is put together if one rotation is noticed before the next.
        is_open = self.log.is_open
        if is_open:
            self.be_seen()
        self.log.copy()
        self.log.truncate()
        if is_open:
            self.be_seen()
            self.log.finish()
            self.be_seen()

    @precondition(lambda self: self.log.path.exists())
    @rule()
    def copy_and_poll_before_truncation(self):
        is_open = self.log.is_open
        if is_open:
            self.be_seen()
        self.log.copy()
        self.reader.poll()
        self.log.truncate()
        if is_open:
            self.be_seen()
            self.log.finish()
            self.be_seen()

    @rule(number=st.integers(1, 3))
    def pack(self, number):
        self.log.pack(number)

    @rule()
    def poll(self):
        self.reader.poll()

    @rule()
    def look_alone(self):
        self.reader.look()

    @rule()
    def read_alone(self):
        self.reader.read()

    @rule()
    def save(self):
        self.reader.save()

    @rule()
    def kill(self):
        self.reader.kill()

    @rule()
    def wait(self):
        self.reader.clock.now += 100

    @invariant()
    def nothing_twice(self):
        if hasattr(self, "reader"):
            assert len(set(self.reader.lines)) == len(self.reader.lines)

    def teardown(self):
        if not hasattr(self, "reader"):
            return
        try:
            self.log.finish()
            if not self.log.path.exists():
                self.log.path.touch()
            for _ in range(3):
                self.reader.poll()
                self.reader.clock.now += 100
            assert sorted(self.reader.lines) == sorted(self.log.written)
        finally:
            self.reader.follower.close()
            with contextlib.suppress(OSError):
                shutil.rmtree(self.folder)


TestRotations = Rotations.TestCase
TestRotations.settings = settings(
    # The same cases each time; after a change, have it try thousands of others.
    derandomize=True,
    max_examples=150,
    stateful_step_count=25,
    deadline=None,
)
