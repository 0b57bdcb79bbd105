"""The groups as the table has them: what a push makes of them is planned, checked, and written."""

import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence

from exporter_proxy.errors import PayloadError, quote
from exporter_proxy.exposition.given import Given
from exporter_proxy.exposition.model import FamilyType
from exporter_proxy.exposition.reader import read_in_steps
from exporter_proxy.exposition.rules import Rules, apply_in_steps
from exporter_proxy.payload.grouping import labels_of_app
from exporter_proxy.payload.message import Push
from exporter_proxy.sources.admission import Admission
from exporter_proxy.sources.pushgateway.bodies import (
    as_text_in_steps,
    families_in_steps,
    text_in_steps,
    without_in_steps,
)
from exporter_proxy.sources.pushgateway.group import Group, Planned, Segment
from exporter_proxy.sources.pushgateway.index import Families, InconsistentError, Index
from exporter_proxy.sources.pushgateway.restoring import restore
from exporter_proxy.steps import all_at_once
from exporter_proxy.table import FOR_EVER, Life, Payload, Row, Table

SOURCE = "pushgateway"
"""Who writes the rows of groups: by it they are known again after a restart."""

_RULES = Rules()
_ATTEMPTS = 3


class Store:
    """Keeps groups, and writes each as a whole into the table.

    The table may drop a group's row at any time, as it expires or someone deletes it; then the
    group is gone, and is forgotten when it is looked for, or after a while.

    Args:
        table: Where groups are.
        admission: Lets updates into it.
        wall: The time, in seconds since the epoch.

    Attributes:
        updates: How often a group was changed by a push.
    """

    def __init__(
        self,
        table: Table,
        admission: Admission,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.updates = 0
        self.wall = wall
        self._table = table
        self._admission = admission
        self._life = FOR_EVER
        self._render = False
        self._index = Index(families_in_steps)
        self._changes: dict[str, None] = {}

    def configure(self, *, life: Life, render: bool) -> None:
        """Go by this from now on; groups stay as they are.

        Args:
            life: How long groups live whose sender doesn't say.
            render: Whether the groups' labels are written into the payloads, as nobody adds them
                when the page is made: it is a verbatim one.
        """
        self._life = life
        if render is not self._render:
            self._render = render
            for group in self.groups():
                row = self._table.get(group.app)
                if row is not None:
                    self._table.amend(row, self._payload(group, group.segments))

    def restore(self) -> None:
        """Take over the groups that the table has of an earlier run."""
        self._changes = self._table.feed()
        for row in self._table:
            if row.source == SOURCE:
                restore(self._index, row)
        self._changes.clear()

    @property
    def looks(self) -> bool:
        """Whether the operator has limits that a push must be looked into for."""
        return self._admission.looks

    def given(self, row: Row) -> Given | None:
        """Return what the samples of a row get that its payload doesn't show."""
        if row.source != SOURCE or self._render:
            return None
        group = self._index.groups.get(row.app)
        if group is not None:
            return group.given
        labels = labels_of_app(row.app)
        return None if labels is None else Group(labels).given

    # Looking.

    def group(self, labels: Mapping[str, str]) -> Group:
        """Return the group with that key: the one that is there, or a new one."""
        new = Group(labels)
        known = self._index.groups.get(new.app)
        if known is None:
            return new
        if self.is_there(known):
            return known
        self._index.drop(known)
        return new

    def current(self, group: Group) -> Group:
        """Return the group with the same key: the one that is there, or a new one."""
        if self._index.groups.get(group.app) is None and group.is_new:
            return group
        return group if self.is_there(group) else self.group(group.labels)

    def is_there(self, group: Group) -> bool:
        """Tell whether the table has what this very group holds."""
        row = self._table.get(group.app)
        return (
            row is not None and row.source == SOURCE and self._index.groups.get(group.app) is group
        )

    def groups(self) -> list[Group]:
        """Return all groups that are there, in the order in which they were first seen."""
        self.sweep()
        return list(self._index.groups.values())

    def sweep(self) -> bool:
        """Forget groups that the table has not any more; tell whether there were any."""
        changes, found = self._changes, False
        while changes:
            app, _ = changes.popitem()
            group = self._index.groups.get(app)
            if group is not None and not self.is_there(group):
                self._index.drop(group)
                found = True
        return found

    # Changing.

    def plan_in_steps(
        self, group: Group, segment: Segment, *, replace: bool
    ) -> Generator[None, None, Planned]:
        """Return what a group would hold after a push, in steps; nothing is changed.

        Raises:
            InconsistentError: It doesn't go together with another group.
            PayloadError: See :meth:`Admission.look_into`.
        """
        if self._admission.looks:
            segments = yield from self._arrange(group, segment, replace=replace)
            message = [Push(group.app, self._payload(group, segments), None)]
            yield from self._admission.look_into(message, source=SOURCE)
        for _ in range(_ATTEMPTS):
            group = self.current(group)
            version, before = self._index.version, list(group.segments)
            segments = yield from self._arrange(group, segment, replace=replace)
            families = yield from _families(segments)
            try:
                yield from self._index.check(group, families, segment)
            except InconsistentError:
                # The group that is in the way may be gone.
                if not self.sweep():
                    raise
                continue
            group = self.current(group)
            if self._index.version == version and (replace or group.segments == before):
                return Planned(group, segments, families, segment.pushed_at, None)
        # Others push without end what is new: no more turns for them.
        return self.plan(self.current(group), segment, replace=replace)

    def plan(self, group: Group, segment: Segment, *, replace: bool) -> Planned:
        """Return what a group would hold after a push, at once; nothing is changed.

        Raises:
            InconsistentError: It doesn't go together with another group.
        """
        segments = all_at_once(self._arrange(group, segment, replace=replace))
        families = all_at_once(_families(segments))
        try:
            all_at_once(self._index.check(group, families, segment))
        except InconsistentError:
            if not self.sweep():
                raise
            all_at_once(self._index.check(group, families, segment))
        return Planned(group, segments, families, segment.pushed_at, None)

    def _arrange(
        self, group: Group, segment: Segment, *, replace: bool
    ) -> Generator[None, None, list[Segment]]:
        """Return what a group would hold after a push, whatever others hold."""
        arranged: list[Segment] = []
        if not replace:
            for known in list(group.segments):
                left = yield from without_in_steps(known, segment.shape.families)
                if left is not None:
                    arranged.append(left)
        if segment.shape.families:
            arranged.append(segment)
        if len(arranged) > 1:
            segments, arranged = arranged, []
            for each in segments:
                arranged.append((yield from as_text_in_steps(each)))
        if self._render:
            for each in arranged:
                yield from _render(group, each)
        return arranged

    def commit(self, pushes: Sequence[Planned]) -> None:
        """Take over what was planned and write it into the table: all, or none.

        Raises:
            PayloadError: The table has no room for it, or a group is pushed to too often.
        """
        self.write([self.enter(each) for each in pushes])

    def write(self, before: Sequence[Planned]) -> None:
        """Write what groups were entered with into the table: all, or none.

        Args:
            before: What they held, of which all is brought back if that can't be.

        Raises:
            PayloadError: See :meth:`commit`.
        """
        try:
            self._write([each.group for each in before])
        except PayloadError:
            self.take_back(before)
            raise

    def enter(self, planned: Planned) -> Planned:
        """Take note of what a group holds from now on; return what it held.

        The table is told by :meth:`write`, or what was is brought back by :meth:`take_back`.
        """
        group = planned.group
        before = _as_it_is(group)
        self._index.put(group, planned.families)
        group.hold(planned.segments)
        group.push_time = planned.now
        group.ttl = planned.ttl
        return before

    def take_back(self, before: Sequence[Planned]) -> None:
        """Bring back what groups held."""
        for each in reversed(before):
            self.enter(each)
            if not self.is_there(each.group):
                self._index.drop(each.group)

    def replace(self, group: Group, place: int, segment: Segment) -> None:
        """Put a segment in the place of another of the same shape, and write the group.

        Raises:
            PayloadError: As :meth:`commit`.
        """
        if self._render:
            all_at_once(_render(group, segment))
        segments = group.segments
        segments[place] = segment
        group.push_time = segment.pushed_at
        payload = self._payload(group, segments)
        self._admission.apply_one(group.app, payload, source=SOURCE, life=self._life)
        self.updates += 1

    def fail(self, labels: Mapping[str, str], why: str) -> None:
        """Take note that a push to a group was refused; what it holds stays, and its age.

        Args:
            labels: Its key.
            why: For a person.
        """
        group, table = self.group(labels), self._table
        row = table.get(group.app)
        group.failure_time = self.wall()
        payload = self._payload(group, group.segments)
        if row is None:
            if not self._enter(group, payload):
                return
            self._index.put(group, group.families)
        elif self.is_there(group):
            table.amend(row, payload)
        # Else another source has an app of that name, which is none of ours.
        none = "" if group.push_time or group.segments else " (none was taken yet)"
        # Whose they are is said where this is shown.
        why = why.removeprefix(f"the metrics of {quote(group.app)}: ")
        table.refuse(group.app, f"update refused: {why}{none}", source=SOURCE)

    def _enter(self, group: Group, payload: Payload) -> bool:
        """Write a group that is new; tell whether there was room for it."""
        life = self._life
        try:
            self._table.update(
                group.app,
                payload,
                source=SOURCE,
                expire_after=life.expire_after,
                on_expire=life.on_expire,
            )
        except PayloadError:
            return False
        return True

    def delete(self, group: Group) -> None:
        """Delete a group, whether it is there or not; nothing is remembered of it."""
        if self.is_there(group):
            self._index.drop(group)
            self._table.drop(group.app)
            self._table.forget(group.app)

    def _write(self, groups: Sequence[Group]) -> None:
        message = [Push(each.app, self._payload(each, each.segments), each.ttl) for each in groups]
        steps = self._admission.apply(message, source=SOURCE, life=self._life)
        if steps is not None:
            deque(steps, maxlen=0)
        self.updates += len(groups)

    def _payload(self, group: Group, segments: Sequence[Segment]) -> Payload:
        """Return the text of all that a group has if it holds these segments."""
        times = group.times()
        if not self._render:
            if len(segments) == 1:
                return (times, *segments[0].payload)
            return (times, *(piece for each in segments for piece in each.payload))
        for each in segments:
            if each.rendered is None:
                # It was here before the configuration wanted it.
                all_at_once(_render(group, each))
        own = all_at_once(_with_labels(group, (times,)))
        return (*own, *(piece for each in segments for piece in each.rendered or ()))


def _render(group: Group, segment: Segment) -> Generator[None, None, None]:
    """Write a segment with the group's labels, once."""
    if segment.rendered is None:
        segment.rendered = yield from _with_labels(group, segment.payload)


def _with_labels(group: Group, payload: Payload) -> Generator[None, None, Payload]:
    exposition = yield from read_in_steps(payload)
    applied = yield from apply_in_steps(exposition.families, group.given.on(_RULES))
    return (yield from text_in_steps(applied.families))


def _as_it_is(group: Group) -> Planned:
    return Planned(group, group.segments, group.families, group.push_time, group.ttl)


def _families(segments: Sequence[Segment]) -> Generator[None, None, Families]:
    if len(segments) == 1:
        return segments[0].shape.families
    families: dict[bytes, FamilyType] = {}
    for each in segments:
        families.update(each.shape.families)
        yield
    return families
