"""With which script the scenarios of a product are written: its kind says how it is used."""

from macrohard.llm.builtin.acceptance.asking import AskingScript
from macrohard.llm.builtin.acceptance.calling import CallingScript
from macrohard.llm.builtin.acceptance.script import Script
from macrohard.llm.builtin.blueprint import Blueprint


def begun(blueprint: Blueprint) -> Script:
    """A script that uses the product in the way of its kind."""
    return Script(blueprint) if blueprint.kind == "web" else asking(blueprint)


def asking(blueprint: Blueprint) -> AskingScript:
    """One for a product without pages."""
    return CallingScript(blueprint) if blueprint.kind == "cli" else AskingScript(blueprint)
