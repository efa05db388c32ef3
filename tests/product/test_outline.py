"""Pages in few words: what is kept, what is cut, and how two of them differ."""

from macrohard.product.browser import PageView
from macrohard.product.outline import change_in_words, difference, outline_of

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
alert: · Please correct 1 field.
navigation "Main"
  [e5] link "Tasks"
main
  heading 1 "Add task"
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


def test_a_page_loaded_again_has_new_references() -> None:
    before, after = outline_of(view(FORM)), outline_of(view(FORM.replace("[ref=e", "[ref=f1e")))
    assert difference(before, after) == f"The page was loaded again and shows the same.\n{after.text}"


def test_a_field_with_a_placeholder_shows_both() -> None:
    empty = '- textbox "Date" [ref=e1]:\n  - /placeholder: YYYY-MM-DD'
    assert outline_of(view(empty)).lines[-1] == '[e1] textbox "Date" (placeholder: YYYY-MM-DD)'
    filled = f"{empty}\n  - text: 2026-03-01"
    assert outline_of(view(filled)).lines[-1] == '[e1] textbox "Date" (placeholder: YYYY-MM-DD) = "2026-03-01"'
