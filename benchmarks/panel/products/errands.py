# mypy: ignore-errors
"""A shopping list."""

from kit import Records, button, choice, esc, field, form, go, page, serve, table

ITEMS = Records("items")
STATES = (("all", "All"), ("open", "Open"), ("done", "Done"))


def listing(data):
    query, state = data.get("q", ""), data.get("state", "all")
    shown = [
        item
        for item in ITEMS.all()
        if query.casefold() in item["name"].casefold() and state in ("all", "done" if item["done"] else "open")
    ]
    rows = [
        (
            f'<a href="/items/{item["id"]}">{esc(item["name"])}</a>',
            esc(item["amount"]),
            "Done" if item["done"] else "Open",
            button(f"/items/{item['id']}/done", "Reopen" if item["done"] else "Done"),
        )
        for item in shown
    ]
    search = (
        '<form method="get" role="search" aria-label="Find items"><p><label for="q">Search</label>'
        f'<input id="q" name="q" type="search" value="{esc(query)}"></p>{choice("state", "State", STATES, state)}'
        "<button>Show</button></form>"
    )
    return page(
        "Items",
        f'<h1>Items</h1><p><a href="/items/new">Add item</a></p>{search}'
        f"{table('Items', ('Name', 'Amount', 'State', 'Action'), rows, 'No items.')}<p>{len(shown)} items</p>",
    )


def fields(values, problems):
    return [
        field("name", "Name", values.get("name", ""), problems.get("name", ""), more='aria-required="true"'),
        field("amount", "Amount", values.get("amount", "1"), problems.get("amount", ""), more='inputmode="numeric"'),
    ]


def wrong(data, id=None):
    problems = {}
    name = data.get("name", "").strip()
    if not name:
        problems["name"] = "Name is required."
    elif len(name) > 200:
        problems["name"] = "Name can have 200 characters at most."
    elif any(one["name"].casefold() == name.casefold() and one["id"] != id for one in ITEMS.all()):
        problems["name"] = "This item is on the list already."
    amount = data.get("amount", "").strip()
    if not (amount.isascii() and amount.isdigit() and 1 <= int(amount[:9]) <= 1000):
        problems["amount"] = "Amount must be a whole number from 1 to 1000."
    return problems


def new(data):
    return page("Add item", "<h1>Add item</h1>" + form("/items/new", fields({}, {}), {}))


def create(data):
    if problems := wrong(data):
        return page("Add item", "<h1>Add item</h1>" + form("/items/new", fields(data, problems), problems), 422)
    ITEMS.add(name=data["name"].strip(), amount=data["amount"].strip(), done=False)
    return go("/")


def edit(data, id):
    item = ITEMS.get(id)
    if item is None:
        return page("Not found", "<h1>Not found</h1>", 404)
    return page("Edit item", "<h1>Edit item</h1>" + form(f"/items/{id}", fields(item, {}), {}))


def change(data, id):
    if problems := wrong(data, int(id)):
        return page("Edit item", "<h1>Edit item</h1>" + form(f"/items/{id}", fields(data, problems), problems), 422)
    ITEMS.change(id, name=data["name"].strip(), amount=data["amount"].strip())
    return go("/")


def done(data, id):
    ITEMS.change(id, done=not ITEMS.get(id)["done"])
    return go("/")


serve(
    "Errands",
    (("/", "Items"),),
    [
        ("GET", "/", listing),
        ("GET", "/items/new", new),
        ("POST", "/items/new", create),
        ("GET", r"/items/(\d+)", edit),
        ("POST", r"/items/(\d+)", change),
        ("POST", r"/items/(\d+)/done", done),
    ],
)
