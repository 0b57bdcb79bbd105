"""Lines that we render ourselves are those that a parser reads back."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from exporter_proxy.exposition.series import family, sample

# A line feed is escaped; of the other line breaks the parser at hand knows only that it is text.
LABEL_VALUES = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r"))


@given(LABEL_VALUES, st.floats(allow_nan=False, allow_infinity=False))
def test_any_label_value_and_number_come_back(value: str, number: float) -> None:
    page = family("a", "gauge", "Help.") + sample("a", [("app", value)], number)
    (read,) = text_string_to_metric_families(page.decode())

    assert (read.name, read.type, read.documentation) == ("a", "gauge", "Help.")
    assert [(s.labels, s.value) for s in read.samples] == [({"app": value}, number)]


def test_escapes_as_the_format_says() -> None:
    line = sample("a", [("b", 'x"\\\n'), ("c", "é")], 3)

    assert line == 'a{b="x\\"\\\\\\n",c="é"} 3\n'.encode()


def test_shows_what_is_not_unicode_as_escapes() -> None:
    """A socket's path may have any bytes; the page stays UTF-8."""
    assert sample("a", [("b", "\udcff")], 1) == b'a{b="\\udcff"} 1\n'
