"""The files of a command-line tool that differ from those of a product with pages."""

import json
from pathlib import Path

from macrohard.llm.builtin.blueprint import Blueprint
from macrohard.llm.builtin.tool.contract import RUN, called, calls, conventions

MODULES = ("commands", "__main__")
_SOURCE = Path(__file__).parent / "source"
_PACKAGES = ("macrohard.llm.builtin.tool.source.app", "macrohard.llm.builtin.webapp.source.app")
_ROUTES = "macrohard.llm.builtin.webapi.source.app"
_EXAMPLES = "macrohard.llm.builtin.webapp.source.tests.examples"
TEST = "python3 -m unittest discover -v -s tests -t ."


def modules() -> dict[str, str]:
    """What understands commands and shows their answers."""
    return {f"app/{name}.py": _copied(f"app/{name}.py") for name in MODULES}


def commands_test() -> str:
    """The test of the tool as it is called."""
    return _copied("tests/test_commands.py")


def manifest(blueprint: Blueprint) -> str:
    """`product.toml`."""
    return (
        'kind = "cli"\n'
        f"name = {json.dumps(blueprint.title[:80], ensure_ascii=False)}\n\n"
        "[commands]\n"
        'install = ""\n'
        f'test = "{TEST}"\n'
        f'run = "{RUN}"\n'
    )


def readme(blueprint: Blueprint) -> str:
    """`README.md`: for whoever calls the tool or takes it over."""
    first = called(blueprint, blueprint.records[0])
    kept = ", ".join(record.plural.lower() for record in blueprint.records)
    return f"""# {blueprint.title}

Keeps {kept} from the command line. All commands: [the manual](docs/manual.md), or `{RUN} --help`.

## Use it

```sh
{first} add --help
{first} list
{first} list --json
{first} export --file all.csv
```

Python 3.11 or later is all it needs; there is nothing to install. The data is in the folder `$DATA`, if that is not set
in `./data`: one SQLite file, `records.sqlite3`. The exit code is 0 when it was done, 1 when it was refused, 2 when it
was called wrongly; refusals are on standard error.

## Change it

What it keeps and what holds for it stands in `app/records.py`: a new field, rule or view is a line there, and a new
field gets its column at the next call. The other modules know nothing of {kept}:

| File | Is about |
|---|---|
| `app/declarations.py` | the words in which `records.py` is written |
| `app/fields.py`, `checksums.py`, `clock.py` | field types: reading, checking and showing values |
| `app/conditions.py`, `rules.py` | conditions, computed values, rules |
| `app/register.py` | adding, changing, deleting, actions: completely or not at all |
| `app/storage.py` | the SQLite file |
| `app/listing.py`, `transfer.py` | search, filters, sorting, totals; CSV files |
| `app/routes.py` | requests about all of this, with their answers in JSON |
| `app/commands.py`, `__main__.py` | what is typed and what is shown |

Tests: `{TEST}`
"""


def manual(blueprint: Blueprint) -> str:
    """`docs/manual.md`: every command."""
    told = "\n\n".join(f"### `{one.usage}`\n\n{one.purpose} {one.output}" for one in calls(blueprint))
    rules = "\n".join(f"- {one.message}" for one in blueprint.rules)
    return (
        f"# {blueprint.title}: manual\n\n{told}\n\n## Good to know\n\n"
        + "\n".join(f"- {one}" for one in conventions())
        + (f"\n\n## Rules\n\n{rules}\n" if rules else "\n")
    )


def _copied(path: str) -> str:
    text = (_SOURCE / path).read_text().replace(_EXAMPLES, ".examples").replace(_ROUTES, "app")
    for package in _PACKAGES:
        text = text.replace(package, "app")
    return text
