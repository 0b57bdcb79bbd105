"""Bodies that differ in their values alone: what is found out about one holds for all.

A sender pushes the same series over and over. Where all values of a body are taken out, what is
left is the same from push to push; and as a value is as good as any other, a body is as valid, and
as consistent with other groups, as the one before it.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from exporter_proxy.exposition.model import FamilyType

# At the end of a line, a number that all readers take, whatever its digits. Possessive: linear.
_VALUE = re.compile(
    rb" (?:[+-]?+[0-9]{1,20}+(?:\.[0-9]{0,40}+)?+(?:[eE][+-]?+[0-9]{1,2}+)?+|[+-]?+Inf|NaN)\n"
)
# A NUL, which is in no body that is looked at: a value that lacks is not one that was taken out.
_TAKEN_OUT = b" \0\n"
LARGEST_BODY = 262_144
"""Bytes of a body whose shape is worth knowing."""
_MOST_BYTES = 8 << 20


class Shape:
    """What is known of bodies that differ in their values alone.

    Attributes:
        families: ``{name: type}`` of the families that they have.
        label_names: Of their samples, as they stand in a line; maybe some that none has. None: too
            many to know them, so that any may be there.
        has_more: Whether they have HELP and TYPE of other families, without samples, which must not
            come to stand above samples that another push brings.
    """

    __slots__ = ("families", "has_more", "label_names")

    def __init__(
        self,
        families: Mapping[bytes, FamilyType],
        label_names: AbstractSet[bytes] | None,
        *,
        has_more: bool = False,
    ) -> None:
        self.families = families
        self.label_names = label_names
        self.has_more = has_more

    def may_have(self, names: Iterable[bytes]) -> bool:
        """Tell whether samples may have a label of one of some names."""
        return self.label_names is None or not self.label_names.isdisjoint(names)

    def may_have_all(self, names: AbstractSet[bytes]) -> bool:
        """Tell whether samples may have labels of all of some names."""
        return self.label_names is None or names <= self.label_names


class Shapes:
    """The shapes of bodies that were read lately, by what is left of a body without its values."""

    __slots__ = ("_bytes", "_kept", "_most_bytes")

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._kept: OrderedDict[bytes, Shape] = OrderedDict()
        self._bytes = 0
        self._most_bytes = most_bytes

    def find(self, skeleton: bytes) -> Shape | None:
        """Return the shape of bodies with that skeleton, if it is known."""
        shape = self._kept.get(skeleton)
        if shape is not None:
            self._kept.move_to_end(skeleton)
        return shape

    def keep(self, skeleton: bytes | None, shape: Shape) -> None:
        """Keep a shape, at the price of those that were not looked for longest."""
        if skeleton is None or skeleton in self._kept:
            return
        self._kept[skeleton] = shape
        self._bytes += len(skeleton)
        while self._bytes > self._most_bytes:
            oldest, _ = self._kept.popitem(last=False)
            self._bytes -= len(oldest)


def skeleton_of(text: bytes) -> bytes | None:
    """Return a body without its values; None: it is no body whose shape is worth knowing.

    Args:
        text: Without NUL.
    """
    if len(text) > LARGEST_BODY:
        return None
    return _VALUE.sub(_TAKEN_OUT, text)
