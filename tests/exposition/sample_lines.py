"""Sample lines as readers write them, for tests, and a slow way to read them again."""

from typing import NamedTuple

from hypothesis import strategies as st

from exporter_proxy.exposition.model import Family


class Sample(NamedTuple):
    """One line, taken apart: label names and values as they stand in it."""

    name: str
    labels: tuple[tuple[str, str], ...]
    rest: str

    def line(self) -> str:
        """Return the line."""
        items = [f'{name}="{value}"' for name, value in self.labels]
        if self.name.startswith('"'):
            return f"{{{','.join([self.name, *items])}}} {self.rest}\n"
        return (
            f"{self.name}{{{','.join(items)}}} {self.rest}\n"
            if items
            else (f"{self.name} {self.rest}\n")
        )


def _text(line: str, at: int) -> int:
    """Return where the quoted text that begins at ``at`` ends."""
    at += 1
    while line[at] != '"':
        at += 2 if line[at] == "\\" else 1
    return at + 1


def read(block: bytes) -> list[Sample]:
    """Take apart lines, character by character."""
    return [_read(line) for line in block.decode().split("\n")[:-1]]


def _read(line: str) -> Sample:
    at = 0
    while line[at] not in "{ ":
        at += 1
    name, labels = line[:at], []
    if line[at] == "{":
        at += 1
        while line[at] != "}":
            start = at
            at = _text(line, at) if line[at] == '"' else line.index("=", at)
            label = line[start:at]
            if line[at] == "=":
                end = _text(line, at + 1)
                labels.append((label, line[at + 2 : end - 1]))
                at = end
            else:
                name = label
            at += line[at] == ","
        at += 1
    assert line[at] == " "
    return Sample(name, tuple(labels), line[at + 1 :])


# What looks like the beginning of a line or like a label is what mistakes would be made with.
_PIECES = [
    'a="',
    ",",
    "{",
    "}",
    " ",
    "m{",
    "m ",
    "{a=",
    "x",
    "\\\\",
    '\\"',
    "\\n",
    "=",
    "é",
    " # {",
    "\r",
    "1 2",
]
VALUES = st.lists(st.sampled_from(_PIECES), max_size=6).map(
    lambda pieces: "".join(piece.replace('="', '=\\"') for piece in pieces)
)
LABEL_NAMES = st.sampled_from(["a", "b", "aa", "le", "_a", '"a.b"'])
REST = st.sampled_from(["1", "-1.5e+07", "+Inf", "NaN"])
STAMPS = st.sampled_from(["", "", " 1700000000000", " 0"])
EXEMPLARS = st.sampled_from(["", "", ' # {a="1"} 5', " # {} 0.5 12.5", ' # {b="m{"} 1 1.5'])

SUFFIXES = {
    "gauge": [""],
    "counter": ["_total", "_created"],
    "histogram": ["_bucket", "_sum", "_count", "_created", ""],
    "info": ["_info"],
}


@st.composite
def families(draw: st.DrawFn) -> Family:
    """A family whose samples are all different."""
    kind = draw(st.sampled_from(sorted(SUFFIXES)))
    base = draw(st.sampled_from(["m", "m_total_info", "n" * 300, '"m"', '"é \\" m"']))
    quoted = base.startswith('"')
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(SUFFIXES[kind]),
                st.lists(
                    st.tuples(LABEL_NAMES, VALUES), max_size=3, unique_by=lambda pair: pair[0]
                ),
                REST,
                STAMPS,
                EXEMPLARS,
            ),
            min_size=1,
            max_size=8,
            unique_by=lambda row: (row[0], tuple(sorted(row[1]))),
        )
    )
    samples, openmetrics = [], []
    for suffix, labels, value, stamp, exemplar in rows:
        name = f'{base[:-1]}{suffix}"' if quoted else base + suffix
        samples.append(Sample(name, tuple(labels), value + stamp).line())
        openmetrics.append(Sample(name, tuple(labels), value + stamp + exemplar).line())
    raw = base.strip('"').replace('\\"', '"')
    family_name = raw + {"counter": "_total", "info": "_info"}.get(kind, "")
    return Family(
        family_name.encode(),
        kind,
        "".join(samples).encode(),
        len(samples),
        openmetrics="".join(openmetrics).encode() if samples != openmetrics else None,
        quoted=quoted or any('"' in name for _, labels, *_ in rows for name, _ in labels),
    )
