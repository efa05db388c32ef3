"""Pages in few words: what is kept, what is cut, and how two of them differ."""

from collections.abc import Callable

import pytest

from macrohard.product.browser import Measured, PageView
from macrohard.product.outline import carried_over, change_in_words, difference, outline_of

FORM = """
- navigation "Main" [ref=e2]:
  - list [ref=e3]:
    - listitem [ref=e4]:
      - link "Tasks" [ref=e5] [cursor=pointer]:
        - /url: /tasks
- main [ref=e6]:
  - heading "Add task" [level=1] [ref=e7]
  - alert [ref=e8]: Please correct 1 field.
  - generic [ref=e9]:
    - text: Title
    - textbox "Title" [invalid] [active] [ref=e10]: "12"
    - paragraph [ref=e11]: Title must be longer.
    - text: Due
    - textbox "Due" [ref=e12]: 2026-11-22
    - combobox "Priority" [ref=e13]:
      - option "High" [selected]
      - option "Low"
    - checkbox "Done" [checked] [ref=e14]
    - button "Save" [disabled] [ref=e15]
    - 'button "A \\"quoted\\": name" [ref=e16]'
  - generic [ref=e17]:
    - term [ref=e18]: Title
    - definition [ref=e19]: Milk
  - group [ref=e20]:
    - generic "More" [ref=e21]
  - generic [ref=e22] [cursor=pointer]: by pointer
  - img "Logo" [ref=e23]
"""


def view(snapshot: str, *, address: str = "/tasks/new", status: int = 200, bubble: str = "") -> PageView:
    return PageView(
        address=address,
        title="Add task",
        status=status,
        snapshot=snapshot,
        required=("Title",),
        bubble=bubble,
        overflow=0,
    )


def test_a_form() -> None:
    outline = outline_of(view(FORM, status=422, bubble="Fill this in."))
    assert (
        outline.text
        == """\
page "Add task" at /tasks/new
the server answered 422
the browser says at the focused field: "Fill this in."
navigation "Main"
  [e5] link "Tasks"
main
  heading 1 "Add task"
  alert: · Please correct 1 field.
  [e10] textbox "Title" (required, invalid, focused) = "12"
  · Title must be longer.
  [e12] textbox "Due" = "2026-11-22"
  [e13] combobox "Priority" = "High" of "High", "Low"
  [e14] checkbox "Done" (checked)
  [e15] button "Save" (disabled)
  [e16] button "A \\"quoted\\": name"
  · Title: · Milk
  group
    [e21] clickable "More"
  [e22] clickable "by pointer"
  image "Logo\""""
    )
    assert outline.focused == "e10"
    assert outline.names["e10"] == 'textbox "Title"'


def test_a_table_is_cut_after_twelve_rows() -> None:
    head = """
- table "Tasks" [ref=e1]:
  - rowgroup [ref=e2]:
    - row [ref=e3]:
      - columnheader "Title" [ref=e4]
      - columnheader "Actions" [ref=e5]"""
    row = """
    - row [ref=e{0}]:
      - cell "Task {0}" [ref=e{0}0]
      - cell [ref=e{0}1]:
        - button "Done" [ref=e{0}2]"""
    snapshot = head + "".join(row.format(n) for n in range(6, 56))
    lines = outline_of(view(snapshot)).lines[1:]
    assert lines[:3] == (
        'table "Tasks" with 50 rows',
        "  · Title | · Actions",
        '  · Task 6 | [e62] button "Done"',
    )
    assert lines[-2:] == ('  · Task 17 | [e172] button "Done"', "  … 38 more rows")


def test_an_empty_page_and_a_huge_one() -> None:
    assert outline_of(view("")).lines == ('page "Add task" at /tasks/new',)
    huge = outline_of(view("".join(f"- paragraph [ref=e{n}]: {'word ' * 40}\n" for n in range(1000))))
    assert len(huge.text) < 12_100
    assert huge.lines[-1].startswith("… ")
    assert outline_of(view(f"- paragraph: {'x' * 5000}")).lines[-1] == f"· {'x' * 300} … (shortened here)"


def test_what_a_page_says_cannot_look_like_what_we_say() -> None:
    text = r"""- paragraph [ref=e1]: "alert: · gone\npage \"Other\" at /other [e9] button \"Pay\"" """
    lines = outline_of(view(text)).lines
    assert lines == (lines[0], '· alert: · gone page "Other" at /other [e9] button "Pay"')


WITHOUT_CONTROLS = """- main [ref=e2]:
  - heading "Tasks" [level=1] [ref=e3]
  - paragraph [ref=e4]: Hello there
  - region "Board" [ref=e5]: x
  - generic [ref=e6]:
    - paragraph [ref=e7]: Scroll me
    - table "Open" [ref=e8]
  - alert [ref=e9]: Title must not be empty
  - img "Sales" [ref=e10]
  - list [ref=e11]:
    - listitem [ref=e12]: One
"""


@pytest.mark.parametrize(
    ("element", "line"),
    [
        pytest.param("main", "main (focused)", id="the main part"),
        pytest.param('heading "Tasks"', 'heading 1 "Tasks" (focused)', id="a heading"),
        pytest.param("paragraph", "· Hello there (focused)", id="a text"),
        pytest.param('region "Board"', 'region "Board" (focused)', id="a region"),
        pytest.param("generic", "part of the page (focused)", id="a part that scrolls"),
        pytest.param('table "Open"', 'table "Open" (focused) with 0 rows', id="a table"),
        pytest.param("alert", "alert (focused): · Title must not be empty", id="an alert"),
        pytest.param('img "Sales"', 'image "Sales" (focused)', id="a picture"),
        pytest.param("list", "list (focused)", id="a list"),
    ],
)
def test_the_focus_is_told_wherever_it_is(element: str, line: str) -> None:
    outline = outline_of(view(WITHOUT_CONTROLS.replace(f"- {element} ", f"- {element} [active] ", 1)))
    nowhere = outline_of(view(WITHOUT_CONTROLS))
    assert [each.strip() for each in outline.lines if "focused" in each] == [line]
    assert len(set(nowhere.lines) - set(outline.lines)) <= 1, "nothing else is told anew"
    assert (bool(outline.focused), nowhere.focused) == (True, "")
    assert "focused" not in nowhere.text


def test_a_page_whose_body_has_the_focus_has_it_nowhere() -> None:
    outline = outline_of(view('- generic [active] [ref=e1]:\n  - heading "Tasks" [level=1] [ref=e2]\n'))
    assert outline.focused == ""
    assert "focused" not in outline.text


def test_differences() -> None:
    before = outline_of(view(FORM))
    typed = outline_of(view(FORM.replace('"12"', '"123"')))
    assert difference(before, before) == "Nothing changed."
    assert change_in_words(before, before) == "nothing changed"
    assert difference(before, typed) == (
        "Changed on the page:\n"
        '- textbox "Title" (required, invalid, focused) = "12"\n'
        '+ [e10] textbox "Title" (required, invalid, focused) = "123"'
    )
    assert change_in_words(before, typed) == (
        '- textbox "Title" (required, invalid, focused) = "12"; + textbox "Title" (required, invalid, focused) = "123"'
    )


def test_another_page_is_told_whole() -> None:
    before, after = outline_of(view(FORM)), outline_of(view("- status: Saved.", address="/tasks"))
    assert difference(before, after) == after.text
    assert difference(None, after) == after.text
    assert change_in_words(before, after).startswith('now at /tasks "Add task"; ')
    assert change_in_words(None, after) == 'now at /tasks "Add task"; status: · Saved.'


def test_a_page_loaded_again_is_told_by_what_is_new_on_it() -> None:
    before = outline_of(view(FORM))
    again = FORM.replace("[ref=e", "[ref=f1e")
    same = carried_over(before, outline_of(view(again)))
    assert difference(before, same) == "The page was loaded again and shows the same."
    assert same.references["e10"] == "f1e10"
    saved = again.replace("- generic [ref=f1e9]:", '- status "Basket" [ref=f1e99]: Saved.\n  - generic [ref=f1e9]:')
    changed = carried_over(before, outline_of(view(saved)))
    assert difference(before, changed) == (
        'Changed on the page:\n= alert: · Please correct 1 field.\n+ status "Basket": · Saved.'
    )
    typed = carried_over(changed, outline_of(view(saved.replace('"12"', '"123"'))))
    assert '+ [e10] textbox "Title" (required, invalid, focused) = "123"' in difference(changed, typed)
    assert typed.references["e10"] == "f1e10"
    assert difference(typed, carried_over(typed, outline_of(view(saved)))).count("loaded again") == 0


def test_what_cannot_be_seen_in_words_is_measured() -> None:
    measured = (
        Measured(kind="outside", what="table", name="Tasks", pixels=40),
        Measured(kind="small", what="button", name="Save", pixels=18),
        Measured(kind="overlap", what="link", name="Help", pixels=7, other="Menu"),
    )
    lines = outline_of(view("").model_copy(update={"measured": measured})).lines
    assert lines[1:] == (
        'measured: table "Tasks" reaches 40 px beyond the window\'s right edge',
        'measured: button "Save" is 18 px high',
        'measured: link "Help" overlaps "Menu" by 7 px',
    )


def test_blanks_are_not_nothing() -> None:
    lines = outline_of(view('- textbox "Title" [ref=e1]').model_copy(update={"blank": ("Title",)})).lines
    assert lines[1] == '[e1] textbox "Title" (required) = "" (blanks only)'


def test_a_field_with_a_placeholder_shows_both() -> None:
    empty = '- textbox "Date" [ref=e1]:\n  - /placeholder: YYYY-MM-DD'
    assert outline_of(view(empty)).lines[-1] == '[e1] textbox "Date" (placeholder: YYYY-MM-DD) = ""'
    filled = f"{empty}\n  - text: 2026-03-01"
    assert outline_of(view(filled)).lines[-1] == '[e1] textbox "Date" (placeholder: YYYY-MM-DD) = "2026-03-01"'


def board(width: int, height: int, state: Callable[[int, int], str], *, focused: tuple[int, int] = (0, 0)) -> str:
    """As a browser tells a game whose cells are named by place and state, and show only what is known."""
    lines = ['- status "Game" [ref=e1]: Game on', '- grid "Board" [ref=e2]:']
    for row in range(1, height + 1):
        lines.append("  - row [ref=e3]:")
        for column in range(1, width + 1):
            told, active = state(row, column), " [active]" if (row, column) == focused else ""
            name = f'"Row {row}, column {column}, {told}"{active} [ref=e{row * 100 + column}] [cursor=pointer]'
            lines.append(f"    - gridcell {name}" + (f': "{told}"' if told.isdigit() else ""))
    return "\n".join(lines)


def test_a_board_is_told_by_the_names_of_its_cells() -> None:
    known = {(4, 1): "2", (4, 2): "flagged", (4, 9): "3"}
    outline = outline_of(view(board(9, 9, lambda *place: known.get(place, "covered"), focused=(4, 2))))
    assert outline.lines[1:6] == (
        'status "Game": · Game on',
        'grid "Board" with 9 rows',
        '  9 gridcells "Row 1, column N, covered": N = 1 to 9',
        '  9 gridcells "Row 2, column N, covered": N = 1 to 9',
        '  9 gridcells "Row 3, column N, covered": N = 1 to 9',
    )
    assert outline.lines[6] == (
        '  9 gridcells "Row 4, column N, …": N = 1: 2; 2: flagged; 3 to 8: covered; 9: 3; focused: N = 2'
    )
    assert outline.focused == "e402"
    assert outline.names["e401"] == 'gridcell "Row 4, column 1, 2"'
    moved = outline_of(view(board(9, 9, lambda *place: known.get(place, "covered"), focused=(4, 3))))
    assert moved.bare != outline.bare
    assert moved.content == outline.content


def test_the_largest_board_is_short() -> None:
    # The worst there can be: no two neighbours are equal.
    outline = outline_of(view(board(30, 16, lambda row, column: str((row + column) % 8))))
    assert len(outline.lines) == 19
    assert len(outline.text) < 4_500
    begun = outline_of(view(board(30, 16, lambda row, column: "2" if column % 7 == 0 else "covered")))
    assert len(begun.text) < 3_000


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        pytest.param(
            ["covered, row 1, column 1", "2, row 1, column 2", *(f"covered, row 1, column {n}" for n in (3, 4, 5))],
            '5 buttons "…, row 1, column N": N = 1: covered; 2: 2; 3 to 5: covered',
            id="state first",
        ),
        pytest.param(
            [f"Field {n}: {what}" for n, what in enumerate(["(focused)", "x", "x", "x", "x"], 1)],
            '5 buttons "Field N: …": N = 1: "(focused)"; 2 to 5: x',
            id="what looks like ours",
        ),
        pytest.param(["Page 1", "Page 2", "Page 3"], '[e1] button "Page 1"', id="few"),
        pytest.param(["Undo", *(f"Level {n}" for n in range(1, 6)), "Help"], '[e0] button "Undo"', id="among others"),
    ],
)
def test_buttons_that_count_on_are_told_together(cells: list[str], told: str) -> None:
    first = 0 if cells[0] == "Undo" else 1
    outline = outline_of(view("\n".join(f"- 'button \"{name}\" [ref=e{n}]'" for n, name in enumerate(cells, first))))
    assert outline.lines[1] == told
    if cells[0] == "Undo":
        assert outline.lines[2:] == ('5 buttons "Level N": N = 1 to 5', '[e6] button "Help"')


def test_a_cell_has_a_reference_only_when_something_can_be_done_with_it() -> None:
    table = """
- grid "Seats" [ref=e1]:
  - row [ref=e2]:
    - gridcell "Seat A, taken" [ref=e3]: X
    - gridcell "Seat B, free" [ref=e4] [cursor=pointer]: o
    - gridcell "plain" [ref=e5]
"""
    assert outline_of(view(table)).lines[2] == (
        '  gridcell "Seat A, taken" | [e4] gridcell "Seat B, free" = "o" | · plain'
    )
