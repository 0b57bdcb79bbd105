"""Payloads for properties of the reader: well formed ones, and ones with anything in them."""

from typing import NamedTuple

from hypothesis import strategies as st

NAMES = st.sampled_from(
    ["a", "b", "c", "c_total", "c_created", "h", "h_count", "h_bucket", "s", "s_sum", "i_info"]
)
LABELS = ["a", "b_c", "D", "le", "quantile", "e1"]
VALUES = st.one_of(
    st.floats(allow_nan=True)
    .map(repr)
    .map(lambda text: {"inf": "+Inf", "-inf": "-Inf"}.get(text, text)),
    st.integers(-(10**20), 10**20).map(str),
).map(lambda text: "NaN" if text == "nan" else text)
LABEL_TEXT = st.text(
    st.sampled_from(["x", "y", " ", ",", "=", "{", "}", "#", '"', "\\", "\n", "\u00e9", "\u2028"]),
    max_size=6,
)


def escaped(text: str) -> str:
    """Return a label's value as the formats have it."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


class Series(NamedTuple):
    """A sample's line, and what it says."""

    name: str
    labels: dict[str, str]
    value: str
    timestamp: int | None

    def line(self) -> str:
        """Return the line in the text format."""
        items = ",".join(f'{name}="{escaped(value)}"' for name, value in self.labels.items())
        braces = f"{{{items}}}" if items else ""
        stamp = "" if self.timestamp is None else f" {self.timestamp}"
        return f"{self.name}{braces} {self.value}{stamp}\n"


@st.composite
def _series(draw: st.DrawFn, name: str, names: list[str], stamped: bool) -> Series:  # noqa: FBT001
    labels = {label: draw(LABEL_TEXT) for label in names}
    return Series(name, labels, draw(VALUES), draw(st.integers(0, 10**15)) if stamped else None)


@st.composite
def plain_family(draw: st.DrawFn, number: int) -> tuple[str, list[Series]]:
    """Draw a family of a type without suffixes: its lines, and its samples."""
    kind = draw(st.sampled_from(["counter", "gauge", "untyped", ""]))
    name = f"family{number}"
    labels = draw(st.lists(st.sampled_from(["a", "b_c", "D"]), unique=True))
    stamped = draw(st.booleans())
    series = draw(st.lists(_series(name, labels, stamped), min_size=1, max_size=4))
    head = f"# HELP {name} Some # text.\n" if draw(st.booleans()) else ""
    head += f"# TYPE {name} {kind}\n" if kind else ""
    return head + "".join(item.line() for item in series), series


@st.composite
def split_family(draw: st.DrawFn, number: int) -> tuple[str, list[Series]]:
    """Draw a histogram or summary: its lines, and its samples."""
    kind = draw(st.sampled_from(["histogram", "summary"]))
    name = f"family{number}"
    special, suffix = ("le", "_bucket") if kind == "histogram" else ("quantile", "")
    series = []
    for value in draw(st.lists(LABEL_TEXT, unique=True, max_size=3)):
        for bound in draw(st.lists(st.sampled_from([".5", "1", "2.5e3", "+Inf"]), unique=True)):
            labels = {"a": value, special: bound}
            series.append(Series(name + suffix, labels, draw(VALUES), None))
        series.append(Series(f"{name}_sum", {"a": value}, draw(VALUES), None))
        series.append(Series(f"{name}_count", {"a": value}, draw(VALUES), None))
    head = f"# HELP {name} Text.\n# TYPE {name} {kind}\n"
    return head + "".join(item.line() for item in series), series


@st.composite
def well_formed(draw: st.DrawFn) -> tuple[str, list[Series]]:
    """Draw a payload that every reader takes: its text, and its samples in order."""
    text, series = "", []
    for number in range(draw(st.integers(1, 5))):
        family = draw(st.one_of(plain_family(number), split_family(number)))
        text += family[0]
        series += family[1]
    return text, series


# -- and what is not well formed ----------------------------------------------------------------

_BLANK = st.sampled_from(["", "", "", " ", "\t", "  "])
_GAP = st.sampled_from([" ", " ", " ", "\t", "  "])
_ODD_VALUES = st.sampled_from(
    ["1", "2", "2.5", "NaN", "inf", "-nan", "1e400", "x", "0x1", "1_0", "", "9" * 25, ".5", "+3"]
)
_TAILS = st.sampled_from(
    [*[""] * 8, " 12", " 1700000000000", " -5", " 1.5", " 1 2", ' # {a="b"} 1', " # x", " # {"]
)
_PAIRS = st.sampled_from(
    [
        'a="b"', 'c="d"', 'le="1"', 'le="x"', 'quantile="0.5"', 'quantile=""', 'x="}"', 'y="{"',
        'z="\\\\"', 'z="\\q"', 'u="\u00e9"', '"l.x"="v"', '__r="1"', 'x=" # {"', 'n="",', "bad",
        "a=b", 'e=",a="', 'e="\\",} "',
    ]
)  # fmt: skip
_TYPES = st.sampled_from(
    ["counter", "gauge", "histogram", "summary", "untyped", "unknown", "info", "stateset",
     "gaugehistogram", "Counter", "bogus", ""]
)  # fmt: skip


@st.composite
def _odd_sample(draw: st.DrawFn) -> str:
    name = draw(st.one_of(NAMES, st.just('{"q.n"'), st.just('{"h_bucket"')))
    pairs = draw(st.sampled_from([",", ",", ", "])).join(draw(st.lists(_PAIRS, max_size=3)))
    if name.startswith("{"):
        name = f"{name},{pairs}}}" if pairs else f"{name}}}"
    elif pairs or draw(st.booleans()):
        name = f"{name}{{{pairs}}}"
    line = draw(_BLANK) + name + draw(_GAP) + draw(_ODD_VALUES) + draw(_TAILS)
    return line + draw(_BLANK) + "\n"


@st.composite
def _odd_metadata(draw: st.DrawFn) -> str:
    mark = draw(st.sampled_from(["# ", "# ", "# ", "#", " # ", "#  "]))
    name = draw(st.one_of(NAMES, st.just('"q.n"'), st.just("q.n")))
    word = draw(st.sampled_from(["HELP", "TYPE", "TYPE", "UNIT"]))
    rest = draw(
        _TYPES if word == "TYPE" else st.sampled_from(["", "text", "\\d \\", "it's #", "\u00e9"])
    )
    return f"{mark}{word}{draw(_GAP)}{name}{draw(_GAP)}{rest}\n"


@st.composite
def _usual_block(draw: st.DrawFn) -> str:
    name = draw(NAMES)
    kind = draw(_TYPES)
    suffix = draw(st.sampled_from(["", "", "_total", "_bucket", "_count"]))
    shape = draw(st.sampled_from(["", '{a="%d"}', '{a="%d",b="x}"}', '{a="%d",}', '{le="%d"}']))
    stamp = draw(st.sampled_from(["", "", " 12345", " 1.5"]))
    lines = [
        f"{name}{suffix}{shape.replace('%d', str(n))} 1{stamp}\n"
        for n in range(draw(st.integers(0, 3)))
    ]
    if draw(st.booleans()):
        lines.append(f"{name}_created{shape.replace('%d', '0')} 1{stamp}\n")
    head = [f"# HELP {name} Text.\n", f"# TYPE {name} {kind}\n"][draw(st.integers(0, 1)) :]
    if draw(st.booleans()):
        head.reverse()
    return "".join(head + lines)


_FILLER = st.sampled_from(["\n", " \n", "# c\n", "#\n", "# EOF\n", "a\0 1\n", "<html>\n"])


@st.composite
def anything(draw: st.DrawFn) -> tuple[bytes, ...]:
    """Draw a payload of likely and unlikely lines, in pieces."""
    lines = draw(
        st.lists(
            st.one_of(_odd_sample(), _odd_metadata(), _usual_block(), _usual_block(), _FILLER),
            max_size=8,
        )
    )
    text = "".join(lines) + draw(st.sampled_from(["", "", "", "# EOF\n", "a 1", "\n"]))
    payload = text.encode()
    if draw(st.integers(0, 9)) == 0:
        payload = payload.replace(b"\n", b"\r\n")
    if draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(0, len(payload)))
        odd = draw(st.sampled_from([b"\xff", b"\0", b"\\", b'"', b"{", b" ", b"\n", b"\r", b"#"]))
        payload = payload[:place] + odd + payload[place:]
    cut = payload.find(b"\n", draw(st.integers(0, len(payload)))) + 1
    return tuple(piece for piece in (payload[:cut], payload[cut:]) if piece)
