r"""Regular expressions that ``re`` matches in linear time, told from those that need RE2.

RE2 never backtracks, but asking it costs microseconds a line; one ``findall`` of ``re`` over
thousands of lines costs a fraction of that. ``re`` may be used where each choice is decided by the
next character (the pattern is LL(1)): where what a repetition, option or alternative begins with is
disjoint from what may come instead. Then there is one way to match, the one RE2 finds, and a
failure is final: whatever ``re`` tries on its way back fails at the first character, so that its
work is linear in the line. Repetitions of a single character are made possessive on top of that.

Understood is what :mod:`exporter_proxy.log_metrics.regex_syntax` reads. Anything else isn't judged,
and is RE2's.
"""

from typing import NamedTuple

from exporter_proxy.log_metrics.regex_syntax import (
    NEWLINE,
    NONE,
    Chars,
    Choice,
    Group,
    Node,
    One,
    Parsed,
    Repeat,
    Sequence,
    UnjudgedError,
)

_MOST_REPEATS = 1000


class Follow(NamedTuple):
    """What may come after a part of a pattern.

    Attributes:
        chars: With what it may begin.
        anything: Whether whatever comes will do.
    """

    chars: Chars
    anything: bool


def predictive(parsed: Parsed, needed: tuple[str, ...]) -> str:
    r"""Return the pattern for ``re``: for a line from its beginning, without its newline.

    Its groups are those of ``needed`` that it has, unnamed, in the order in which they stand in it.

    Raises:
        UnjudgedError: It is not certain that it can't backtrack.
    """
    follow = (
        Follow(Chars(NEWLINE), anything=False) if parsed.at_end else Follow(NONE, anything=True)
    )
    source = _emit(parsed.node, follow, frozenset(needed), in_loop=False)
    return source if parsed.at_end else source + r"[^\n]*+"


def group_names(node: Node) -> list[str]:
    """Return the names of groups in the order in which they stand in the pattern."""
    if isinstance(node, One):
        return []
    if isinstance(node, Sequence | Choice):
        return [name for item in node.items for name in group_names(item)]
    own = [node.name] if isinstance(node, Group) and node.name else []
    return own + group_names(node.item)


def literal_text(node: Node) -> str:
    """Return the longest text that everything matched by ``node`` certainly holds; may be empty."""
    if isinstance(node, Group):
        return literal_text(node.item)
    if isinstance(node, Repeat):
        return literal_text(node.item) if node.least else ""
    if isinstance(node, Choice):
        return ""
    items = node.items if isinstance(node, Sequence) else (node,)
    best = run = ""
    for item in items:
        if isinstance(item, One) and item.chars.ascii.bit_count() == 1 and not item.chars.others:
            run += chr(item.chars.ascii.bit_length() - 1)
        else:
            run = ""
            inner = "" if isinstance(item, One) else literal_text(item)
            best = max(best, inner, key=len)
        best = max(best, run, key=len)
    return best


def _first(node: Node) -> tuple[Chars, bool]:
    """Return with which characters ``node`` may begin, and whether it may be empty."""
    if isinstance(node, One):
        return node.chars, False
    if isinstance(node, Group):
        return _first(node.item)
    if isinstance(node, Repeat):
        chars, empty = _first(node.item)
        return chars, empty or node.least == 0
    if isinstance(node, Choice):
        firsts = [_first(item) for item in node.items]
        chars = NONE
        for own, _ in firsts:
            chars |= own
        return chars, any(empty for _, empty in firsts)
    chars = NONE
    for item in node.items:
        own, empty = _first(item)
        chars |= own
        if not empty:
            return chars, False
    return chars, True


def _before(node: Node, follow: Follow) -> Follow:
    """Return what may come where ``node`` and then ``follow`` does."""
    chars, empty = _first(node)
    return Follow(chars | follow.chars, follow.anything) if empty else Follow(chars, anything=False)


def _emit(node: Node, follow: Follow, needed: frozenset[str], *, in_loop: bool) -> str:
    if isinstance(node, One):
        return node.source
    if isinstance(node, Group):
        captured = node.name in needed
        if captured and in_loop:
            raise UnjudgedError
        inner = _emit(node.item, follow, needed, in_loop=in_loop)
        return f"({inner})" if captured else f"(?:{inner})"
    if isinstance(node, Sequence):
        sources: list[str] = []
        for item in reversed(node.items):
            sources.append(_emit(item, follow, needed, in_loop=in_loop))
            follow = _before(item, follow)
        return "".join(reversed(sources))
    if isinstance(node, Choice):
        return _emit_choice(node, follow, needed, in_loop=in_loop)
    return _emit_repeat(node, follow, needed, in_loop=in_loop)


def _emit_choice(node: Choice, follow: Follow, needed: frozenset[str], *, in_loop: bool) -> str:
    taken = NONE
    for place, item in enumerate(node.items):
        chars, empty = _first(item)
        if empty and place < len(node.items) - 1:
            raise UnjudgedError
        begins = chars | follow.chars if empty else chars
        if begins.meets(taken):
            raise UnjudgedError
        taken |= begins
    inner = (_emit(item, follow, needed, in_loop=in_loop) for item in node.items)
    return f"(?:{'|'.join(inner)})"


def _emit_repeat(node: Repeat, follow: Follow, needed: frozenset[str], *, in_loop: bool) -> str:
    chars, empty = _first(node.item)
    least, most = node.least, node.most
    if empty or least > _MOST_REPEATS or (most or 0) > _MOST_REPEATS or most == 0:
        raise UnjudgedError
    fixed = least == most
    if not fixed and (chars.meets(follow.chars) or (node.lazy and follow.anything)):
        raise UnjudgedError
    loops = most is None or most > 1
    inside = Follow(chars | follow.chars, follow.anything) if loops else follow
    source = _emit(node.item, inside, needed, in_loop=in_loop or loops)
    bounds = f"{{{least}}}" if fixed else f"{{{least},{'' if most is None else most}}}"
    if isinstance(node.item, One):
        return source + bounds + "+"  # possessive
    return f"(?:{source}){bounds}"
