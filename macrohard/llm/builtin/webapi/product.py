"""The files of a service without pages that differ from those of a product with pages."""

from pathlib import Path

from macrohard.llm.builtin.blueprint import Blueprint
from macrohard.llm.builtin.webapi.contract import conventions, routes

MODULES = ("routes", "server")
_SOURCE = Path(__file__).parent / "source"
_PACKAGE = "macrohard.llm.builtin.webapp.source.app"

_EXAMPLES = "macrohard.llm.builtin.webapp.source.tests.examples"


def modules() -> dict[str, str]:
    """What answers requests."""
    return {f"app/{name}.py": _copied(f"app/{name}.py") for name in MODULES}


def server_test() -> str:
    """The test of the running service."""
    return _copied("tests/test_server.py")


def manual(blueprint: Blueprint) -> str:
    """`docs/manual.md`: every route."""
    told = "\n".join(
        f"| `{one.method} {one.path}` | {' '.join(filter(None, (one.purpose, one.request)))} | {one.answer} |"
        for one in routes(blueprint)
    )
    rules = "\n".join(f"- {one.message}" for one in blueprint.rules)
    return (
        f"# {blueprint.title}: manual\n\n| Route | What for | Answers |\n|---|---|---|\n{told}\n\n## Good to know\n\n"
        + "\n".join(f"- {one}" for one in conventions())
        + (f"\n\n## Rules\n\n{rules}\n" if rules else "\n")
    )


def _copied(path: str) -> str:
    return (_SOURCE / path).read_text().replace(_PACKAGE, "app").replace(_EXAMPLES, ".examples")
