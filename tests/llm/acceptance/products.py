"""Blueprints written by hand, between them with every kind of field, rule and claim."""

from macrohard.llm.builtin.blueprint import (
    Action,
    Blueprint,
    Computed,
    Field,
    Highlight,
    Record,
    Rule,
    Total,
    View,
)

from .claiming import is_, with_claims

TASKS = with_claims(
    Blueprint(
        title="To-do list",
        slug="todo",
        records=(
            Record(
                name="task",
                label="Task",
                plural="Tasks",
                title_field="title",
                fields=(
                    Field(name="title", label="Title", type="text", required=True, max_length=120),
                    Field(name="due", label="Due date", type="date"),
                    Field(
                        name="priority",
                        label="Priority",
                        type="choice",
                        choices=("Low", "Normal", "High"),
                        default="Normal",
                    ),
                    Field(name="done", label="Done", type="yes/no", default="no"),
                    Field(name="notes", label="Notes", type="long text"),
                ),
                search=("title", "notes"),
                filters=("done", "priority", "due"),
                sortable=("title", "due", "priority"),
                page_size=5,
                export_csv=True,
            ),
        ),
        actions=(
            Action(
                name="finish",
                label="Mark done",
                record="task",
                when=(is_("done", "equal", "no"),),
                sets={"done": "yes"},
            ),
            Action(
                name="reopen",
                label="Mark undone",
                record="task",
                when=(is_("done", "equal", "yes"),),
                sets={"done": "no"},
            ),
        ),
        views=(
            View(
                name="overdue",
                label="Overdue",
                record="task",
                when=(is_("due", "before today"), is_("done", "equal", "no")),
                sort="due",
            ),
            View(name="week", label="Next seven days", record="task", when=(is_("due", "within days", "7"),)),
        ),
        totals=(
            Total(record="task", label="Open tasks", how="count", when=(is_("done", "equal", "no"),)),
            Total(record="task", label="Tasks by priority", how="count", group_by="priority"),
        ),
        highlights=(
            Highlight(record="task", label="Late", when=(is_("due", "before today"), is_("done", "equal", "no"))),
        ),
        claims=(),
    )
)

LIBRARY = with_claims(
    Blueprint(
        title="School library",
        slug="library",
        records=(
            Record(
                name="book",
                label="Book",
                plural="Books",
                title_field="title",
                fields=(
                    Field(name="title", label="Title", type="text", required=True, min_length=1, max_length=200),
                    Field(name="author", label="Author", type="text", max_length=100),
                    Field(name="isbn", label="ISBN-13", type="text", required=True, unique=True, checksum="isbn-13"),
                    Field(name="year", label="Year", type="whole number", minimum="1450", maximum="this year"),
                    Field(
                        name="shelf",
                        label="Shelf",
                        type="text",
                        pattern="[A-Z][1-9][0-9]?",
                        pattern_hint="a shelf from A1 to Z99",
                        pattern_example="B12",
                    ),
                    Field(
                        name="out",
                        label="Copies out",
                        type="whole number",
                        computed=Computed(how="rollup count", record="loan", when=(is_("in_date", "empty"),)),
                    ),
                ),
                search=("title", "author", "isbn"),
                filters=("shelf",),
                sortable=("title", "year"),
            ),
            Record(
                name="pupil",
                label="Pupil",
                plural="Pupils",
                title_field="name",
                fields=(
                    Field(name="name", label="Name", type="text", required=True),
                    Field(
                        name="class_",
                        label="Class",
                        type="text",
                        required=True,
                        pattern="([5-9]|10)[a-d]",
                        pattern_hint="a class from 5a to 10d",
                        pattern_example="5a",
                    ),
                    Field(name="active", label="Active", type="yes/no", default="yes"),
                ),
                search=("name",),
                filters=("active",),
                import_csv=True,
            ),
            Record(
                name="loan",
                label="Loan",
                plural="Loans",
                title_field="book",
                fields=(
                    Field(name="book", label="Book", type="reference", references="book", required=True),
                    Field(name="pupil", label="Pupil", type="reference", references="pupil", required=True),
                    Field(name="out_date", label="Lent on", type="date", required=True, default="today"),
                    Field(name="due_date", label="Due date", type="date", default="out_date + 21d"),
                    Field(name="in_date", label="Returned on", type="date"),
                    Field(name="extensions", label="Extensions", type="whole number", automatic=True, default="0"),
                    Field(
                        name="late",
                        label="Days late",
                        type="whole number",
                        computed=Computed(how="days late", fields=("due_date",), when=(is_("in_date", "empty"),)),
                    ),
                    Field(
                        name="class_",
                        label="Class",
                        type="text",
                        computed=Computed(how="lookup", fields=("pupil", "class_")),
                    ),
                ),
                filters=("pupil",),
                sortable=("due_date", "late"),
            ),
        ),
        rules=(
            Rule(
                kind="at most",
                record="loan",
                fields=("book",),
                when=(is_("in_date", "empty"),),
                limit=1,
                message="This book is lent already.",
            ),
            Rule(
                kind="reference condition",
                record="loan",
                fields=("pupil",),
                when=(is_("active", "equal", "yes"),),
                message="This pupil is not active.",
            ),
            Rule(
                kind="at most",
                record="loan",
                fields=("pupil",),
                when=(is_("in_date", "empty"),),
                limit=5,
                message="This pupil has five books already.",
            ),
            Rule(
                kind="order",
                record="loan",
                fields=("out_date", "in_date"),
                message="A book cannot be returned before it was lent.",
            ),
            Rule(kind="keep while referenced", record="book", message="This book has loans."),
        ),
        actions=(
            Action(
                name="return",
                label="Return",
                record="loan",
                when=(is_("in_date", "empty"),),
                sets={"in_date": "today"},
            ),
            Action(
                name="extend",
                label="Extend by 7 days",
                record="loan",
                when=(
                    is_("in_date", "empty"),
                    is_("extensions", "less", "1"),
                    is_("due_date", "not before today"),
                ),
                sets={"due_date": "+7d", "extensions": "+1"},
                refusal="A loan is extended once, and not when it is overdue.",
            ),
        ),
        views=(
            View(
                name="overdue",
                label="Overdue",
                record="loan",
                when=(is_("in_date", "empty"), is_("due_date", "before today")),
                columns=("pupil", "class_", "book", "late"),
                sort="late",
                descending=True,
                filters=("class_",),
            ),
            View(name="out", label="Books out", record="book", when=(is_("out", "more", "0"),)),
        ),
        claims=(),
    )
)

STOCK = with_claims(
    Blueprint(
        title="Stock keeping",
        slug="stock",
        records=(
            Record(
                name="item",
                label="Item",
                plural="Items",
                title_field="name",
                fields=(
                    Field(name="name", label="Name", type="text", required=True, unique=True),
                    Field(name="sku", label="SKU", type="text", unique=True, min_length=3, max_length=8),
                    Field(name="price", label="Price", type="money", currency="€", minimum="0", exclusive_minimum=True),
                    Field(name="minimum", label="Minimum stock", type="whole number", minimum="0", default="5"),
                    Field(
                        name="stock",
                        label="Stock",
                        type="whole number",
                        unit="pcs",
                        computed=Computed(
                            how="rollup sum",
                            fields=("quantity",),
                            record="movement",
                            when=(is_("direction", "equal", "In"),),
                            minus_when=(is_("direction", "equal", "Out"),),
                        ),
                    ),
                    Field(name="weight", label="Weight", type="decimal number", unit="kg", maximum="100"),
                    Field(name="link", label="Supplier page", type="web address"),
                ),
                search=("name", "sku"),
                sortable=("name", "price", "stock"),
                export_csv=True,
                import_csv=True,
                page_size=4,
            ),
            Record(
                name="movement",
                label="Movement",
                plural="Movements",
                title_field="item",
                fields=(
                    Field(name="item", label="Item", type="reference", references="item", required=True),
                    Field(name="direction", label="Direction", type="choice", choices=("In", "Out"), required=True),
                    Field(name="quantity", label="Quantity", type="whole number", required=True, minimum="1"),
                    Field(name="at", label="Moved at", type="date-time", default="now", maximum="now"),
                    Field(name="unit_price", label="Unit price", type="money", currency="€"),
                    Field(
                        name="value",
                        label="Value",
                        type="money",
                        currency="€",
                        computed=Computed(how="product", fields=("quantity", "unit_price")),
                    ),
                ),
                filters=("item", "direction", "at"),
                sortable=("quantity", "at"),
            ),
        ),
        rules=(
            Rule(
                kind="not below zero",
                record="movement",
                fields=("stock", "item"),
                message="There is not that much in stock.",
            ),
            Rule(kind="keep while referenced", record="item", message="This item has movements."),
        ),
        totals=(
            Total(record="movement", label="Total value", how="sum", field="value"),
            Total(record="movement", label="Value by month", how="sum", field="value", group_by="at"),
            Total(record="item", label="Average price", how="average", field="price"),
        ),
        highlights=(Highlight(record="item", label="Low stock", when=(is_("stock", "at most", other="minimum"),)),),
        claims=(),
    )
)

ROOMS = with_claims(
    Blueprint(
        title="Room bookings",
        slug="rooms",
        records=(
            Record(
                name="room",
                label="Room",
                plural="Rooms",
                title_field="name",
                fields=(
                    Field(name="name", label="Name", type="text", required=True, unique=True),
                    Field(name="seats", label="Seats", type="whole number", required=True, minimum="1", maximum="500"),
                    Field(name="guests", label="Bookings a day", type="whole number", minimum="1"),
                ),
            ),
            Record(
                name="booking",
                label="Booking",
                plural="Bookings",
                title_field="purpose",
                fields=(
                    Field(name="purpose", label="Purpose", type="text", required=True),
                    Field(name="room", label="Room", type="reference", references="room", required=True),
                    Field(name="day", label="Day", type="date", required=True, minimum="today"),
                    Field(name="start", label="Start", type="time", required=True),
                    Field(name="end", label="End", type="time", required=True),
                    Field(
                        name="status",
                        label="Status",
                        type="choice",
                        choices=("Confirmed", "Cancelled"),
                        default="Confirmed",
                    ),
                    Field(name="reason", label="Reason", type="text"),
                    Field(name="email", label="E-mail", type="e-mail", required=True),
                    Field(name="phone", label="Phone", type="phone"),
                    Field(
                        name="hours",
                        label="Hours",
                        type="decimal number",
                        computed=Computed(how="difference", fields=("end", "start")),
                    ),
                ),
                search=("purpose", "room"),
                filters=("room", "status", "day"),
                sortable=("day", "purpose"),
                sort="day",
            ),
        ),
        rules=(
            Rule(
                kind="no overlap",
                record="booking",
                fields=("start", "end"),
                scope=("room", "day"),
                when=(is_("status", "not equal", "Cancelled"),),
                message="This room is taken at that time.",
            ),
            Rule(
                kind="order",
                record="booking",
                fields=("start", "end"),
                strict=True,
                message="The end must be after the start.",
            ),
            Rule(
                kind="required when",
                record="booking",
                fields=("reason",),
                when=(is_("status", "equal", "Cancelled"),),
                message="A cancelled booking needs a reason.",
            ),
            Rule(
                kind="at most",
                record="booking",
                fields=("room", "day"),
                when=(is_("status", "not equal", "Cancelled"),),
                limit_field="guests",
                message="This room has no bookings left that day.",
            ),
        ),
        actions=(
            Action(
                name="cancel",
                label="Cancel booking",
                record="booking",
                when=(is_("status", "equal", "Confirmed"),),
                sets={"status": "Cancelled", "reason": "by button"},
            ),
        ),
        views=(
            View(
                name="today", label="Today", record="booking", when=(is_("day", "today"),), sort="start", printable=True
            ),
        ),
        claims=(),
    )
)

MEMBERS = with_claims(
    Blueprint(
        title="Club members",
        slug="members",
        records=(
            Record(
                name="member",
                label="Member",
                plural="Members",
                title_field="full",
                fields=(
                    Field(name="first", label="First name", type="text", required=True),
                    Field(name="last", label="Last name", type="text", required=True),
                    Field(
                        name="full",
                        label="Full name",
                        type="text",
                        computed=Computed(how="concat", fields=("first", "last")),
                    ),
                    Field(name="born", label="Birthday", type="date", maximum="today"),
                    Field(name="age", label="Age", type="whole number", computed=Computed(how="age", fields=("born",))),
                    Field(name="email", label="E-mail", type="e-mail", unique=True),
                    Field(name="iban", label="IBAN", type="text", checksum="iban"),
                    Field(name="card", label="Card", type="text", checksum="luhn"),
                    Field(
                        name="fee", label="Fee", type="money", currency="$", required=True, minimum="5", maximum="80"
                    ),
                    Field(name="paid", label="Paid", type="money", currency="$", default="0"),
                    Field(
                        name="owed",
                        label="Owed",
                        type="money",
                        currency="$",
                        computed=Computed(how="difference", fields=("fee", "paid")),
                    ),
                    Field(
                        name="renewal", label="Renewal", type="date", required=True, minimum="today", maximum="today+1y"
                    ),
                    Field(
                        name="left",
                        label="Days left",
                        type="whole number",
                        computed=Computed(how="days until", fields=("renewal",)),
                    ),
                ),
                search=("first", "last", "email"),
                sortable=("last", "age", "fee"),
            ),
        ),
        rules=(
            Rule(
                kind="unique together",
                record="member",
                fields=("first", "last", "born"),
                message="This person is a member already.",
            ),
        ),
        views=(
            View(
                name="birthdays",
                label="Birthdays this month",
                record="member",
                when=(is_("born", "anniversary this month"),),
            ),
            View(name="owing", label="Still owing", record="member", when=(is_("owed", "more", "0"),)),
        ),
        totals=(Total(record="member", label="Total owed", how="sum", field="owed"),),
        claims=(),
    )
)

ALL = {"tasks": TASKS, "library": LIBRARY, "stock": STOCK, "rooms": ROOMS, "members": MEMBERS}
