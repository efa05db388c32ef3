"""Six small products, each right, and with five bugs sown into it."""

import re
from collections.abc import Mapping
from pathlib import Path

from macrohard.domain import Finding, Value

FOLDER = Path(__file__).parent / "products"
MANIFEST = """kind = "web"
name = "{name}"
[commands]
install = "true"
test = "true"
start = "python3 {name}.py"
[service]
health = "/health"
"""


class Bug(Value):
    """One mistake, and how one recognises that a finding is about it."""

    kind: str
    old: str
    new: str
    told: str
    """A regular expression that a finding's title or element has if it is about this bug, in any case."""
    file: str = ""
    """Empty: the product's own."""

    def is_meant(self, finding: Finding) -> bool:
        """Whether the finding is about this bug."""
        words = f"{finding.title}\n{finding.element}"
        return re.search(self.told, words, re.I | re.S) is not None


class Product(Value):
    """A product with what its users want of it."""

    name: str
    title: str
    stories: tuple[str, ...]
    bugs: tuple[Bug, ...]

    def files(self, *, seeded: bool) -> Mapping[str, str]:
        """Its files; a bug whose place is not there is an AssertionError."""
        files = {f"{self.name}.py": (FOLDER / f"{self.name}.py").read_text(), "kit.py": (FOLDER / "kit.py").read_text()}
        for bug in self.bugs if seeded else ():
            file = bug.file or f"{self.name}.py"
            assert files[file].count(bug.old) == 1, f"{self.name}: {bug.old!r} is not there once"
            files[file] = files[file].replace(bug.old, bug.new)
        return {**files, "product.toml": MANIFEST.format(name=self.name)}


PRODUCTS = (
    Product(
        name="errands",
        title="Errands",
        stories=(
            "As a shopper I add items with an amount, find them by words or state, and tick them off.",
            "As a shopper I never have the same item on the list twice.",
        ),
        bugs=(
            Bug(
                kind="does not persist",
                old='    ITEMS.change(id, name=data["name"].strip(), amount=data["amount"].strip())\n',
                new="",
                told=r"(?:chang|edit|sav).*(?:as before|not there|still|old|lost|kept|no “)",
            ),
            Bug(
                kind="filter ignores a case",
                old='state in ("all", "done" if item["done"] else "open")',
                new='state in ("all", "done", "done" if item["done"] else "open")',
                told=r"(?:state|filter|chose).*(?:open|done)",
            ),
            Bug(
                kind="duplicate accepted",
                old='any(one["name"].casefold() == name.casefold() and one["id"] != id for one in ITEMS.all())',
                new="False",
                told=r"twice|duplicate|2 times|two (?:rows|entries)",
            ),
            Bug(
                kind="XSS",
                old='">{esc(item["name"])}</a>',
                new='">{item["name"]}</a>',
                told=r"markup|script|html|<b>.*no “|<b>.*not (?:as|shown|there)",
            ),
            Bug(
                kind="unlabelled input",
                old='<label for="q">Search</label>',
                new="<span>Search</span>",
                told=r"label|no name|without a name|has no searchbox",
            ),
        ),
    ),
    Product(
        name="expenses",
        title="Expenses",
        stories=(
            "As a household member I write down what I spent, on what and when.",
            "I see the total of what is shown, to the cent, and can show one kind only.",
        ),
        bugs=(
            Bug(
                kind="wrong sum",
                old='total = sum((Decimal(one["amount"]) for one in shown), Decimal(0))',
                new='total = sum((Decimal(one["amount"]).to_integral_value() for one in shown), Decimal(0))',
                told=r"total|sum|adds? up",
            ),
            Bug(
                kind="wrong date",
                old='return date.fromisoformat(one["day"]).isoformat()',
                new='return date.fromordinal(date.fromisoformat(one["day"]).toordinal() - 1).isoformat()',
                told=r"\d{4}-\d\d-\d\d.*(?:\d{4}-\d\d-\d\d|not|no “|instead)",
            ),
            Bug(
                kind="impossible value accepted",
                old="not amount.is_finite() or amount <= 0 or",
                new="not amount.is_finite() or",
                told=r"negative|“-\d|“−|below 0",
            ),
            Bug(
                kind="error swallowed",
                old='        return page("Add expense", body, 422)\n',
                new='        return go("/") if "amount" in problems else page("Add expense", body, 422)\n',
                told=r"amount.*(?:no message|not saved)|without a word|accepted without|no “.*” in the list|is gone",
            ),
            Bug(
                kind="dead button",
                old=".onclick = () => {",
                new=".onprint = () => {",
                told=r"print",
            ),
        ),
    ),
    Product(
        name="rooms",
        title="Meeting rooms",
        stories=(
            "As an employee I book a room for a time on a day; nobody else can have it at that time.",
            "I see who has which room when, and cancel what is not needed.",
        ),
        bugs=(
            Bug(
                kind="overlap allowed",
                old='        and one["start"] < data["end"]\n',
                new='        and one["start"] == data["end"]\n',
                told=r"overlap|(?:same|that) time|taken",
            ),
            Bug(
                kind="impossible value accepted",
                old='if not problems and data["end"] <= data["start"]:',
                new="if False:",
                told=r"before|earlier|backwards",
            ),
            Bug(
                kind="crash on odd input",
                old='        problems["who"] = "Who can have 100 characters at most."\n',
                new='        problems["who"] = "Too long."\n    data.get("who", "").encode("latin-1")\n',
                told=r"answered 500|internal error",
            ),
            Bug(
                kind="dead button",
                old="f\"Cancel booking of {esc(one['who'])}\"),",
                new="f\"Cancel booking of {esc(one['who'])}\").replace('<button>', '<button type=button>'),",
                told=r"cancel booking",
            ),
            Bug(
                kind="wrong date",
                old="{date.fromisoformat(one['day']):%A}",
                new="{date.fromordinal(date.fromisoformat(one['day']).toordinal() + 1):%A}",
                told=r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|weekday",
            ),
        ),
    ),
    Product(
        name="loans",
        title="Book loans",
        stories=(
            "As a librarian I write down who borrows which book, and see when it is due: 14 days later.",
            "A book that is lent cannot be lent again before it is returned.",
        ),
        bugs=(
            Bug(
                kind="duplicate accepted",
                old='any(one["book"].casefold() == book and not one["back"] for one in LOANS.all()):',
                new="False:",
                told=r"twice|2 times|already|duplicate|two ",
            ),
            Bug(
                kind="does not persist",
                old="    LOANS.change(id, back=True)\n",
                new="",
                told=r"button “?\"?return|still lent|returned",
            ),
            Bug(
                kind="wrong date",
                old="timedelta(days=DAYS)",
                new="timedelta(days=DAYS + 7)",
                told=r"\bdue\b|14 days|21 days",
            ),
            Bug(
                kind="search ignores a case",
                old='query.casefold() in (one["book"] + " " + one["reader"]).casefold()',
                new='query in (one["book"] + " " + one["reader"])',
                told=r"search|find|found",
            ),
            Bug(
                kind="wrong sum",
                old="<p>{len(shown)} loans, ",
                new="<p>{len(shown) + 1} loans, ",
                told=r"count|number of|\d loans",
            ),
        ),
    ),
    Product(
        name="scores",
        title="Scores",
        stories=(
            "As a host I add players and give or take points; the best is on top.",
            "The points are still there when I reload the page.",
        ),
        bugs=(
            Bug(
                kind="does not persist",
                old="    more.onclick = () => { player.points += 1; keep(); show(); };",
                new="    more.onclick = () => { player.points += 1; show(); };",
                told=r"reload.*(?:point|gone|lost|not|no “)",
            ),
            Bug(
                kind="wrong order",
                old="other.points - one.points",
                new="one.points - other.points",
                told=r"order|sort|on top|rank",
            ),
            Bug(
                kind="dead button",
                old='at("reset").onclick = () => {',
                new='at("reset").onreset = () => {',
                told=r"set all to 0",
            ),
            Bug(
                kind="script error",
                old="    : taken ?",
                new="    : name === players[0]?.name ? taken.why.first : taken ?",
                told=r"script error|undefined",
            ),
            Bug(
                kind="error swallowed",
                old='!name ? "Player is required."',
                new='!name ? " "',
                told=r"without a word|no message|nothing happened|accepted without",
            ),
        ),
    ),
    Product(
        name="recipes",
        title="Recipes",
        stories=(
            "As a cook I write recipes down with portions and flour, and find them by words of their name.",
            "I see how much flour is needed for another number of people.",
        ),
        bugs=(
            Bug(
                kind="wrong sum",
                old="recipe['flour'] * int(people), recipe['portions']",
                new="recipe['flour'] * (int(people) + 1), recipe['portions'] + 1",
                told=r"flour for|work out|people",
            ),
            Bug(
                kind="search ignores a case",
                old='query.casefold() in one["name"].casefold()',
                new='query in one["name"]',
                told=r"search|find|found",
            ),
            Bug(
                kind="text cut off silently",
                old='RECIPES.add(name=data["name"].strip(),',
                new='RECIPES.add(name=data["name"].strip()[:12],',
                told=r"cut|short|characters|no “.*” (?:in|on)",
            ),
            Bug(
                kind="too wide for a phone",
                old="table{border-collapse:collapse;width:100%}",
                new="table{border-collapse:collapse;min-width:700px}",
                told=r"wider|sideways",
                file="kit.py",
            ),
            Bug(
                kind="empty accepted",
                old='        problems["name"] = "Name is required."\n',
                new="        pass\n",
                told=r"without name|empty|blank|nothing",
            ),
        ),
    ),
)
