"""Exact replacements, and what is said when a text is not there."""

import pytest

from macrohard.agent.editing import Replacement, replaced
from macrohard.errors import ToolError

CODE = """\
import os

def total(items):
    result = 0
    for item in items:
        result += item.price
    return result

def count(items):
    return len(items)
"""


def change(text: str, *pairs: tuple[str, str], every: bool = False) -> str:
    return replaced(text, [Replacement(old=old, new=new) for old, new in pairs], path="a.py", every=every)


def test_several_replacements_are_made_one_after_the_other() -> None:
    assert change("a b c", ("a", "x y"), ("y b", "z")) == "x z c"
    assert change("a b a", ("a", "c"), every=True) == "c b c"


def test_lines_ended_by_crlf_stay_so() -> None:
    assert change("a\r\nb\r\n", ("a\nb", "c\nd")) == "c\r\nd\r\n"


@pytest.mark.parametrize(
    ("old", "told"),
    [
        pytest.param("    for item in items:\n      result += item.price", ["lines 5 to 6", "only in indentation",
                     "5:     for item in items:\n6:         result += item.price"], id="indentation"),
        pytest.param("\tresult = 0\n\tfor item in items:", ["lines 4 to 5", "only in tabs and spaces"], id="tabs"),
        pytest.param("result = 0  \n    for item in items:  ", ["lines 4 to 5"], id="spaces at the end"),
        pytest.param("return  len( items )", ["line"], id="other spaces"),
        pytest.param("6:         result += item.price", ["line numbers, which are not part"], id="line numbers"),
        pytest.param("def total(things):\n    result = 0\n    for item in things:", ["lines 3 to 5",
                     "differs in 2 of 3 lines"], id="other words"),
        pytest.param("class Nothing(Alike):", ["Nothing in it is like that"], id="not there at all"),
        pytest.param("items", ["stands 4 times in a.py, at lines 3, 5, 9, 10", "every=true"], id="too often"),
    ],
)  # fmt: skip
def test_a_text_that_is_not_there_once_is_answered_with_what_is(old: str, told: list[str]) -> None:
    with pytest.raises(ToolError) as caught:
        change(CODE, (old, "changed"))
    for part in told:
        assert part in str(caught.value)


def test_quotes_that_differ_are_named() -> None:
    with pytest.raises(ToolError, match="differs only in quotes"):
        change("name = 'Ann'\n", ('name = "Ann"', "x"))
    with pytest.raises(ToolError, match="curly quotes"):
        change('name = "Ann"\n', ("name = “Ann”", "x"))


def test_a_change_that_was_made_before_is_recognised() -> None:
    with pytest.raises(ToolError, match="new text stands there already, at line 10"):
        change(CODE, ("return size(items)", "return len(items)"))


def test_all_or_none() -> None:
    with pytest.raises(ToolError, match="replacement 2 of 2: ") as caught:
        change(CODE, ("import os", "import sys"), ("import re", "import json"))
    assert str(caught.value).endswith("Nothing was changed.")
