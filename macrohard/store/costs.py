"""What a run's money went into: the ledger's sum taken apart, exact to the tick."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from macrohard.domain import CUT_OFF, FAILED, PHASES, SHARED, Costs, Share, Spent
from macrohard.store.money import to_usd
from macrohard.store.tables import SessionRow, SpendingRow

STRETCHES = 40
"""Into so many equal parts at most a run's time at work is divided."""

_COUNTS = ("calls", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost_ticks")


@dataclass(frozen=True)
class Call:
    """One call that was told: when by the run's time at work, whose, and what it cost."""

    worked_seconds: float
    session_id: str | None
    """None: an attempt that failed."""
    cost_ticks: int


def costs(
    spendings: Iterable[SpendingRow], sessions: Iterable[SessionRow], calls: Sequence[Call], *, total_ticks: int
) -> Costs:
    """The sum `total_ticks` in four ways and over time; what no call was told of is a share of its own."""
    by_id = {row.id: row for row in sessions}
    rows = list(spendings)
    cut_off = total_ticks - sum(row.cost_ticks for row in rows)

    def phase(row: SpendingRow) -> Sequence[str]:
        return (_phase(row.session_id, by_id),)

    def agent(row: SpendingRow) -> Sequence[str]:
        session = by_id.get(row.session_id)
        return (FAILED if not row.session_id else SHARED if session is None else session.agent,)

    def criteria(row: SpendingRow) -> Sequence[str]:
        session = by_id.get(row.session_id)
        return (FAILED,) if not row.session_id else (session and session.criteria) or (SHARED,)

    def model(row: SpendingRow) -> Sequence[str]:
        if not row.session_id:
            return (f"{FAILED} at {row.endpoint}",)
        return (f"{row.model} at {row.endpoint}" if row.endpoint else row.model,)

    order: dict[str, int] = {name: place for place, name in enumerate(PHASES)}
    return Costs(
        by_phase=_shares(rows, phase, cut_off, key=lambda share: (order.get(share.name, len(order)), share.name)),
        by_agent=_shares(rows, agent, cut_off, key=lambda share: (-share.cost_usd, share.name)),
        by_criterion=_shares(rows, criteria, cut_off, key=lambda share: _numbered(share.name)),
        by_model=_shares(rows, model, cut_off, key=lambda share: (-share.cost_usd, share.name)),
        over_time=_over_time(calls, by_id),
    )


def _phase(session_id: str, by_id: Mapping[str, SessionRow]) -> str:
    if not session_id:
        return FAILED
    if (session := by_id.get(session_id)) is not None:
        return session.phase
    # Calls beside any session (`<run>/<iteration>/<phase>/<name>` all the same), e.g. of a tool that makes pictures.
    named = [part for part in session_id.split("/") if part in PHASES]
    return named[0] if named else SHARED


def _shares(
    rows: Iterable[SpendingRow],
    names: Callable[[SpendingRow], Sequence[str]],
    cut_off: int,
    *,
    key: Callable[[Share], object],
) -> tuple[Share, ...]:
    sums: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_COUNTS, 0))
    for row in rows:
        shared_by = names(row)
        for name in shared_by:
            sums[name]["calls"] += row.calls
        for count in _COUNTS[1:]:
            # What does not divide goes to the first ones, tick by tick: nothing gets lost.
            each, rest = divmod(getattr(row, count), len(shared_by))
            for place, name in enumerate(shared_by):
                sums[name][count] += each + (place < rest)
    shares = sorted((_share(name, counts) for name, counts in sums.items()), key=key)  # type: ignore[arg-type]  # keys of one sorting are alike
    if cut_off:
        shares.append(_share(CUT_OFF, {**dict.fromkeys(_COUNTS, 0), "cost_ticks": cut_off}))
    return tuple(shares)


def _share(name: str, counts: Mapping[str, int]) -> Share:
    numbers = {count: counts[count] for count in _COUNTS if count != "cost_ticks"}
    return Share(name=name, cost_usd=to_usd(counts["cost_ticks"]), **numbers)


def _numbered(name: str) -> tuple[bool, int, str]:
    """AC-2 before AC-10, and what is no criterion behind them."""
    number = name.removeprefix("AC-")
    return (not number.isdecimal(), int(number) if number.isdecimal() else 0, name)


def _over_time(calls: Sequence[Call], by_id: Mapping[str, SessionRow]) -> tuple[Spent, ...]:
    until = max((call.worked_seconds for call in calls), default=0.0)
    sums: dict[tuple[int, str], int] = defaultdict(int)
    for call in calls:
        stretch = min(int(STRETCHES * call.worked_seconds / until), STRETCHES - 1) if until else 0
        sums[stretch, _phase(call.session_id or "", by_id)] += call.cost_ticks
    return tuple(
        Spent(until_seconds=(stretch + 1) * until / STRETCHES, name=name, cost_usd=to_usd(ticks))
        for (stretch, name), ticks in sorted(sums.items())
    )
