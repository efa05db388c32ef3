"""What stands beside the code: how to run and package the product, and the manual for its users."""

import json
import re

from macrohard.llm.builtin.blueprint import Action, Blueprint, Condition, Field, Record, Total, View
from macrohard.llm.builtin.webapp.addresses import record_address, view_address

GITIGNORE = "__pycache__/\n*.pyc\n.pytest_cache/\ndata/\n"

DOCKERFILE = """\
FROM python:3.11-slim

RUN useradd --create-home --uid 10001 app && mkdir /srv/data && chown app /srv/data
WORKDIR /srv
COPY app app
USER app

ENV HOST=0.0.0.0 PORT=8000 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
EXPOSE 8000
VOLUME /srv/data
HEALTHCHECK --interval=30s --timeout=3s CMD \\
    ["python3", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\\"PORT\\"]}/health')"]
CMD ["python3", "-m", "app"]
"""

_TYPES = {
    "whole number": "a whole number",
    "decimal number": "a number",
    "money": "an amount such as 12.50",
    "date": "a date",
    "time": "a time",
    "date-time": "a date and time",
    "yes/no": "yes or no",
    "e-mail": "an e-mail address",
    "phone": "a phone number",
    "web address": "a web address",
    "long text": "text of any length",
}
_UNITS = {"": "", "d": "days", "w": "weeks", "m": "months", "y": "years"}
_COMPUTED = {
    "product": "the product of",
    "sum": "the sum of",
    "difference": "the difference of",
    "days late": "days since",
    "days until": "days until",
    "age": "years since",
    "concat": "put together from",
}


def manifest(blueprint: Blueprint) -> str:
    """`product.toml`."""
    return (
        f'kind = "{blueprint.kind}"\n'
        f"name = {json.dumps(blueprint.title[:80], ensure_ascii=False)}\n\n"
        "[commands]\n"
        'install = ""\n'
        'test = "python3 -m unittest discover -v -s tests -t ."\n'
        'start = "python3 -m app"\n\n'
        "[service]\n"
        'health = "/health"\n'
    )


def readme(blueprint: Blueprint) -> str:
    """`README.md`: for whoever runs the product or takes it over."""
    kept = _listed([record.plural.lower() for record in blueprint.records])
    image = blueprint.slug.replace("_", "-")
    is_service = blueprint.kind == "api"
    place = "service that programs ask in JSON" if is_service else "web page"
    seen = "" if is_service else "| `app/layout.py`, `tables.py`, `forms.py`, `pages.py`, `static/` | what is seen |\n"
    return f"""# {blueprint.title}

Keeps {kept} in a {place} of your own. What can be done: [the manual](docs/manual.md).

## Run it

```sh
python3 -m app
```

Then open <http://127.0.0.1:8000>. Python 3.11 or later is all it needs; there is nothing to install.

| Variable | Means | If not set |
|---|---|---|
| `PORT` | the port it listens on | `8000` |
| `HOST` | the address it listens on; `0.0.0.0` lets other computers in, who need no password | `127.0.0.1` |
| `DATA` | the folder of the data | `data` |
| `LOG` | `DEBUG` notes every request | `INFO` |

Or in a container: `docker build -t {image} . && docker run --rm -p 127.0.0.1:8000:8000 -v {image}:/srv/data {image}`

## Data

Everything is in one SQLite file, `data/records.sqlite3`. What was saved is on the disk before the page says so.
Copy it while the product runs: `sqlite3 data/records.sqlite3 ".backup copy.sqlite3"`.

## Change it

What this product keeps and what holds for it stands in `app/records.py`: a new field, rule or view is a line there,
and a new field gets its column at the next start. The other modules know nothing of
{kept}:

| File | Is about |
|---|---|
| `app/declarations.py` | the words in which `records.py` is written |
| `app/fields.py`, `checksums.py`, `clock.py` | field types: reading, checking and showing values |
| `app/conditions.py`, `rules.py` | conditions, computed values, rules |
| `app/register.py` | adding, changing, deleting, actions: completely or not at all |
| `app/storage.py` | the SQLite file |
| `app/listing.py`, `transfer.py` | search, filters, sorting, totals; CSV files |
{seen}| `app/routes.py`, `server.py`, `__main__.py` | addresses, HTTP, starting and stopping |

Tests: `python3 -m unittest discover -s tests -t .`
"""


def manual(blueprint: Blueprint) -> str:
    """`docs/manual.md`: what can be done on each screen, and the rules in words."""
    sections = [f"# {blueprint.title}: manual\n"]
    if len(blueprint.records) > 1 or blueprint.views:
        sections.append(
            "**Overview** shows how many records there are of each kind. The navigation leads to every list from every "
            "page.\n"
        )
    for record in blueprint.records:
        sections.append(_record_section(blueprint, record))
    if blueprint.views:
        sections.append("## Views\n\n" + "".join(_view_line(blueprint, view) for view in blueprint.views))
    sections.append(
        "## Good to know\n\n"
        "- Dates are written 2026-11-22, times 09:30; “today” is the day of the computer that runs the product.\n"
        "- Upper and lower case make no difference when you search, and neither do accents.\n"
        "- When something cannot be saved, what you typed stays in the form, and the reason stands beside the field.\n"
        "- If somebody else changed a record while you had its form open, you are told before anything is replaced.\n"
    )
    return "\n".join(sections)


def _record_section(blueprint: Blueprint, record: Record) -> str:
    lower, plural = record.label.lower(), record.plural.lower()
    lines = [f"## {record.plural} (`{record_address(record)}`)\n"]
    lines.append(
        f"- **Add {lower}** opens the form; **Save** keeps the {lower}. "
        f"**Edit** changes it{', **Delete** removes it after asking once more' if record.deletable else ''}."
    )
    searched = _labels(record, record.search)
    lines.append(f"- **Search** looks in {searched or 'all fields'} while you type.")
    if record.filters:
        lines.append(f"- Filters: {_labels(record, record.filters)}. **Clear** shows everything again.")
    if record.sortable:
        lines.append(f"- Click a heading to sort by {_labels(record, record.sortable)}; once more turns it round.")
    lines.extend(_action_line(blueprint, action) for action in blueprint.actions if action.record == record.name)
    for highlight in blueprint.highlights:
        if highlight.record == record.name:
            lines.append(f"- “{highlight.label}” marks {plural} whose {_meant(record, highlight.when)}.")
    lines.extend(_total_line(record, total) for total in blueprint.totals if total.record == record.name)
    if record.export_csv:
        lines.append("- **Export CSV** saves what the list shows, for spreadsheets.")
    if record.import_csv:
        lines.append("- **Import CSV** adds the lines of a file; lines with mistakes are named and left out.")
    lines.append("\n| Field | What it takes |\n|---|---|")
    lines.extend(f"| {field.label} | {_takes(blueprint, record, field)} |" for field in record.fields)
    rules = [rule for rule in blueprint.rules if rule.record == record.name]
    if rules:
        lines.append("\nRules:\n")
        lines.extend(f"- {rule.message}" for rule in rules)
    return "\n".join(lines) + "\n"


def _takes(blueprint: Blueprint, record: Record, field: Field) -> str:
    if field.computed:
        labels = {one.name: one.label for one in record.fields}
        operands = ", ".join(f"“{labels.get(name, name.replace('_', ' '))}”" for name in field.computed.fields)
        words = _COMPUTED.get(field.computed.how, "from the records that belong to it:")
        if field.computed.how == "lookup":
            return "shown from the record it points to"
        return f"computed: {words} {operands or (field.computed.record or '').replace('_', ' ')}"
    parts = [_TYPES.get(field.type, "text")]
    if field.type == "choice":
        parts = ["one of " + ", ".join(field.choices)]
    if field.references:
        parts = [f"one of the {blueprint.record(field.references).plural.lower()}"]
    if field.automatic:
        return f"{parts[0]}; filled in by the product"
    parts += ["required"] * field.required + ["no two alike"] * field.unique
    if field.minimum is not None:
        parts.append(f"{'more than' if field.exclusive_minimum else 'from'} {field.minimum}")
    if field.maximum is not None:
        parts.append(f"up to {field.maximum}")
    if field.min_length is not None and field.min_length > 1:
        parts.append(f"at least {field.min_length} characters")
    if field.max_length is not None:
        parts.append(f"at most {field.max_length} characters")
    if field.pattern_hint:
        parts.append(field.pattern_hint)
    if field.checksum:
        parts.append("with a right check digit")
    if field.default is not None:
        parts.append(f"{_default(record, field.default)} unless you change it")
    return "; ".join(parts).replace("|", "\\|")


def _default(record: Record, text: str) -> str:
    matched = re.fullmatch(r"(\w+)\s*([+-])\s*(\d+)([dwmy])", text)
    if not matched:
        return text
    start = next((one.label for one in record.fields if one.name == matched[1]), matched[1])
    return f"{matched[3]} {_UNITS[matched[4]]} {'after' if matched[2] == '+' else 'before'} {start}"


def _action_line(blueprint: Blueprint, action: Action) -> str:
    record = blueprint.record(action.record)
    while_ = f", offered while {_meant(record, action.when)}" if action.when else ""
    changes = ", ".join(_change(record.field(name).label, value) for name, value in action.sets.items())
    return f"- **{action.label}** {changes}{while_}."


def _change(label: str, value: str) -> str:
    if matched := re.fullmatch(r"([+-])(\d+)([dwmy]?)", value):
        amount = f"{matched[2]} {_UNITS[matched[3]]}".strip()
        return f"adds {amount} to {label}" if matched[1] == "+" else f"takes {amount} from {label}"
    return f"empties {label}" if value == "empty" else f"sets {label} to {value}"


def _total_line(record: Record, total: Total) -> str:
    of = f" of {record.field(total.field).label}" if total.field else ""
    each = f" for each {record.field(total.group_by).label}" if total.group_by else ""
    return f"- Below the list: {total.label} ({total.how}{of}{each}, of what is shown)."


def _view_line(blueprint: Blueprint, view: View) -> str:
    record = blueprint.record(view.record)
    which = f" whose {_meant(record, view.when)}" if view.when else ""
    printed = " **Print** puts it on paper." if view.printable else ""
    return f"- **{view.label}** (`{view_address(view)}`): {record.plural.lower()}{which}.{printed}\n"


def _meant(record: Record, conditions: tuple[Condition, ...]) -> str:
    return " and ".join(_condition(record, condition) for condition in conditions)


def _condition(record: Record, condition: Condition) -> str:
    label = record.field(condition.field).label
    compared = record.field(condition.other).label if condition.other else condition.value
    words = {
        "equal": "is",
        "not equal": "is not",
        "more": "is more than",
        "less": "is less than",
        "this month": "is in this month",
        "anniversary this month": "comes round this month",
        "within days": "is within so many days:",
    }
    operator = words.get(condition.is_, f"is {condition.is_}")
    return f"{label} {operator} {compared}" if compared is not None else f"{label} {operator}"


def _labels(record: Record, names: tuple[str, ...]) -> str:
    return _listed([record.field(name).label for name in names])


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
