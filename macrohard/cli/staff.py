"""Agents and personas as the command line shows them."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from macrohard.agent import Catalogue
from macrohard.cli.terminal import one_line


def print_catalogue(found: Catalogue, console: Console) -> None:
    """Names, what they do, and with what."""
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for heading in ("Agent", "Model role", "Sandbox", "What it does"):
        table.add_column(heading, no_wrap=heading != "What it does")
    for agent in found.agents.values():
        table.add_row(agent.name, agent.model, agent.sandbox or "–", Text(one_line(agent.description, 200)))
    console.print(table)
    users = Table(box=None, padding=(0, 2), header_style="bold")
    for heading in ("Simulated user", "Window", "How it behaves"):
        users.add_column(heading, no_wrap=heading != "How it behaves")
    for persona in found.personas.values():
        users.add_row(persona.name, f"{persona.width}×{persona.height}", Text(one_line(persona.description, 200)))
    console.print()
    console.print(users)
