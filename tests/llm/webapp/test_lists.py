"""Generated products keep to the interface: actions, views, computed values, lists, totals and files, over HTTP."""

import re
from urllib.parse import quote

import pytest

from .conftest import books_and_pupils
from .running import Running, day

ISBN = "9780306406157"


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
