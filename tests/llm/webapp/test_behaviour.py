"""Generated products keep to the interface: each kind of field, rule, action, view, list, total and file, over HTTP."""

import os
import re
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from .blueprints import BOOKINGS, EXPENSES, INVENTORY, LIBRARY, TODO, VISITORS
from .conftest import Products
from .running import Running, day, running

ISBN = "9780306406157"


@pytest.fixture
def todo(products: Products) -> Running:
    return products(TODO)


@pytest.fixture
def library(products: Products) -> Running:
    return products(LIBRARY)


@pytest.fixture
def inventory(products: Products) -> Running:
    return products(INVENTORY)


@pytest.fixture
def visitors(products: Products) -> Running:
    return products(VISITORS)


@pytest.fixture
def bookings(products: Products) -> Running:
    return products(BOOKINGS)


@pytest.fixture
def expenses(products: Products) -> Running:
    return products(EXPENSES)


def books_and_pupils(library: Running, *, books: int = 1, pupils: int = 1) -> None:
    numbers = ["9780306406157", "9783522202558", "9780261103283", "9780142410370", "9780394820378", "9780141341934"]
    for place in range(books):
        library.post("/books/new", title=f"Book {place + 1}", author="Someone", isbn13=numbers[place])
    for place in range(pupils):
        library.post("/pupils/new", {"name": f"Pupil {place + 1}", "class": "7b", "active": "yes"})


# --- adding, changing, deleting --------------------------------------------------------------------------------------


def test_a_record_is_added_listed_shown_changed_and_deleted(todo: Running) -> None:
    assert todo.get("/tasks").text.count("No tasks yet.") == 1
    added = todo.post("/tasks/new", title="  Pay rent ", priority="High", due_date=day(-1), notes="One\r\nTwo")
    assert (added.status, added.headers["Location"]) == (303, "/tasks")
    assert '["Task saved.", false]' in added.told
    assert todo.get("/tasks").rows == [f"Pay rent Late {day(-1)} High One Two No Mark done Edit Delete"]
    assert "<h1>Pay rent</h1>" in todo.get("/tasks/1").source
    changed = todo.post("/tasks/1/edit", title="Pay the rent", priority="Low", done="yes")
    assert (changed.status, changed.headers["Location"]) == (303, "/tasks/1")
    assert todo.get("/tasks").rows == ["Pay the rent – Low – Yes Mark undone Edit Delete"]
    assert "Delete task?" in todo.get("/tasks/1/delete").text
    deleted = todo.post("/tasks/1/delete")
    assert '["Task deleted.", false]' in deleted.told
    assert todo.get("/tasks/1").status == 404


def test_a_message_is_told_once(todo: Running) -> None:
    cookie = todo.post("/tasks/new", title="A").headers["Set-Cookie"].partition(";")[0]
    page = todo.ask("GET", "/tasks", headers={"Cookie": cookie})
    assert re.search(r'<div role="status" class="message done"><p>Task saved.</p></div>', page.source)
    assert "Max-Age=0" in page.headers["Set-Cookie"]


def test_what_was_typed_stays_in_a_refused_form_with_each_message_beside_its_field(library: Running) -> None:
    answer = library.post("/books/new", title="", author="A <b>", isbn13="9780306406158", year="1449", shelf="AA1")
    assert answer.status == 422
    assert answer.alert == "<p>Please correct the marked fields.</p>"
    assert answer.errors == {
        "title": "Title is required.",
        "isbn13": "ISBN has a wrong check digit.",
        "year": "Year must be at least 1450.",
        "shelf": "Shelf must be a shelf from A1 to Z99.",
    }
    assert 'value="A &lt;b&gt;"' in answer.source
    field = re.search(r'<input[^>]*name="isbn13"[^>]*>', answer.source)
    assert field
    assert 'aria-invalid="true"' in field[0]
    assert 'aria-describedby="error-isbn13"' in field[0]
    assert library.get("/books").rows == []


@pytest.mark.parametrize(
    ("fields", "name", "message"),
    [
        pytest.param({"isbn13": "978-0-306-40615-8"}, "isbn13", "ISBN has a wrong check digit.", id="check digit"),
        pytest.param({"title": "x" * 201}, "title", "Title must have at most 200 characters.", id="too long"),
        pytest.param({"year": "MCM"}, "year", "Year must be a whole number.", id="no number"),
        pytest.param({"year": "3000"}, "year", f"Year must be at most {day(0)[:4]}.", id="this year"),
        pytest.param({"year": "١٩٩٩"}, "year", "Year must be a whole number.", id="other digits"),
    ],
)
def test_a_field_refuses_what_it_does_not_take(
    library: Running, fields: dict[str, str], name: str, message: str
) -> None:
    answer = library.post("/books/new", {"title": "T", "author": "A", "isbn13": ISBN, **fields})
    assert (answer.status, answer.errors) == (422, {name: message})


@pytest.mark.parametrize(
    ("fields", "name", "message"),
    [
        pytest.param({"email": "ada"}, "email", "E-mail must be an e-mail address.", id="e-mail"),
        pytest.param({"phone": "call me"}, "phone", "Phone must be a phone number.", id="phone"),
        pytest.param({"badge": "0"}, "badge", "Badge number must be at least 1.", id="minimum"),
        pytest.param(
            {"time_in": "soon"},
            "time_in",
            "Time in must be a date and time such as 2026-11-22 09:30.",
            id="date-time",
        ),
    ],
)
def test_typed_fields_say_what_they_take(visitors: Running, fields: dict[str, str], name: str, message: str) -> None:
    right = {"name": "Ada", "host": "M. Ross", "badge": "7", "time_in": f"{day(0)}T09:30"}
    answer = visitors.post("/visitors/new", {**right, **fields})
    assert answer.errors == {name: message}


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("12.5", "€12.50"), ("12,50", "€12.50"), ("€3", "€3.00"), ("0.01", "€0.01"), ("10000", "€10000.00")],
)
def test_amounts_are_understood_as_people_write_them(expenses: Running, amount: str, shown: str) -> None:
    assert expenses.post("/expenses/new", what="Taxi", amount=amount, on=day(0)).status == 303
    assert f" {shown} " in expenses.get("/expenses").rows[0]


@pytest.mark.parametrize(
    ("amount", "message"),
    [
        ("0", "Amount must be more than 0."),
        ("10000.01", "Amount must be at most 10000."),
        ("1,000", "Amount must be an amount such as 12.50."),
        ("1e3", "Amount must be an amount such as 12.50."),
        ("nan", "Amount must be an amount such as 12.50."),
    ],
)
def test_amounts_that_are_none_are_refused(expenses: Running, amount: str, message: str) -> None:
    answer = expenses.post("/expenses/new", what="Taxi", amount=amount, on=day(0))
    assert answer.errors == {"amount": message}


def test_dates_keep_to_today(expenses: Running, tmp_path: Path) -> None:
    answer = expenses.post("/expenses/new", what="Taxi", amount="1", on=day(1))
    assert answer.errors == {"on": "Date must not be in the future."}


def test_dates_keep_to_spans_from_today(bookings: Running) -> None:
    bookings.post("/rooms/new", name="Blue")
    right = {"purpose": "Choir", "room": "1", "start": "09:00", "end": "10:00", "status": "Booked"}
    assert bookings.post("/bookings/new", {**right, "day": day(-1)}).errors == {"day": "Day must not be in the past."}
    late = bookings.post("/bookings/new", {**right, "day": day(400)}).errors["day"]
    assert re.fullmatch(r"Day must not be after \d{4}-\d\d-\d\d\.", late)
    early = bookings.post("/bookings/new", {**right, "day": day(1), "start": "06:59"}).errors
    assert early == {"start": "Start must not be before 07:00."}


def test_unique_values_ignore_case_and_blanks(inventory: Running) -> None:
    assert inventory.post("/parts/new", name="Bolt", price="1", minimum_stock="0").status == 303
    answer = inventory.post("/parts/new", name=" BOLT ", price="1", minimum_stock="0")
    assert answer.errors == {"name": "Name is already used."}
    assert inventory.post("/parts/1/edit", name="BOLT", price="1", minimum_stock="0").status == 303


def test_empty_unique_values_never_clash(visitors: Running) -> None:
    for badge in ("1", "2"):
        form = {"name": "Ada", "host": "M", "badge": badge, "time_in": f"{day(0)}T09:30", "email": ""}
        assert visitors.post("/visitors/new", form).status == 303


def test_defaults_stand_in_the_form_and_follow_other_fields(library: Running) -> None:
    form = library.get("/loans/new").source
    assert re.search(rf'<input type="date" value="{day(0)}"[^>]* name="out_date"', form)
    assert "Left empty: 21 days after “Out date”" in form
    books_and_pupils(library)
    library.post("/loans/new", book=1, pupil=1, out_date=day(-30), due_date="")
    assert f"{day(-30)} {day(-9)}" in library.get("/loans").rows[0]


def test_a_change_that_somebody_else_made_meanwhile_is_not_lost(todo: Running) -> None:
    todo.post("/tasks/new", title="A")
    todo.post("/tasks/1/edit", title="B", _revision="1")
    late = todo.post("/tasks/1/edit", title="C", _revision="1")
    assert late.status == 422
    assert "Somebody else changed this task meanwhile." in late.alert
    assert 'name="_revision" value="2"' in late.source
    assert "<h1>B</h1>" in todo.get("/tasks/1").source


# --- rules -----------------------------------------------------------------------------------------------------------


def test_a_book_is_lent_once_at_a_time(library: Running) -> None:
    books_and_pupils(library, pupils=2)
    assert library.post("/loans/new", book=1, pupil=1, out_date=day(-1)).status == 303
    second = library.post("/loans/new", book=1, pupil=2, out_date=day(0))
    assert (second.status, "This book is out already." in second.alert) == (422, True)
    assert library.post("/loans/1/actions/return").status == 303
    assert library.post("/loans/new", book=1, pupil=2, out_date=day(0)).status == 303


def test_an_inactive_pupil_cannot_borrow_but_brings_back(library: Running) -> None:
    books_and_pupils(library, books=2)
    library.post("/loans/new", book=1, pupil=1, out_date=day(-1))
    library.post("/pupils/1/edit", {"name": "Pupil 1", "class": "7b"})
    refused = library.post("/loans/new", book=2, pupil=1, out_date=day(0))
    assert "An inactive pupil cannot borrow." in refused.alert
    back = library.post("/loans/1/edit", book=1, pupil=1, out_date=day(-1), due_date=day(3), in_date=day(0))
    assert back.status == 303


def test_a_pupil_has_five_open_loans_at_most(library: Running) -> None:
    books_and_pupils(library, books=6)
    statuses = [library.post("/loans/new", book=n, pupil=1, out_date=day(0)).status for n in range(1, 7)]
    assert statuses == [303] * 5 + [422]


def test_dates_in_the_wrong_order_are_refused(library: Running) -> None:
    books_and_pupils(library)
    answer = library.post("/loans/new", book=1, pupil=1, out_date=day(0), in_date=day(-1))
    assert "In date must not be before out date." in answer.alert
    assert library.post("/loans/new", book=1, pupil=1, out_date=day(0), in_date=day(0)).status == 303


def test_what_is_referred_to_is_kept(library: Running) -> None:
    books_and_pupils(library)
    library.post("/loans/new", book=1, pupil=1, out_date=day(0))
    refused = library.post("/books/1/delete")
    assert "This book has loans and cannot be deleted." in refused.alert
    unruled = library.post("/pupils/1/delete")
    assert "This pupil is still used by loan “Book 1”." in unruled.alert
    assert len(library.get("/loans").rows) == 1


def test_optional_references_are_emptied_when_their_record_goes(expenses: Running) -> None:
    expenses.post("/members/new", first_name="Ada", last_name="Byron")
    expenses.post("/expenses/new", what="Taxi", member=1, amount="5", on=day(0))
    assert expenses.post("/members/1/delete").status == 303
    assert expenses.get("/expenses").rows == [f"Taxi – €5.00 {day(0)} – No Edit Delete"]


def test_stock_never_falls_below_zero(inventory: Running) -> None:
    inventory.post("/parts/new", name="Bolt", price="0.35", minimum_stock="10")
    move = {"part": "1", "at": f"{day(-1)}T09:30"}
    assert inventory.post("/movements/new", {**move, "direction": "In", "quantity": "12"}).status == 303
    refused = inventory.post("/movements/new", {**move, "direction": "Out", "quantity": "13"})
    assert "There is not enough in stock." in refused.alert
    assert inventory.post("/movements/new", {**move, "direction": "Out", "quantity": "3"}).status == 303
    assert inventory.get("/parts").rows == ["Bolt Low stock €0.35 10 9 €3.15 – Edit Delete"]
    assert "There is not enough in stock." in inventory.post("/movements/1/delete").alert
    shrunk = inventory.post("/movements/1/edit", {**move, "direction": "In", "quantity": "2"})
    assert "There is not enough in stock." in shrunk.alert


def test_a_badge_is_used_by_one_visitor_at_a_time(visitors: Running) -> None:
    ada = {"name": "Ada", "host": "M. Ross", "badge": "7", "time_in": f"{day(-1)}T09:30"}
    visitors.post("/visitors/new", ada)
    second = visitors.post("/visitors/new", {**ada, "name": "Ben"})
    assert "This badge is in use." in second.alert
    assert '["Check out: done.", false]' in visitors.post("/visitors/1/actions/check-out").told
    assert visitors.post("/visitors/new", {**ada, "name": "Ben"}).status == 303
    reopened = visitors.post("/visitors/1/edit", {**ada, "time_out": ""})
    assert "This badge is in use." in reopened.alert


@pytest.mark.parametrize(
    ("room", "start", "end", "accepted"),
    [
        pytest.param("1", "09:00", "10:00", False, id="the same"),
        pytest.param("1", "09:30", "09:45", False, id="within"),
        pytest.param("1", "08:00", "11:00", False, id="around"),
        pytest.param("1", "10:00", "11:00", True, id="right after"),
        pytest.param("1", "08:00", "09:00", True, id="right before"),
        pytest.param("2", "09:00", "10:00", True, id="another room"),
    ],
)
def test_bookings_never_overlap(bookings: Running, room: str, start: str, end: str, accepted: bool) -> None:
    for name in ("Blue", "Green"):
        bookings.post("/rooms/new", name=name)
    first = {"purpose": "Choir", "room": "1", "day": day(1), "start": "09:00", "end": "10:00", "status": "Booked"}
    assert bookings.post("/bookings/new", first).status == 303
    answer = bookings.post("/bookings/new", {**first, "room": room, "start": start, "end": end})
    assert (answer.status == 303) == accepted
    assert ("The room is taken at that time." in answer.alert) != accepted


def test_a_condition_frees_a_booking_and_a_reason_is_then_required(bookings: Running) -> None:
    bookings.post("/rooms/new", name="Blue")
    first = {"purpose": "Choir", "room": "1", "day": day(1), "start": "09:00", "end": "10:00", "status": "Booked"}
    bookings.post("/bookings/new", first)
    cancelled = bookings.post("/bookings/1/edit", {**first, "status": "Cancelled"})
    assert "A cancelled booking needs a reason." in cancelled.alert
    assert bookings.post("/bookings/1/edit", {**first, "status": "Cancelled", "reason": "Ill"}).status == 303
    assert bookings.post("/bookings/new", first).status == 303
    again = bookings.post("/bookings/1/actions/rebook")
    assert '["The room is taken at that time.", true]' in again.told
    equal = bookings.post("/bookings/new", {**first, "day": day(2), "end": "09:00"})
    assert "The end must be after the start." in equal.alert


# --- actions, views, computed values, totals -------------------------------------------------------------------------


def test_an_action_is_offered_and_accepted_only_while_its_conditions_hold(library: Running) -> None:
    books_and_pupils(library)
    library.post("/loans/new", book=1, pupil=1, out_date=day(0), due_date=day(5))
    assert "Extend by 7 days" in library.get("/loans").rows[0]
    library.post("/loans/1/actions/extend")
    assert f" {day(12)} " in library.get("/loans").rows[0]
    assert "Extend by 7 days" not in library.get("/loans").rows[0]
    second = library.post("/loans/1/actions/extend", back="/loans?page=1")
    assert second.headers["Location"] == "/loans?page=1"
    assert '["This loan cannot be extended.", true]' in second.told


@pytest.mark.parametrize("back", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere", "", "/a\nb"])
def test_an_action_leads_to_no_other_site(todo: Running, back: str) -> None:
    todo.post("/tasks/new", title="A")
    assert todo.post("/tasks/1/actions/mark-done", back=back).headers["Location"] == "/tasks/1"


def test_a_view_lists_what_meets_its_conditions_in_its_order(library: Running) -> None:
    books_and_pupils(library, books=3, pupils=2)
    library.post("/loans/new", book=1, pupil=1, out_date=day(-30))
    library.post("/loans/new", book=2, pupil=2, out_date=day(-50))
    library.post("/loans/new", book=3, pupil=2, out_date=day(0))
    page = library.get("/views/overdue")
    assert "<h1>Overdue</h1>" in page.source
    assert page.rows == [
        "Pupil 2 7b Book 2 Overdue 29 Return Edit Delete",
        "Pupil 1 7b Book 1 Overdue 9 Return Edit Delete",
    ]
    assert len(library.get("/views/overdue?filter-class=7b").rows) == 2
    assert library.get("/views/overdue?filter-class=8a").text.count("No loans match.") == 1


def test_the_page_of_a_record_lists_what_belongs_to_it(library: Running) -> None:
    books_and_pupils(library, books=2, pupils=2)
    library.post("/loans/new", book=1, pupil=1, out_date=day(0))
    library.post("/loans/new", book=2, pupil=2, out_date=day(0))
    page = library.get("/pupils/1")
    assert len(page.rows) == 1
    assert page.rows[0].startswith("Book 1 7b ")
    assert 'href="/loans/new?pupil=1"' in page.source
    assert re.search(r'<option value="1" selected>Pupil 1</option>', library.get("/loans/new?pupil=1").source)


def test_highlights_say_in_words_what_stands_out(library: Running) -> None:
    books_and_pupils(library, books=2)
    library.post("/loans/new", book=1, pupil=1, out_date=day(0))
    assert [row.partition(" Someone")[0] for row in library.get("/books").rows] == ["Book 1 Out", "Book 2 In"]


def test_computed_values_are_shown_and_found(expenses: Running, visitors: Running) -> None:
    birthday = f"{int(day(0)[:4]) - 30}{day(0)[4:]}" if day(0)[5:] != "02-29" else "1990-01-01"
    expenses.post("/members/new", first_name="Ada", last_name="Byron", birthday=birthday)
    for amount in ("10.10", "20.20"):
        expenses.post("/expenses/new", what="Taxi", member=1, amount=amount, on=day(0))
    assert expenses.get("/members").rows == [f"Ada Byron Ada Byron {birthday} 30 – €30.30 Edit Delete"]
    assert len(expenses.get("/views/birthdays").rows) == 1
    stay = {"time_in": f"{day(-1)}T09:00", "time_out": f"{day(-1)}T11:15"}
    visitors.post("/visitors/new", {"name": "Ada", "host": "M", "badge": "7", **stay})
    assert " 2.25 " in visitors.get("/visitors").rows[0]


def test_totals_count_what_is_filtered(expenses: Running) -> None:
    for what, amount, on, category, paid in [
        ("Train", "48.20", day(0), "Travel", ""),
        ("Taxi", "12.5", day(0), "Travel", "yes"),
        ("Paint", "19.99", "2025-01-31", "Material", ""),
        ("Gift", "1", "2025-01-01", "", ""),
    ]:
        expenses.post("/expenses/new", what=what, amount=amount, on=on, category=category, paid=paid)
    text = expenses.get("/expenses").text
    assert "4 expenses" in text
    assert "Total: €81.69" in text
    assert "Still to pay back: €69.19" in text
    assert f"Total by month Date Total 2025-01 €20.99 {day(0)[:7]} €60.70" in text
    assert "Total by category Category Total Travel €60.70 Material €19.99 – €1.00" in text
    assert "Total: €60.70" in expenses.get("/expenses?filter-category=Travel").text
    assert "Total: €0.00" in expenses.get("/expenses?search=nothing").text


def test_averages_are_rounded(inventory: Running) -> None:
    for name, price in (("A", "1"), ("B", "1"), ("C", "0.01")):
        inventory.post("/parts/new", name=name, price=price, minimum_stock="0")
    assert "Average price: €0.67" in inventory.get("/parts").text
    assert "Average price: –" in inventory.get("/parts?search=zzz").text


def test_the_overview_counts(library: Running) -> None:
    books_and_pupils(library, books=2)
    text = library.get("/").text
    assert "Books 2" in text
    assert "Overdue 0" in text


# --- lists -----------------------------------------------------------------------------------------------------------


def test_search_wants_every_word_and_ignores_case_and_accents(library: Running) -> None:
    library.post("/books/new", title="Émile und die Detektive", author="Erich Kästner", isbn13=ISBN)
    library.post("/books/new", title="100 % Wool", author="O'Neil", isbn13="9783522202558")
    for words, found in [("emile KASTNER", 1), ("kästner", 1), ("100 %", 1), ("%", 1), ("_", 0), ("'", 1), (ISBN, 1)]:
        assert len(library.get(f"/books?search={quote(words)}").rows) == found, words
    assert "No books match." in library.get("/books?search=zzz").text


def test_filters_work_together(expenses: Running) -> None:
    expenses.post("/members/new", first_name="Ada", last_name="Byron")
    for what, on, category, member in [
        ("A", day(0), "Travel", "1"),
        ("B", day(-1), "Travel", ""),
        ("C", day(-2), "Food", "1"),
    ]:
        expenses.post("/expenses/new", what=what, amount="1", on=on, category=category, member=member)

    def found(query: str) -> str:
        return "".join(row[0] for row in expenses.get(f"/expenses?{query}").rows)

    assert found("") == "ABC"
    assert found("filter-category=Travel") == "AB"
    assert found("filter-member=1") == "AC"
    assert found("filter-member=1&filter-category=Food") == "C"
    assert found("filter-paid=no") == "ABC"
    assert found("filter-paid=yes") == ""
    assert found(f"filter-on-from={day(-1)}") == "AB"
    assert found(f"filter-on-from={day(-1)}&filter-on-to={day(-1)}") == "B"
    assert found("filter-on-to=nonsense&filter-nothing=x") == "ABC"


def test_lists_are_sorted_both_ways_with_empty_values_last(todo: Running) -> None:
    for title, due, priority in [("b", day(3), "Low"), ("A", "", "High"), ("ä2", day(1), "Medium"), ("ä10", "", "Low")]:
        todo.post("/tasks/new", title=title, due_date=due, priority=priority)

    def order(sort: str) -> list[str]:
        return [row.split()[0] for row in todo.get(f"/tasks?sort={sort}").rows]

    assert order("") == ["ä10", "ä2", "A", "b"]
    assert order("title") == ["A", "ä2", "ä10", "b"]
    assert order("-title") == ["b", "ä10", "ä2", "A"]
    assert order("due_date") == ["ä2", "b", "A", "ä10"]
    assert order("-due_date") == ["b", "ä2", "A", "ä10"]
    assert order("-priority")[0] == "A"
    header = todo.get("/tasks?sort=title").source
    assert re.search(r'<th[^>]*aria-sort="ascending"[^>]*><a href="/tasks\?sort=-title">Title<', header)


def test_long_lists_have_pages(inventory: Running) -> None:
    for number in range(21):
        inventory.post("/parts/new", name=f"Part {number:02d}", price="1", minimum_stock="0")
    first = inventory.get("/parts")
    assert "Page 1 of 3" in first.text
    assert 'href="/parts?page=2"' in first.source
    assert "Previous" not in first.text
    last = inventory.get("/parts?page=3")
    assert [row.split()[1] for row in last.rows] == ["20"]
    assert "Next" not in last.text
    assert inventory.get("/parts?page=99").rows == last.rows
    assert inventory.get("/parts?page=-1").rows == first.rows
    assert "21 parts" in last.text


# --- files -----------------------------------------------------------------------------------------------------------


def test_export_holds_what_is_filtered_and_nothing_that_a_spreadsheet_would_run(expenses: Running) -> None:
    expenses.post("/expenses/new", what='=2+3 "x"', amount="5", on=day(0), category="Food")
    expenses.post("/expenses/new", what="Taxi", amount="7.5", on=day(-1))
    file = expenses.get("/expenses/export.csv")
    assert file.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert file.headers["Content-Disposition"] == 'attachment; filename="expenses.csv"'
    assert file.body.decode().splitlines() == [
        '\ufeff"What for","Member","Amount","Date","Category","Paid back"',
        f'"\'=2+3 ""x""","","5.00","{day(0)}","Food","No"',
        f'"Taxi","","7.50","{day(-1)}","","No"',
    ]
    assert len(expenses.get("/expenses/export.csv?filter-category=Food").source.splitlines()) == 2


def test_what_was_exported_can_be_imported(expenses: Running) -> None:
    expenses.post("/members/new", first_name="Ada", last_name="Byron")
    expenses.post("/expenses/new", what="-1 day\n, “late”", amount="5", on=day(0), member="1", paid="yes")
    file = expenses.get("/expenses/export.csv").body
    assert "1 expense imported." in expenses.upload("/expenses/import", file).text
    rows = expenses.get("/expenses").rows
    assert rows[0] == rows[1]


def test_import_takes_good_lines_and_names_bad_ones(library: Running) -> None:
    content = "NAME;Class;active\nAda;7b;yes\n\nBen;11x;no\nCleo;5a;no\n;6c;yes\nDan;10d;\n"
    page = library.upload("/pupils/import", content.encode("cp1252"))
    assert page.status == 200
    assert "3 pupils imported." in page.text
    assert "Line 4: Class must be a class from 5a to 10d." in page.text
    assert "Line 6: Name is required." in page.text
    assert library.get("/pupils").rows == [
        "Ada 7b Yes Edit Delete",
        "Cleo 5a No Edit Delete",
        "Dan 10d Yes Edit Delete",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "choose a CSV file first", id="no file"),
        pytest.param(b"\n\n", "The file is empty.", id="empty"),
        pytest.param(b"Name\nAda\n", "The column Class is missing.", id="missing column"),
        pytest.param(b"a,b\n1,2\n", "The first line must name the columns: Name, Class, Active.", id="no header"),
        pytest.param(b"\x89PNG\r\n\x1a\n\x00\x00", "it does not contain text", id="a picture"),
    ],
)
def test_import_says_what_is_wrong_with_a_file(library: Running, content: bytes, message: str) -> None:
    page = library.upload("/pupils/import", content)
    assert page.status == 422
    assert message in page.alert


# --- the web ---------------------------------------------------------------------------------------------------------


def test_every_page_is_safe_and_complete(library: Running) -> None:
    books_and_pupils(library)
    library.post("/loans/new", book=1, pupil=1, out_date=day(0))
    for path in ("/", "/books", "/books/new", "/books/1", "/books/1/edit", "/books/1/delete", "/pupils/import", "/x"):
        page = library.get(path)
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self'"), path
        assert page.source.startswith('<!DOCTYPE html>\n<html lang="en">'), path
        assert page.source.count("<h1") == page.source.count("<main") == 1, path
        assert '<a href="#content" class="skip">Skip to content</a>' in page.source, path
        assert '<nav aria-label="Main">' in page.source, path
        assert not re.search(r'style="|onclick|<script>|https?://', page.source), path


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/books/7", 404),
        ("GET", "/books/seven", 404),
        ("GET", "/books/1/actions/return", 404),
        ("GET", "/pupils/export.csv?x=%FF", 200),
        ("GET", "/books/export.csv", 404),
        ("GET", "/static/../records.py", 404),
        ("GET", "/static/%2e%2e/records.py", 404),
        ("GET", "//elsewhere.example/", 404),
        ("PUT", "/books", 405),
        ("DELETE", "/books/1", 405),
        ("POST", "/books", 405),
        ("HEAD", "/books", 200),
        ("GET", "/books?" + "a=1&" * 300, 400),
        ("GET", "/" + "x" * 70_000, 414),
    ],
)
def test_odd_requests_get_a_proper_answer(library: Running, method: str, path: str, status: int) -> None:
    answer = library.ask(method, path)
    assert answer.status == status
    if status >= 400:
        assert "Back to the start" in answer.text
    if status == 404:
        assert "<h1>Not found</h1>" in answer.source


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Referer": "https://elsewhere.example/page"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_forms_of_other_sites_are_refused(todo: Running, headers: dict[str, str]) -> None:
    answer = todo.ask(
        "POST", "/tasks/new", b"title=A", {"Content-Type": "application/x-www-form-urlencoded", **headers}
    )
    assert answer.status == 403
    assert todo.get("/tasks").rows == []


def test_forms_of_our_own_pages_are_accepted(todo: Running) -> None:
    own = f"http://127.0.0.1:{todo.port}"
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": own, "Sec-Fetch-Site": "same-origin"}
    assert todo.ask("POST", "/tasks/new", b"title=A", headers).status == 303


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param(b"x=" + b"x" * 1_000_000, {}, 413, id="too large"),
        pytest.param(b"x", {"Content-Length": "many"}, 400, id="no length"),
        pytest.param(b"&".join(b"x=1" for _ in range(600)), {}, 400, id="too many fields"),
        pytest.param(b"title=%FF%00%F0%9F%8E%89", {}, 303, id="odd bytes"),
    ],
)
def test_odd_bodies_get_a_proper_answer(todo: Running, body: bytes, headers: dict[str, str], status: int) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    assert todo.ask("POST", "/tasks/new", body, headers).status == status


def test_half_a_form_is_not_saved(todo: Running) -> None:
    with socket.create_connection(("127.0.0.1", todo.port)) as connection:
        connection.sendall(b"POST /tasks/new HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\ntitle=Half")
        connection.shutdown(socket.SHUT_WR)
        assert connection.makefile("rb").readline() == b"HTTP/1.1 400 Bad Request\r\n"
    assert todo.get("/tasks").rows == []


def test_what_follows_a_request_that_has_no_body_is_no_request(todo: Running) -> None:
    with socket.create_connection(("127.0.0.1", todo.port)) as connection:
        hidden = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(hidden), hidden))
        said = connection.makefile("rb").read()
    assert said.count(b"HTTP/1.1") == said.count(b"200 OK") == 1


def test_a_form_sent_twice_is_saved_once_but_two_forms_are_two(todo: Running) -> None:
    for title, ticket in (("A", "1"), ("A", "1"), ("B", "1"), ("A", "2"), ("A", ""), ("A", "")):
        assert todo.post("/tasks/new", title=title, _ticket=ticket).status == 303
    assert len(todo.get("/tasks").rows) == 5


def test_texts_are_shown_as_they_were_typed(todo: Running) -> None:
    odd = "<script>alert(1)</script> & 'x' \"y\" 🎉 \u202eabc %s {0}"
    todo.post("/tasks/new", title=odd)
    assert "<script>alert" not in todo.get("/tasks").source
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#x27;x&#x27; &quot;y&quot; 🎉" in todo.get("/tasks/1").source


def test_the_browser_never_sees_a_traceback_and_the_log_keeps_it(tmp_path: Path) -> None:
    with running(TODO, tmp_path, careless=True) as todo:
        answer = todo.post("/tasks/new", title="🎉")
        assert answer.status == 500
        assert "Something went wrong" in answer.text
        assert "Traceback" not in answer.source
        assert "UnicodeEncodeError" in todo.log


# --- data ------------------------------------------------------------------------------------------------------------


def test_what_was_saved_survives_kills_and_asked_ends_are_peaceful(todo: Running) -> None:
    for number in range(3):
        assert todo.post("/tasks/new", title=f"Task {number}").status == 303
        todo.kill()
        todo.start()
    assert len(todo.get("/tasks").rows) == 3
    todo.process.terminate()
    assert todo.process.wait(10) == 0
    todo.start()
    assert len(todo.get("/tasks").rows) == 3


def test_a_new_field_gets_its_column_and_default(tmp_path: Path) -> None:
    (record,) = TODO.records
    fewer = record.model_copy(
        update={
            "fields": tuple(one for one in record.fields if one.name not in {"priority", "notes"}),
            "filters": (),
            "sortable": (),
            "search": (),
        }
    )
    with running(TODO.model_copy(update={"records": (fewer,), "totals": (), "claims": ()}), tmp_path) as early:
        early.post("/tasks/new", title="Old")
    with running(TODO, tmp_path) as later:
        assert later.get("/tasks").rows == ["Old – Medium – No Mark done Edit Delete"]


def test_another_program_may_write_to_the_file(todo: Running) -> None:
    todo.post("/tasks/new", title="Old")
    assert todo.get("/tasks").rows != []
    with sqlite3.connect(todo.folder / "data" / "records.sqlite3") as connection:
        connection.execute("UPDATE task SET title = 'New'")
    connection.close()
    assert todo.get("/tasks").rows[0].startswith("New ")


def test_it_says_why_it_cannot_start(todo: Running) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "app"],
        cwd=todo.folder,
        env=os.environ | {"PORT": str(todo.port)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert second.returncode == 1
    assert second.stderr.startswith(f"Cannot start on 127.0.0.1:{todo.port}")
    assert "Traceback" not in second.stderr
