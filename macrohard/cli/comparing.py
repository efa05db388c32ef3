"""`macrohard compare`: two iterations or two runs in one table, here or at a service."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from macrohard.cli.options import JsonOption, ServerOption, TokenOption, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from macrohard.domain.comparison import Compared, Standpoint

Place = Annotated[
    str, typer.Argument(help="A run, and its iteration; without one, the last that was kept.", metavar="RUN[:N]")
]
STYLE = {"lost": "red", "gained": "green", "different": "yellow", "only left": "cyan", "only right": "cyan"}


def compare(
    left: Place, right: Place, server: ServerOption = None, token: TokenOption = None, json: JsonOption = False
) -> None:
    """Put two iterations or two runs side by side: what was gained and lost, and what it took."""
    from macrohard.cli.drive import output

    if server is not None:
        from macrohard.cli.remote import client

        with client(server, token) as service:
            compared = service.compare(left, right)
    else:
        compared = asyncio.run(_here(left, right))
    if json:
        print_json(compared.model_dump(mode="json"))
    else:
        print_compared(compared, output())


async def _here(left: str, right: str) -> "Compared":
    from macrohard.assembly import compare as held_against
    from macrohard.assembly import open_factory
    from macrohard.settings import load_settings

    settings = load_settings()
    async with open_factory(settings, sandbox=settings.sandbox) as factory:
        return await held_against(factory, left, right)


def print_compared(compared: "Compared", console: "Console") -> None:
    """Figures of both sides, then what is different; what is the same is counted."""
    from rich.table import Table
    from rich.text import Text

    from macrohard.cli.terminal import counted, one_line

    console.print(_figures(compared))
    rows = Table(box=None, padding=(0, 2), header_style="bold")
    for heading in ("Change", "What", "Left", "Right", ""):
        rows.add_column(heading, no_wrap=heading != "")
    for gate in compared.gates:
        if gate.change != "same":
            sides = (gate.left or "not made", gate.right or "not made")
            rows.add_row(Text(gate.change, STYLE[gate.change]), gate.gate, *sides, "the whole product")
    for pair in compared.criteria:
        if pair.change != "same":
            stand = [held.status if held else "not there" for held in (pair.left, pair.right)]
            text = Text(one_line(pair.told.text, 200))
            rows.add_row(Text(pair.change, STYLE[pair.change]), pair.told.id, *stand, text)
    if rows.row_count:
        console.print(Text("\nCriteria", "bold"))
        console.print(rows)
    same = sum(pair.change == "same" for pair in compared.criteria)
    console.print(Text(f"\n{counted(same, 'criterion', 'criteria')} the same on both sides.", "dim"))
    for where, title in (("left", "Only on the left"), ("right", "Only on the right"), ("both", "On both sides")):
        found = [each.finding for each in compared.findings if each.where == where]
        if found:
            console.print(Text(f"\nFindings: {title.lower()}", "bold"))
        for finding in found:
            console.print(Text(f"  · {one_line(f'{finding.title} ({finding.found_by})', 300)}"))
    added, removed = (
        sum(line.startswith(sign) and not line.startswith(sign * 3) for line in compared.diff.splitlines())
        for sign in "+-"
    )
    code = f"no code to compare: {compared.no_diff}" if compared.no_diff else f"+{added} −{removed} lines"
    console.print(Text(f"\nCode: {code}", "dim"))


def _figures(compared: "Compared") -> object:
    from rich.table import Table
    from rich.text import Text

    from macrohard.cli.terminal import dollars, duration, one_line, thousands

    table = Table(box=None, padding=(0, 2), header_style="bold")
    for heading in ("", compared.left.name, compared.right.name):
        table.add_column(heading, overflow="fold")
    told: tuple[tuple[str, Callable[[Standpoint], str]], ...] = (
        ("outcome", lambda side: side.run.status),
        ("asked for", lambda side: one_line(side.run.title or side.run.requirement, 60)),
        ("guidance", lambda side: one_line(side.guidance, 60) or "–"),
        ("model", lambda side: one_line(side.run.model, 40)),
        ("iteration", lambda side: f"{side.iteration or '–'} of {side.iterations}"),
        ("budget", lambda side: dollars(side.budget_usd) if side.budget_usd else "no limit"),
        ("cost of the run", lambda side: dollars(side.in_all.cost_usd)),
        ("of the iteration", lambda side: dollars(side.in_iteration.cost_usd)),
        ("tokens", lambda side: thousands(side.in_all.tokens)),
        ("model calls", lambda side: str(side.in_all.model_calls)),
        ("at work", lambda side: duration(side.in_all.seconds)),
    )
    for name, say in told:
        one, other = say(compared.left), say(compared.right)
        style = "bold" if one != other else ""
        table.add_row(Text(name, "dim"), Text(one, style), Text(other, style))
    return table
