"""Parameters reach a program as text, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.errors import ModuleError
from exporter_proxy.sources.module.params import Params, fill_arguments, fill_environment

ANY = {"x": "(?s).*", "y": "(?s).*"}


def test_all_are_taken_where_none_is_declared():
    """By name, in their order."""
    given = [("target", "a"), ("module", "m"), ("target", "b")]

    assert Params(None).check(given) == {"target": ["a", "b"], "module": ["m"]}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([("z", "1")], '"z" is not among its parameters: target'),
        ([("target", "A")], 'the parameter target="A" does not match its pattern'),
        ([("target", "ab\n")], r'the parameter target="ab\n" does not match its pattern'),
        ([("target", "")], 'the parameter target="" does not match its pattern'),
        ([("target", "a"), ("target", "B")], 'the parameter target="B" does not match its pattern'),
    ],
)
def test_refused(given, message):
    """The whole of a value has to match."""
    with pytest.raises(ModuleError) as caught:
        Params({"target": "[a-z]+"}).check(given)

    assert (str(caught.value), caught.value.reason) == (message, "bad_params")


@pytest.mark.parametrize("value", ["a\0b", "\udcff\0"])
def test_nul_is_refused(value):
    """Whatever the pattern says: no argument can hold one."""
    with pytest.raises(ModuleError, match="does not match its pattern"):
        Params(ANY).check([("x", value)])


def test_nothing_is_declared():
    with pytest.raises(ModuleError, match='"x" is not among its parameters: none'):
        Params({}).check([("x", "1")])


@pytest.mark.parametrize(
    ("words", "values", "filled"),
    [
        (["p", "{x}"], {}, ["p"]),
        (["p", "{x}"], {"x": ["1"]}, ["p", "1"]),
        (["p", "{x}", "z"], {"x": ["1", "2 3"]}, ["p", "1", "2 3", "z"]),
        (["p", "--a={x}:{y}"], {"x": ["1"], "y": ["2"]}, ["p", "--a=1:2"]),
        (["p", "--a={x}"], {"x": ["-1"]}, ["p", "--a=-1"]),
        (["p", "{x}"], {"x": [""]}, ["p", ""]),
        # Values are never looked into again, and what is not declared stays.
        (["p", "{x}{y}"], {"x": ["{y}"], "y": ["{x}"]}, ["p", "{y}{x}"]),
        (["awk", "{print}", "{}", "{x"], {}, ["awk", "{print}", "{}", "{x"]),
    ],
)
def test_arguments(words, values, filled):
    assert fill_arguments(words, values, ANY) == filled


@pytest.mark.parametrize(
    ("words", "values", "message"),
    [
        (["p", "a{x}"], {}, "the parameter x is missing"),
        (["p", "a{x}"], {"x": ["1", "2"]}, "the parameter x is given more than once"),
        (["p", "{x}"], {"x": ["ok", "-rf"]}, 'a parameter begins with -: "-rf"'),
        (["p", "{x}b"], {"x": ["-"]}, 'a parameter begins with -: "-b"'),
        (["p", "{x}{y}"], {"x": [""], "y": ["-o"]}, 'a parameter begins with -: "-o"'),
    ],
)
def test_refused_arguments(words, values, message):
    """A value that would be an option, and one too few or too many."""
    with pytest.raises(ModuleError) as caught:
        fill_arguments(words, values, ANY)

    assert (str(caught.value), caught.value.reason) == (message, "bad_params")


def test_environment():
    """A variable that is nothing but a parameter is left out with it; a dash means nothing."""
    variables = {"A": "{x}", "B": "b{y}", "C": "c", "D": "{z}"}

    assert fill_environment(variables, {"y": ["1"]}, ANY) == {"B": "b1", "C": "c", "D": "{z}"}
    assert fill_environment(variables, {"x": ["-"], "y": ["$y"]}, ANY) == {
        "A": "-",
        "B": "b$y",
        "C": "c",
        "D": "{z}",
    }
    with pytest.raises(ModuleError, match="the parameter y is missing"):
        fill_environment(variables, {}, ANY)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_a_value_is_one_word(values):
    """Whatever is in it: blanks, quotes, dollars, braces."""
    kept = [value for value in values if not value.startswith("-")]

    assert fill_arguments(["p", "{x}"], {"x": kept}, ANY) == ["p", *kept]
