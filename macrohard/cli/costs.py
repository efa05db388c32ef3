"""What a run has cost, and what that went into, as tables on a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from macrohard.cli.terminal import counted, dollars, duration, one_line, thousands
from macrohard.domain import BudgetState, RunOverview, Share
from macrohard.report.burn import cost_tables


def print_costs(overview: RunOverview, console: Console) -> None:
    """Where the budget stands, the forecast, and the sum in four ways; no sums if no model was asked."""
    if overview.budget is not None:
        console.print(Text(f"\nBudget  {_standing(overview.budget)}"))
    if overview.forecast is not None:
        console.print(Text(f"Forecast after the {overview.forecast.after}: {overview.forecast.words}", "dim"))
    if overview.cost_usd == 0 and overview.model_calls == 0:
        return
    for title, shares in cost_tables(overview):
        console.print(Text(f"\nCost by {title}", "bold"))
        console.print(_table(shares))


def _standing(budget: BudgetState) -> str:
    caps = budget.caps
    money = f"{dollars(budget.spent_usd)} spent" + ("" if caps.usd is None else f" of {dollars(caps.usd)}")
    if budget.share is not None:
        money += f" ({budget.share * 100:.0f} %)"
    parts = [money]
    if reserved := budget.reserved_usd - budget.lost_usd:
        parts.append(f"{dollars(reserved)} reserved for calls under way")
    if budget.lost_usd:
        parts.append(f"{dollars(budget.lost_usd)} reserved for calls whose process ended, which counts as spent")
    parts.append(f"{thousands(budget.spent_tokens)}{_of(caps.tokens)} tokens")
    parts.append(f"{counted(budget.calls, 'attempt')}{_of(caps.calls)} at calls")
    parts.append(f"{counted(budget.sessions, 'session')}{_of(caps.sessions)}")
    limit = "" if caps.seconds is None else f" of {duration(caps.seconds)}"
    parts.append(f"{duration(budget.worked_seconds)}{limit} at work")
    return ", ".join(parts)


def _of(cap: int | None) -> str:
    return "" if cap is None else f" of {thousands(cap)}"


def _table(shares: Sequence[Share]) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="dim")
    table.add_column("")
    for heading in ("calls", "input", "cached", "output", "reasoning", "cost"):
        table.add_column(heading, no_wrap=True, justify="right")
    for share in shares:
        counts = (share.input_tokens, share.cached_tokens, share.output_tokens, share.reasoning_tokens)
        table.add_row(
            Text(one_line(share.name, 48)),
            str(share.calls),
            *(thousands(count) for count in counts),
            dollars(share.cost_usd),
        )
    return table
