"""Blueprints as the analyst would write them, rich enough to touch every part of the craft."""

from macrohard.llm.builtin.blueprint import (
    Action,
    Computed,
    Field,
    Highlight,
    Record,
    Rule,
    Total,
    View,
)

from .writing import blueprint, is_

OPEN = (is_("done", "equal", "no"),)
TODO = blueprint(
    "To-do list",
    "to_do_list",
    (
        Record(
            name="task",
            label="Task",
            plural="Tasks",
            title_field="title",
            fields=(
                Field(name="title", label="Title", type="text", required=True, max_length=200),
                Field(name="due_date", label="Due date", type="date"),
                Field(
                    name="priority", label="Priority", type="choice", choices=("Low", "Medium", "High"),
                    default="Medium",
                ),
                Field(name="notes", label="Notes", type="long text"),
                Field(name="done", label="Done", type="yes/no", default="no"),
            ),
            search=("title", "notes"),
            filters=("priority", "done", "due_date"),
            sortable=("title", "due_date", "priority"),
            export_csv=True,
            import_csv=True,
        ),
    ),
    actions=(
        Action(
            name="mark_done", label="Mark done", record="task", when=OPEN, sets={"done": "yes"},
            refusal="This task is done already.",
        ),
        Action(
            name="mark_undone", label="Mark undone", record="task", when=(is_("done", "equal", "yes"),),
            sets={"done": "no"},
        ),
    ),
    views=(
        View(
            name="overdue", label="Overdue", record="task", when=(is_("due_date", "before today"), *OPEN),
            sort="due_date", printable=True,
        ),
    ),
    highlights=(Highlight(record="task", label="Late", when=(is_("due_date", "before today"), *OPEN)),),
    totals=(
        Total(record="task", label="Open tasks", how="count", when=OPEN),
        Total(record="task", label="Tasks by priority", how="count", group_by="priority"),
    ),
)  # fmt: skip

LENT = (is_("in_date", "empty"),)
LIBRARY = blueprint(
    "School library",
    "school_library",
    (
        Record(
            name="book",
            label="Book",
            plural="Books",
            title_field="title",
            fields=(
                Field(name="title", label="Title", type="text", required=True, min_length=1, max_length=200),
                Field(name="author", label="Author", type="text", required=True, max_length=100),
                Field(name="isbn13", label="ISBN", type="text", required=True, unique=True, checksum="isbn-13"),
                Field(name="year", label="Year", type="whole number", minimum="1450", maximum="this year"),
                Field(
                    name="shelf", label="Shelf", type="text", pattern="[A-Z][1-9][0-9]?",
                    pattern_hint="a shelf from A1 to Z99", pattern_example="B12",
                ),
                Field(
                    name="open_loans", label="Open loans", type="whole number",
                    computed=Computed(how="rollup count", record="loan", when=LENT),
                ),
            ),
            search=("title", "author", "isbn13"),
            filters=("shelf",),
            sortable=("title", "author", "year"),
            sort="title",
        ),
        Record(
            name="pupil",
            label="Pupil",
            plural="Pupils",
            title_field="name",
            fields=(
                Field(name="name", label="Name", type="text", required=True, max_length=100),
                Field(
                    name="class", label="Class", type="text", required=True, pattern="([5-9]|10)[a-d]",
                    pattern_hint="a class from 5a to 10d", pattern_example="7b",
                ),
                Field(name="active", label="Active", type="yes/no", default="yes"),
            ),
            search=("name", "class"),
            filters=("active",),
            sortable=("name", "class"),
            sort="name",
            import_csv=True,
            export_csv=True,
        ),
        Record(
            name="loan",
            label="Loan",
            plural="Loans",
            title_field="book",
            fields=(
                Field(name="book", label="Book", type="reference", references="book", required=True),
                Field(name="pupil", label="Pupil", type="reference", references="pupil", required=True),
                Field(
                    name="class", label="Class", type="text", computed=Computed(how="lookup", fields=("pupil", "class"))
                ),
                Field(name="out_date", label="Out date", type="date", required=True, default="today"),
                Field(name="due_date", label="Due date", type="date", default="out_date + 21d"),
                Field(name="in_date", label="In date", type="date"),
                Field(
                    name="days_late", label="Days late", type="whole number",
                    computed=Computed(how="days late", fields=("due_date",), when=LENT),
                ),
                Field(name="extensions", label="Extensions", type="whole number", default="0", automatic=True),
            ),
            search=("book", "pupil"),
            filters=("pupil", "out_date"),
            sortable=("out_date", "due_date", "days_late"),
            sort="out_date",
            descending=True,
        ),
    ),
    rules=(
        Rule(
            kind="at most", record="loan", fields=("book",), when=LENT, limit=1, message="This book is out already."
        ),
        Rule(
            kind="reference condition", record="loan", fields=("pupil",), when=(is_("active", "equal", "yes"),),
            message="An inactive pupil cannot borrow.",
        ),
        Rule(
            kind="at most", record="loan", fields=("pupil",), when=LENT, limit=5,
            message="A pupil can have 5 open loans at most.",
        ),
        Rule(
            kind="order", record="loan", fields=("out_date", "in_date"),
            message="In date must not be before out date.",
        ),
        Rule(kind="keep while referenced", record="book", message="This book has loans and cannot be deleted."),
    ),
    actions=(
        Action(
            name="return", label="Return", record="loan", when=LENT, sets={"in_date": "today"},
            refusal="This book is back already.",
        ),
        Action(
            name="extend", label="Extend by 7 days", record="loan",
            when=(*LENT, is_("extensions", "equal", "0"), is_("due_date", "not before today")),
            sets={"due_date": "+7d", "extensions": "+1"}, refusal="This loan cannot be extended.",
        ),
    ),
    views=(
        View(
            name="overdue", label="Overdue", record="loan", when=(*LENT, is_("due_date", "before today")),
            columns=("pupil", "class", "book", "days_late"), sort="days_late", descending=True, filters=("class",),
        ),
    ),
    highlights=(
        Highlight(record="book", label="Out", when=(is_("open_loans", "more", "0"),)),
        Highlight(record="book", label="In", when=(is_("open_loans", "equal", "0"),)),
        Highlight(record="loan", label="Overdue", when=(*LENT, is_("due_date", "before today"))),
    ),
    totals=(Total(record="loan", label="Open loans", how="count", when=LENT),),
)  # fmt: skip

INVENTORY = blueprint(
    "Workshop inventory",
    "workshop_inventory",
    (
        Record(
            name="part",
            label="Part",
            plural="Parts",
            title_field="name",
            fields=(
                Field(name="name", label="Name", type="text", required=True, unique=True, max_length=80),
                Field(name="price", label="Price", type="money", currency="€", required=True, minimum="0"),
                Field(name="minimum_stock", label="Minimum stock", type="whole number", required=True, minimum="0"),
                Field(
                    name="stock", label="Stock", type="whole number",
                    computed=Computed(
                        how="rollup sum", fields=("quantity",), record="movement",
                        minus_when=(is_("direction", "equal", "Out"),),
                    ),
                ),
                Field(
                    name="worth", label="Stock value", type="money", currency="€",
                    computed=Computed(how="product", fields=("price", "stock")),
                ),
                Field(name="data_sheet", label="Data sheet", type="web address"),
            ),
            search=("name",),
            sortable=("name", "price", "stock"),
            sort="name",
            page_size=10,
            export_csv=True,
        ),
        Record(
            name="movement",
            label="Movement",
            plural="Movements",
            title_field="part",
            fields=(
                Field(name="part", label="Part", type="reference", references="part", required=True),
                Field(name="direction", label="Direction", type="choice", choices=("In", "Out"), required=True),
                Field(
                    name="quantity", label="Quantity", type="whole number", required=True, minimum="0",
                    exclusive_minimum=True,
                ),
                Field(name="at", label="When", type="date-time", required=True, default="now", maximum="now"),
                Field(name="weight", label="Weight", type="decimal number", unit="kg"),
            ),
            filters=("part", "direction", "at"),
            sortable=("at", "quantity"),
        ),
    ),
    rules=(
        Rule(
            kind="not below zero", record="movement", fields=("stock", "part"), message="There is not enough in stock."
        ),
        Rule(kind="keep while referenced", record="part", message="This part has movements and is kept."),
    ),
    views=(
        View(
            name="to_order", label="To order", record="part", when=(is_("stock", "at most", other="minimum_stock"),)
        ),
    ),
    highlights=(
        Highlight(record="part", label="Low stock", when=(is_("stock", "at most", other="minimum_stock"),)),
    ),
    totals=(
        Total(record="part", label="Total value", how="sum", field="worth"),
        Total(record="part", label="Average price", how="average", field="price"),
        Total(record="movement", label="Pieces by direction", how="sum", field="quantity", group_by="direction"),
    ),
)  # fmt: skip

INSIDE = (is_("time_out", "empty"),)
VISITORS = blueprint(
    "Visitor log",
    "visitor_log",
    (
        Record(
            name="visitor",
            label="Visitor",
            plural="Visitors",
            title_field="name",
            fields=(
                Field(name="name", label="Name", type="text", required=True),
                Field(name="company", label="Company", type="text"),
                Field(name="host", label="Host", type="text", required=True),
                Field(name="badge", label="Badge number", type="whole number", required=True, minimum="1"),
                Field(name="phone", label="Phone", type="phone"),
                Field(name="email", label="E-mail", type="e-mail", unique=True),
                Field(name="time_in", label="Time in", type="date-time", required=True, default="now"),
                Field(name="time_out", label="Time out", type="date-time"),
                Field(
                    name="stay", label="Hours", type="decimal number",
                    computed=Computed(how="difference", fields=("time_out", "time_in")),
                ),
            ),
            search=("name", "company", "time_in"),
            filters=("time_in",),
            sortable=("name", "time_in"),
            sort="time_in",
            descending=True,
        ),
    ),
    rules=(
        Rule(
            kind="unique together", record="visitor", fields=("badge",), when=INSIDE, message="This badge is in use."
        ),
        Rule(kind="order", record="visitor", fields=("time_in", "time_out"), message="Time out is before time in."),
    ),
    actions=(
        Action(
            name="check_out", label="Check out", record="visitor", when=INSIDE, sets={"time_out": "now"},
            refusal="This visitor has left already.",
        ),
    ),
    views=(
        View(name="in_the_house", label="In the house", record="visitor", when=INSIDE, printable=True),
        View(
            name="today", label="Today", record="visitor", when=(is_("time_in", "today"),), sort="name", printable=True
        ),
    ),
    totals=(Total(record="visitor", label="In the house", how="count", when=INSIDE),),
)  # fmt: skip

BOOKINGS = blueprint(
    "Room bookings",
    "room_bookings",
    (
        Record(
            name="room",
            label="Room",
            plural="Rooms",
            title_field="name",
            fields=(
                Field(name="name", label="Name", type="text", required=True, unique=True),
                Field(name="seats", label="Seats", type="whole number", minimum="1", maximum="500"),
                Field(name="projector", label="Projector", type="yes/no"),
            ),
            filters=("projector",),
            sortable=("name", "seats"),
            sort="name",
        ),
        Record(
            name="booking",
            label="Booking",
            plural="Bookings",
            title_field="purpose",
            fields=(
                Field(name="purpose", label="Purpose", type="text", required=True),
                Field(name="room", label="Room", type="reference", references="room", required=True),
                Field(name="day", label="Day", type="date", required=True, minimum="today", maximum="today+1y"),
                Field(name="start", label="Start", type="time", required=True, minimum="07:00"),
                Field(name="end", label="End", type="time", required=True),
                Field(
                    name="status", label="Status", type="choice", choices=("Booked", "Cancelled"), default="Booked"
                ),
                Field(name="reason", label="Reason", type="long text", max_length=300),
            ),
            filters=("room", "status", "day"),
            sortable=("day", "purpose"),
            sort="day",
        ),
    ),
    rules=(
        Rule(
            kind="order", record="booking", fields=("start", "end"), strict=True,
            message="The end must be after the start.",
        ),
        Rule(
            kind="no overlap", record="booking", fields=("start", "end"), scope=("room", "day"),
            when=(is_("status", "not equal", "Cancelled"),), message="The room is taken at that time.",
        ),
        Rule(
            kind="required when", record="booking", fields=("reason",), when=(is_("status", "equal", "Cancelled"),),
            message="A cancelled booking needs a reason.",
        ),
    ),
    actions=(
        Action(
            name="rebook", label="Book again", record="booking", when=(is_("status", "equal", "Cancelled"),),
            sets={"status": "Booked", "reason": "empty"},
        ),
    ),
    views=(
        View(name="next_7_days", label="Next 7 days", record="booking", when=(is_("day", "within days", "7"),)),
    ),
)  # fmt: skip

EXPENSES = blueprint(
    "Club expenses",
    "club_expenses",
    (
        Record(
            name="member",
            label="Member",
            plural="Members",
            title_field="name",
            fields=(
                Field(name="first_name", label="First name", type="text", required=True),
                Field(name="last_name", label="Last name", type="text", required=True),
                Field(
                    name="name", label="Name", type="text",
                    computed=Computed(how="concat", fields=("first_name", "last_name")),
                ),
                Field(name="birthday", label="Birthday", type="date", maximum="today"),
                Field(name="age", label="Age", type="whole number", computed=Computed(how="age", fields=("birthday",))),
                Field(name="iban", label="IBAN", type="text", checksum="iban"),
                Field(
                    name="spent", label="Spent", type="money", currency="€",
                    computed=Computed(how="rollup sum", fields=("amount",), record="expense"),
                ),
            ),
            search=("first_name", "last_name"),
            sortable=("last_name", "birthday"),
            sort="last_name",
        ),
        Record(
            name="expense",
            label="Expense",
            plural="Expenses",
            title_field="what",
            fields=(
                Field(name="what", label="What for", type="text", required=True),
                Field(name="member", label="Member", type="reference", references="member"),
                Field(
                    name="amount", label="Amount", type="money", currency="€", required=True, minimum="0",
                    exclusive_minimum=True, maximum="10000",
                ),
                Field(name="on", label="Date", type="date", required=True, default="today", maximum="today"),
                Field(name="category", label="Category", type="choice", choices=("Travel", "Material", "Food")),
                Field(name="paid", label="Paid back", type="yes/no"),
            ),
            search=("what",),
            filters=("category", "member", "paid", "on"),
            sortable=("on", "amount", "what"),
            sort="on",
            descending=True,
            export_csv=True,
            import_csv=True,
        ),
    ),
    views=(
        View(
            name="birthdays", label="Birthdays this month", record="member",
            when=(is_("birthday", "anniversary this month"),), sort="birthday",
        ),
        View(name="this_month", label="This month", record="expense", when=(is_("on", "this month"),)),
    ),
    totals=(
        Total(record="expense", label="Total", how="sum", field="amount"),
        Total(record="expense", label="Total by month", how="sum", field="amount", group_by="on"),
        Total(record="expense", label="Total by category", how="sum", field="amount", group_by="category"),
        Total(
            record="expense", label="Still to pay back", how="sum", field="amount", when=(is_("paid", "equal", "no"),)
        ),
    ),
)  # fmt: skip

ALL = {one.slug: one for one in (TODO, LIBRARY, INVENTORY, VISITORS, BOOKINGS, EXPENSES)}
