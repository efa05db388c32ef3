# mypy: ignore-errors
"""Which book is lent to whom, and until when."""

from datetime import date, timedelta

from kit import Records, button, esc, field, form, go, page, serve, table

LOANS = Records("loans")
DAYS = 14


def listing(data):
    query = data.get("q", "")
    shown = [one for one in LOANS.all() if query.casefold() in (one["book"] + " " + one["reader"]).casefold()]
    rows = [
        (
            esc(one["book"]),
            esc(one["reader"]),
            one["lent"],
            due(one),
            "Returned" if one["back"] else "Lent",
            "" if one["back"] else button(f"/loans/{one['id']}/return", f"Return {esc(one['book'])}"),
        )
        for one in shown
    ]
    out = sum(1 for one in shown if not one["back"])
    search = (
        '<form method="get" role="search" aria-label="Find loans"><p><label for="q">Search</label>'
        f'<input id="q" name="q" type="search" value="{esc(query)}"></p><button>Show</button></form>'
    )
    heads = ("Book", "Reader", "Lent on", "Due on", "State", "Action")
    return page(
        "Loans",
        f'<h1>Loans</h1><p><a href="/loans/new">Add loan</a></p>{search}'
        f"{table('Loans', heads, rows, 'No loans.')}<p>{len(shown)} loans, {out} not returned</p>",
    )


def due(one):
    return (date.fromisoformat(one["lent"]) + timedelta(days=DAYS)).isoformat()


def fields(values, problems):
    return [
        field("book", "Book", values.get("book", ""), problems.get("book", ""), more='aria-required="true"'),
        field("reader", "Reader", values.get("reader", ""), problems.get("reader", ""), more='aria-required="true"'),
        field("lent", "Lent on", values.get("lent", ""), problems.get("lent", ""), type="date"),
    ]


def wrong(data):
    problems = {}
    for name, label in (("book", "Book"), ("reader", "Reader")):
        if not data.get(name, "").strip():
            problems[name] = f"{label} is required."
        elif len(data[name]) > 150:
            problems[name] = f"{label} can have 150 characters at most."
    try:
        if date.fromisoformat(data.get("lent", "")).year > 9000:
            problems["lent"] = "Lent on is too far away."
    except ValueError:
        problems["lent"] = "Lent on must be a day such as 2026-01-31."
    book = data.get("book", "").strip().casefold()
    if not problems and any(one["book"].casefold() == book and not one["back"] for one in LOANS.all()):
        problems["book"] = "This book is lent already."
    return problems


def new(data):
    body = f"<h1>Add loan</h1><p>A book is lent for {DAYS} days.</p>"
    return page("Add loan", body + form("/loans/new", fields({}, {}), {}))


def create(data):
    if problems := wrong(data):
        body = "<h1>Add loan</h1>" + form("/loans/new", fields(data, problems), problems)
        return page("Add loan", body, 422)
    LOANS.add(book=data["book"].strip(), reader=data["reader"].strip(), lent=data["lent"], back=False)
    return go("/")


def give_back(data, id):
    LOANS.change(id, back=True)
    return go("/")


serve(
    "Loans",
    (("/", "Loans"),),
    [
        ("GET", "/", listing),
        ("GET", "/loans/new", new),
        ("POST", "/loans/new", create),
        ("POST", r"/loans/(\d+)/return", give_back),
    ],
)
