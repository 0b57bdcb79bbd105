"""Adding labels to samples, a block of lines at a time.

A step of Python for each sample takes some microseconds, a native replacement some nanoseconds. So
a block is changed by replacing, once it is known that what is replaced are the beginnings of its
lines and nothing in a label's value; only what can't be known so is looked at line by line.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache

from exporter_proxy.exposition.grammar import LABEL_ALONE
from exporter_proxy.exposition.lines import HEAD, ITEM
from exporter_proxy.exposition.series import escape_label

_SUFFIXES = (b"_bucket", b"_sum", b"_count", b"_created", b"_total", b"_info", b"_gsum", b"_gcount")
# Of compiled patterns there is one for each length of name, up to this one.
_LONGEST_NAME = 256
_MOST_REMEMBERED = 10_000
# A line without labels. Names don't stand in quotes.
_BARE_LINE = re.compile(rb"\n[^{ \n]*+ ")


class Labels:
    """Labels that are given to samples.

    Args:
        labels: ``{name: value}``; UTF-8 names as they are. An empty value is no label, as
            everywhere in Prometheus: nothing is added, though overriding takes away what the sample
            has under that name.
        override: Whether they replace labels that samples have under the same names, or the names
            of those that do; otherwise the sample's win, empty ones too.
        empty: Names of labels that are written though their value is empty.

    Attributes:
        quoted: Whether a name among them is UTF-8 that stands in quotes.
    """

    __slots__ = (
        "_bare",
        "_braced",
        "_growth",
        "_has",
        "_names",
        "_override",
        "_own",
        "_texts",
        "quoted",
    )

    def __init__(
        self,
        labels: Mapping[str, str],
        *,
        override: bool | Collection[str],
        empty: Collection[str] = (),
    ) -> None:
        written = {name: _written(name) for name in labels}
        self.quoted = any(name.startswith(b'"') for name in written.values())
        if isinstance(override, bool):
            override = labels if override else ()
        self._override = frozenset(written[name] for name in override)
        self._texts = {
            written[name]: written[name] + f'="{escape_label(value)}"'.encode()
            for name, value in labels.items()
            if value or name in empty
        }
        self._names = {*self._texts, *self._override}
        self._own = [
            (
                re.compile(re.escape(name) + b'="').search,
                (b"{" + name + b'="', b"," + name + b'="'),
            )
            for name in self._names
        ]
        self._has = [
            (text, re.compile(b"(?:%s,)*?%s=" % (ITEM.pattern, re.escape(name))).match)
            for name, text in self._texts.items()
        ]
        joined = b",".join(self._texts.values())
        self._braced = b"{" + joined + b","
        self._bare = b"{" + joined + b"}"
        self._growth = len(joined) + 1

    def in_use(self, block: bytes) -> bool:
        """Tell whether samples of ``block`` may have one of the labels: add them exactly then.

        It may also be a label of an exemplar, or text in a label's value.
        """
        # A search for the name is four times faster than one for the name with what precedes it.
        for search, forms in self._own:  # a generator would take half as long as the search
            if search(block) and any(form in block for form in forms):
                return True
        return False

    def may_clash(self, block: bytes) -> bool:
        """Tell whether two series of ``block`` may become one."""
        # Where theirs win, one must have what another is given.
        return bool(self._override) or any(text in block for text in self._texts.values())

    def add(self, block: bytes, name: bytes, lines: int, *, quoted: bool) -> bytes:
        """Return ``block``, none of whose samples has one of the labels, with them.

        Args:
            block: Lines, each of them ending in a newline.
            name: The family's name.
            lines: How many.
            quoted: Whether a metric or label name may stand in quotes.
        """
        if not self._texts:
            return block
        if quoted:
            return self._add_by_start(block, lines, self._quoted_starts(name))
        if lines == 1:
            return self._add_to_line(block)
        changed = block.replace(b"{", self._braced)
        if len(changed) - len(block) == lines * self._growth and _all_braced(block, name):
            return changed
        return b"".join(self._add_between(b"\n" + block, name))

    def _add_to_line(self, line: bytes) -> bytes:
        end = line.find(b" ")
        brace = line.find(b"{", 0, end)
        if brace == -1:
            return line[:end] + self._bare + line[end:]
        return line[:brace] + self._braced + line[brace + 1 :]

    def _add_between(self, block: bytes, name: bytes) -> Iterator[bytes]:
        """Yield lines without labels, and the blocks of lines with labels between them."""
        end = 1
        for found in _BARE_LINE.finditer(block):
            start = found.start() + 1
            if start > end:
                yield self._add_to_braced(block[end:start], name)
            end = block.find(b"\n", start) + 1
            yield self._add_to_line(block[start:end])
        if end < len(block):
            yield self._add_to_braced(block[end:], name)

    def _add_to_braced(self, block: bytes, name: bytes) -> bytes:
        lines = block.count(b"\n")
        changed = block.replace(b"{", self._braced)
        if len(changed) - len(block) == lines * self._growth:
            return changed
        # An exemplar or a label's value has a brace too.
        starts = ((text + b"{", text + self._braced) for text in _sample_names(name))
        return self._add_by_start(block, lines, starts)

    def _quoted_starts(self, name: bytes) -> Iterator[tuple[bytes, bytes]]:
        inner = self._braced[1:-1]
        for text in _sample_names(name):
            start = b'{"%s"' % _escape(text)
            yield start + b",", b"%s,%s," % (start, inner)
            yield start + b"}", b"%s,%s}" % (start, inner)
            yield text + b"{", text + self._braced

    def _add_by_start(
        self, block: bytes, lines: int, starts: Iterable[tuple[bytes, bytes]]
    ) -> bytes:
        """Return ``block`` with the labels.

        Args:
            block: Lines.
            lines: How many.
            starts: How lines may begin, each in one of these ways, and how with the labels.
        """
        changed = block
        for find, replacement in starts:
            changed, times = _replace_starts(changed, find, replacement)
            lines -= times
            if not lines:
                return changed
        return self.add_exactly(block, Seen(follow=False))

    def add_exactly(self, block: bytes, seen: "Seen") -> bytes:
        """Return ``block`` with the labels, line by line.

        Args:
            block: Lines, each of them ending in a newline.
            seen: Takes note of the series before and after.
        """
        if not self._names:
            return block

        def change(found: re.Match[bytes]) -> bytes:
            name, braces = found.groups()
            if name and not (seen.follows or self._override):
                return self._add_missing(name, braces, seen)
            if not name and braces is None:
                return b""  # where the last line ends
            metric, before = [], {}
            for item in ITEM.finditer(braces or b""):
                label, value = item.groups()
                if value is None:
                    metric.append(label)
                else:
                    before[label] = label + value
            # A label of the sample's that stays, stays where it is.
            kept = {own: text for own, text in before.items() if own not in self._override}
            ours = {own: text for own, text in self._texts.items() if own not in kept}
            after = ours | kept
            seen.own += len(ours) < len(self._texts)
            if seen.follows:
                seen.add(name or b"".join(metric), before, after)
            items = b",".join([*metric, *after.values()])
            return b"%s{%s}" % (name, items) if items else name

        return HEAD.sub(change, block)

    def _add_missing(self, name: bytes, braces: bytes | None, seen: "Seen") -> bytes:
        """Return the beginning of a line with those labels that it has not."""
        if braces is None:
            return name + self._bare
        missing = [text for text, has in self._has if not has(braces)]
        seen.own += len(missing) < len(self._has)
        return b"%s{%s}" % (name, b",".join([*missing, braces]))


class Seen:
    """The series of a family, before and after labels were added.

    Args:
        follow: Whether to look for clashes; it is known beforehand whether there can be any.

    Attributes:
        follows: As ``follow``.
        clash: The name of a metric two of whose series became one; None: there is none.
        own: How many samples kept a label of their own.
    """

    __slots__ = ("_after", "_before", "clash", "follows", "own")

    def __init__(self, *, follow: bool = True) -> None:
        self.follows = follow
        self._before: set[bytes] = set()
        self._after: set[bytes] = set()
        self.clash: bytes | None = None
        self.own = 0

    def add(self, name: bytes, before: Mapping[bytes, bytes], after: Mapping[bytes, bytes]) -> None:
        """Take note of a sample's labels, ``{name: text}``."""
        # A newline, as none is in a name or label.
        self._before.add(b"\n".join([name, *sorted(before.values())]))
        self._after.add(b"\n".join([name, *sorted(after.values())]))
        if len(self._after) < len(self._before) and self.clash is None:
            self.clash = name


def _written(name: str) -> bytes:
    """Return a label's name as it stands in a line: in quotes, if it is no plain one."""
    text = name.encode()
    return text if LABEL_ALONE.fullmatch(text) else b'"%s"' % _escape(text)


def _all_braced(block: bytes, name: bytes) -> bool:
    """Tell whether every line goes on with a brace after its name.

    Args:
        block: Has as many braces as lines; names don't stand in quotes.
        name: The family's name.
    """
    return block.find(b" ") > block.find(b"{") and not _unbraced(name)(block)


@lru_cache(maxsize=_MOST_REMEMBERED)
def _unbraced(name: bytes) -> Callable[[bytes], object]:
    return _search_unbraced(min(len(_base(name)), _LONGEST_NAME))


@lru_cache(maxsize=_LONGEST_NAME + 1)
def _search_unbraced(length: int) -> Callable[[bytes], object]:
    # Jumping over the name is several times faster than comparing it.
    rest = rb"[^{ \n]*+" if length == _LONGEST_NAME else rb"(?:_[a-z]++)?+"
    return re.compile(rb"(?s)\n.{%d}%s[^{]" % (length, rest)).search


def _base(name: bytes) -> bytes:
    """Return a family's name without the suffix that only some types have in it."""
    base = name.removesuffix(b"_total")
    return name.removesuffix(b"_info") if base == name else base


def _sample_names(name: bytes) -> list[bytes]:
    """Return the names that samples of a family may have, usual ones first."""
    base = _base(name)
    return list(dict.fromkeys([name, *(base + suffix for suffix in _SUFFIXES), base]))


def _escape(name: bytes) -> bytes:
    """Return a name as it stands in quotes."""
    return name.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")


def _replace_starts(block: bytes, find: bytes, replacement: bytes) -> tuple[bytes, int]:
    """Replace ``find`` where a line begins with it; return how often, too.

    No label's value holds a raw newline, so what follows one is the beginning of a line.
    """
    changed = (b"\n" + block).replace(b"\n" + find, b"\n" + replacement)
    return changed[1:], (len(changed) - 1 - len(block)) // (len(replacement) - len(find))
