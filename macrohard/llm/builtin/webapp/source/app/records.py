"""What “To-do list” keeps (tasks) and what holds for it.

All that is particular to this product stands here, in the words of `declarations.py`; the other modules
work with whatever is declared. A new field, rule or view is a line in this file.
"""

from .declarations import Action, Condition, Field, Highlight, Product, Record, Total, View

TASK = Record(
    name="task",
    label="Task",
    plural="Tasks",
    address="/tasks",
    title_field="title",
    fields=(
        Field("title", "Title", "text", required=True, max_length=200),
        Field("due_date", "Due date", "date"),
        Field("priority", "Priority", "choice", choices=("Low", "Medium", "High"), default="Medium"),
        Field("notes", "Notes", "long text"),
        Field("done", "Done", "yes/no", default="no"),
    ),
    search=("title", "notes"),
    filters=("priority", "done", "due_date"),
    sortable=("title", "due_date", "priority"),
    export_csv=True,
    import_csv=True,
)

ACTIONS = (
    # AC-20: Mark done
    Action(
        "mark_done",
        "Mark done",
        record="task",
        when=(Condition("done", "equal", "no"),),
        refusal="This task is done already.",
        sets={"done": "yes"},
    ),
    # AC-21: Mark undone
    Action("mark_undone", "Mark undone", record="task", when=(Condition("done", "equal", "yes"),), sets={"done": "no"}),
)

VIEWS = (
    # AC-22: Overdue
    View(
        "Overdue",
        record="task",
        address="/views/overdue",
        when=(Condition("due_date", "before today"), Condition("done", "equal", "no")),
        sort="due_date",
        printable=True,
    ),
)

TOTALS = (
    # AC-23: Open tasks
    Total(record="task", label="Open tasks", how="count", when=(Condition("done", "equal", "no"),)),
    # AC-24: Tasks by priority
    Total(record="task", label="Tasks by priority", how="count", group_by="priority"),
)

HIGHLIGHTS = (
    # AC-25: Late
    Highlight(
        record="task",
        label="Late",
        when=(Condition("due_date", "before today"), Condition("done", "equal", "no")),
        tone="danger",
    ),
)

PRODUCT = Product("To-do list", records=(TASK,), actions=ACTIONS, views=VIEWS, totals=TOTALS, highlights=HIGHLIGHTS)
