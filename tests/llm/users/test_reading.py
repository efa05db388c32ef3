"""What an attentive reader minds on a page, and what not."""

import pytest

from macrohard.llm.builtin.users.page import Page, follow, read
from macrohard.llm.builtin.users.reading import cut_short, differing, disagreements


def page(*lines: str) -> Page:
    return read("\n".join(['page "Loans" at /', "main", '  heading 1 "Loans"', *(f"  {line}" for line in lines)]))


TABLE = ('table "Loans" with 2 rows', "  · Book | · Fee | · Lent on | · Due on")
ROWS = ("  · Emma | · 12.50 | · 2026-11-02 | · 2026-11-16", "  · Ulysses | · 1.25 | · 2026-11-03 | · 2026-11-17")
STORY = "I see when it is due: 14 days later. The lowest fee is on top."


@pytest.mark.parametrize(
    ("lines", "minded"),
    [
        (("· 2 loans, 1 not returned", "· Total: 13.75", "· Monday, 2026-11-02"), ("the order is wrong",)),
        (("· 3 loans, 1 not returned",), ("the page says “3 loans”, and I count 2", "the order is wrong")),
        (("· Total: 13.00",), ("the page says “Total: 13.00” as total, and fee", "the order is wrong")),
        (("· Sunday, 2026-11-02",), ("2026-11-02 is a Monday, and the page says Sunday", "the order is wrong")),
        (("· 5 loans in all", "· 2 of 9 loans"), ("the order is wrong",)),
    ],
)
def test_numbers_days_and_orders_are_worked_out(lines: tuple[str, ...], minded: tuple[str, ...]) -> None:
    said = list(disagreements(page(*TABLE, *ROWS, *lines), STORY))
    assert [one.startswith(begin) for one, begin in zip(said, minded, strict=True)] == [True] * len(minded)


def test_a_promise_is_kept_or_not() -> None:
    late = ROWS[0].replace("2026-11-16", "2026-11-23")
    right, wrong = page(*TABLE, *reversed(ROWS)), page(*TABLE, ROWS[1], late)
    assert list(disagreements(right, STORY)) == []
    assert list(disagreements(wrong, STORY)) == ["Due on is 21 days after Lent on, and 14 days were promised"]
    assert list(disagreements(wrong, "I see when it is due.")) == []


def test_a_list_that_is_cut_is_not_added_up() -> None:
    assert list(disagreements(page(*TABLE, *ROWS, "  … 7 more rows", "· 9 loans", "· Total: 80.00"), STORY)) == []


def test_a_row_is_compared_with_what_was_entered() -> None:
    there = page(*TABLE, *ROWS)
    right = {"Book": "Emma", "Fee": "12.5", "Lent on": "2026-11-02", "Note": "for the weekend"}
    assert list(differing(there, right, "Emma")) == []
    assert list(differing(there, {"Lent on": "2026-11-03"}, "Emma")) == [
        "I entered Lent on “2026-11-03”, and in the list stands “2026-11-02” instead"
    ]
    assert cut_short(there, "Ulysses and more") == "Ulysses"
    assert cut_short(there, "Ulysses") == ""


def test_rows_that_come_later_are_rows_of_the_table() -> None:
    before = page('table "Loans" with 0 rows', "  · Book | · Fee")
    change = '- table "Loans" with 0 rows\n+ table "Loans" with 1 rows\n= · Book | · Fee\n+ · Emma | · 12.50'
    assert follow(before, f"Changed on the page:\n{change}").rows == ("Emma | 12.50",)


def test_a_filter_is_no_field_of_a_form() -> None:
    there = page('· Kind [e4] combobox "Kind" = "All" of "All", "Food"', '[e5] button "Show"', *TABLE, *ROWS)
    assert ([one.name for one in there.filters], there.is_form) == (["Kind"], False)
    form = page('· Kind [e4] combobox "Kind" = "Food" of "Food", "Rent" · Choose one', '[e5] button "Save"')
    assert (form.filters, form.is_form, form.notes(form.fields[0])) == ((), True, "Choose one")
