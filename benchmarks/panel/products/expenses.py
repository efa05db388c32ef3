# mypy: ignore-errors
"""What was spent, on what, and how much in all."""

from datetime import date
from decimal import Decimal, InvalidOperation

from kit import Records, button, choice, esc, field, form, go, page, serve, table

EXPENSES = Records("expenses")
PRINTING = """<script>document.getElementById("print").onclick = () => {
  window.print();
  document.getElementById("said").textContent = "Sent to the printer.";
}</script>"""
KINDS = ("Food", "Travel", "Rent", "Other")


def listing(data):
    kind = data.get("kind", "")
    shown = [one for one in EXPENSES.all() if kind in ("", one["kind"])]
    shown.sort(key=lambda one: one["day"], reverse=True)
    rows = [
        (
            esc(one["what"]),
            esc(one["kind"]),
            day_of(one),
            f"{Decimal(one['amount']):.2f}",
            button(f"/expenses/{one['id']}/delete", f"Delete {esc(one['what'])}"),
        )
        for one in shown
    ]
    total = sum((Decimal(one["amount"]) for one in shown), Decimal(0))
    kinds = (("", "All"), *((one, one) for one in KINDS))
    show = f'<form method="get">{choice("kind", "Kind", kinds, kind)}<button>Show</button></form>'
    heads = ("What", "Kind", "Date", "Amount", "Action")
    copy = '<button type="button" id="print">Print</button><p role="status" id="said"></p>' + PRINTING
    return page(
        "Expenses",
        f'<h1>Expenses</h1><p><a href="/expenses/new">Add expense</a></p>{show}'
        f"{table('Expenses', heads, rows, 'No expenses.')}<p>Total: {total:.2f}</p>{copy}",
    )


def day_of(one):
    return date.fromisoformat(one["day"]).isoformat()


def fields(values, problems):
    return [
        field("what", "What", values.get("what", ""), problems.get("what", ""), more='aria-required="true"'),
        field("amount", "Amount", values.get("amount", ""), problems.get("amount", ""), more='inputmode="decimal"'),
        field("day", "Date", values.get("day", ""), problems.get("day", ""), type="date"),
        choice("kind", "Kind", [(one, one) for one in KINDS], values.get("kind", "Food")),
    ]


def wrong(data):
    problems = {}
    if not data.get("what", "").strip():
        problems["what"] = "What is required."
    elif len(data["what"]) > 200:
        problems["what"] = "What can have 200 characters at most."
    try:
        amount = Decimal(data.get("amount", "").strip())
        if not amount.is_finite() or amount <= 0 or amount > 1_000_000 or amount != round(amount, 2):
            problems["amount"] = "Amount must be more than 0, with two decimals at most."
    except InvalidOperation:
        problems["amount"] = "Amount must be a number such as 12.50."
    try:
        date.fromisoformat(data.get("day", ""))
    except ValueError:
        problems["day"] = "Date must be a day such as 2026-01-31."
    if data.get("kind") not in KINDS:
        problems["kind"] = "Choose a kind."
    return problems


def new(data):
    return page("Add expense", "<h1>Add expense</h1>" + form("/expenses/new", fields({}, {}), {}))


def create(data):
    if problems := wrong(data):
        body = "<h1>Add expense</h1>" + form("/expenses/new", fields(data, problems), problems)
        return page("Add expense", body, 422)
    EXPENSES.add(what=data["what"].strip(), amount=data["amount"].strip(), day=data["day"], kind=data["kind"])
    return go("/")


def delete(data, id):
    EXPENSES.write([one for one in EXPENSES.all() if one["id"] != int(id)])
    return go("/")


serve(
    "Expenses",
    (("/", "Expenses"),),
    [
        ("GET", "/", listing),
        ("GET", "/expenses/new", new),
        ("POST", "/expenses/new", create),
        ("POST", r"/expenses/(\d+)/delete", delete),
    ],
)
