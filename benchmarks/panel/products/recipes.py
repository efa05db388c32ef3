# mypy: ignore-errors
"""Recipes, and what is needed for more people."""

from fractions import Fraction

from kit import Records, esc, field, form, go, page, serve, table

RECIPES = Records("recipes")


def listing(data):
    query = data.get("q", "")
    shown = [one for one in RECIPES.all() if query.casefold() in one["name"].casefold()]
    rows = [
        (f'<a href="/recipes/{one["id"]}">{esc(one["name"])}</a>', one["portions"], f"{one['flour']} g")
        for one in shown
    ]
    search = (
        '<form method="get" role="search" aria-label="Find recipes"><p><label for="q">Search</label>'
        f'<input id="q" name="q" type="search" value="{esc(query)}"></p><button>Show</button></form>'
    )
    return page(
        "Recipes",
        f'<h1>Recipes</h1><p><a href="/recipes/new">Add recipe</a></p>{search}'
        f"{table('Recipes', ('Name', 'Portions', 'Flour'), rows, 'No recipes.')}<p>{len(shown)} recipes</p>",
    )


def fields(values, problems):
    return [
        field("name", "Name", values.get("name", ""), problems.get("name", ""), more='aria-required="true"'),
        field(
            "portions",
            "Portions",
            values.get("portions", "4"),
            problems.get("portions", ""),
            more='inputmode="numeric"',
        ),
        field(
            "flour", "Flour in grams", values.get("flour", "500"), problems.get("flour", ""), more='inputmode="numeric"'
        ),
    ]


def whole(text, most):
    return text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most


def wrong(data):
    problems = {}
    if not data.get("name", "").strip():
        problems["name"] = "Name is required."
    elif len(data["name"].strip()) > 120:
        problems["name"] = "Name can have 120 characters at most."
    if not whole(data.get("portions", "").strip(), 100):
        problems["portions"] = "Portions must be a whole number from 1 to 100."
    if not whole(data.get("flour", "").strip(), 100_000):
        problems["flour"] = "Flour must be a whole number from 1 to 100000."
    return problems


def new(data):
    return page("Add recipe", "<h1>Add recipe</h1>" + form("/recipes/new", fields({}, {}), {}))


def create(data):
    if problems := wrong(data):
        body = "<h1>Add recipe</h1>" + form("/recipes/new", fields(data, problems), problems)
        return page("Add recipe", body, 422)
    RECIPES.add(name=data["name"].strip(), portions=int(data["portions"]), flour=int(data["flour"]))
    return go("/")


def show(data, id):
    recipe = RECIPES.get(id)
    if recipe is None:
        return page("Not found", "<h1>Not found</h1>", 404)
    people = data.get("people", str(recipe["portions"])).strip()
    problem = "" if whole(people, 100) else "People must be a whole number from 1 to 100."
    needed = (
        ""
        if problem
        else f"<p>Flour for {people}: {round(Fraction(recipe['flour'] * int(people), recipe['portions']))} g</p>"
    )
    alert = '<p role="alert">Please correct what is marked.</p>' if problem else ""
    body = (
        f"<h1>{esc(recipe['name'])}</h1><p>{recipe['portions']} portions, {recipe['flour']} g of flour</p>{alert}"
        f'<form method="get" novalidate>{field("people", "People", people, problem, more="inputmode=numeric")}'
        f"<button>Work out</button></form>{needed}"
    )
    return page(recipe["name"], body, 422 if problem else 200)


serve(
    "Recipes",
    (("/", "Recipes"),),
    [
        ("GET", "/", listing),
        ("GET", "/recipes/new", new),
        ("POST", "/recipes/new", create),
        ("GET", r"/recipes/(\d+)", show),
    ],
)
