"""Generated products keep to the interface: each kind of field and rule, over HTTP."""

import re
from pathlib import Path

import pytest

from .conftest import books_and_pupils
from .running import Running, day

ISBN = "9780306406157"


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
