"""What a person takes in of an outline, and of what changed on it."""

from macrohard.llm.builtin.users.page import follow, read, told

LIST = """page "Tasks · To-do list" at /tasks
status: · Task saved.
[e2] link "Skip to content"
banner
  navigation "Main"
    [e11] link "Tasks"
main
  heading 1 "Tasks"
  [e23] link "Add task"
  search "Find tasks"
    [e33] searchbox "Search"
    [e36] combobox "Priority" = "Any" of "Any", "Low", "High"
    [e38] button "Show"
  table "Tasks" with 14 rows
    [e46] link "Title" | · Due date
    [e60] link "Buy \\"fresh\\" milk" | · 2026-11-22 | [e68] link "Edit"
    [f1e72] link "Pay rent" | · – | [f1e80] link "Edit"
    … 12 more rows
  · 14 tasks"""

FORM = """page "Add task · To-do list" at /tasks/new
the server answered 422
alert: · Please correct the marked field.
main
  heading 1 "Add task"
  · Title (required)
  [e25] textbox "Title" (required, invalid, focused) = "   "
  · Title is required.
  · Shelf (required)
  [e28] textbox "Shelf" (required)
  · A shelf from A1 to Z99, for example B12
  [e31] checkbox "Done" (checked)
  [e40] button "Save\""""


def test_a_list_is_understood() -> None:
    page = read(LIST)
    assert (page.title, page.address, page.status, page.head) == ("Tasks · To-do list", "/tasks", 200, "Tasks")
    assert page.said == ("Task saved.",)
    assert page.rows == ('Buy "fresh" milk | 2026-11-22 | Edit', "Pay rent | – | Edit")
    edits = [control for control in page.controls if control.name == "Edit"]
    assert [(one.ref, one.row) for one in edits] == [("e68", 0), ("f1e80", 1)]
    priority = page.find("combobox", "Priority")
    assert priority is not None
    assert (priority.value, priority.options) == ("Any", ("Any", "Low", "High"))
    assert priority.landmark == 'search "Find tasks"'
    assert not page.is_form
    assert page.shows("pay RENT")


def test_a_table_without_a_head_is_all_rows() -> None:
    page = read('page "Tasks" at /tasks\ntable "Tasks" with 1 rows\n  [e6] link "Pay rent" | · –\n· 1 task')
    assert page.rows == ("Pay rent | –",)


def test_a_form_is_understood() -> None:
    page = read(FORM)
    title, shelf = page.find("textbox", "Title"), page.find("textbox", "Shelf")
    assert title is not None
    assert shelf is not None
    assert page.is_form
    assert (page.status, page.alerts) == (422, ("Please correct the marked field.",))
    assert title.states == {"required", "invalid", "focused"}
    assert page.focused == title
    assert page.notes(title) == "Title is required."
    assert page.notes(shelf) == "A shelf from A1 to Z99, for example B12"


def test_a_difference_changes_what_was_known() -> None:
    changed = follow(
        read(FORM),
        'Changed on the page:\n- textbox "Title" (required, invalid, focused) = "   "\n'
        '+ [e25] textbox "Title" (required, invalid) = "Milk"\n- textbox "Shelf" (required)\n'
        '+ [e28] textbox "Shelf" (required, focused)',
    )
    title = changed.find("textbox", "Title")
    assert title is not None
    assert title.value == "Milk"
    assert changed.focused is not None
    assert changed.focused.name == "Shelf"
    assert changed.head == "Add task"


def test_a_new_page_replaces_the_old_one() -> None:
    assert follow(read(FORM), f"A file was downloaded: x\n{LIST}").head == "Tasks"
    assert follow(read(FORM), "Nothing changed.") == read(FORM)


def test_problems_are_told_from_breakdowns() -> None:
    assert told("It did not work: no button.\nNothing changed.") == ("no button", "")
    assert told("The product broke: POST /tasks answered 500\nNothing changed.") == ("", "POST /tasks answered 500")
    assert told('page "It did not work: x" at /') == ("", "")
