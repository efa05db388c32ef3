"""What a run's money went into: the ledger's sum taken apart, exact to the tick."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from macrohard.domain import CUT_OFF, FAILED, PHASES, SHARED, Costs, Share, Spent
from macrohard.store.money import to_usd
from macrohard.store.tables import SessionRow, SpendingRow
from macrohard.store.usage import COUNTS

STRETCHES = 40
"""Into so many equal parts at most a run's time at work is divided."""


class Curve:
    """What was spent as a run's time at work went by, call by call in the order in which they were told."""

    def __init__(self) -> None:
        self._calls: dict[str, tuple[list[float], list[int]]] = {}
        """By name: the time of each call, which never goes back, and the sum up to it."""

    def add(self, worked_seconds: float, name: str, ticks: int) -> None:
        """Take one more call in."""
        times, sums = self._calls.setdefault(name, ([], []))
        times.append(worked_seconds)
        sums.append(ticks + (sums[-1] if sums else 0))

    def over_time(self) -> tuple[Spent, ...]:
        """In equal parts of the whole time, those in which something was spent."""
        until = max((times[-1] for times, _ in self._calls.values()), default=0.0)

        def stretch(worked_seconds: float) -> int:
            return min(int(STRETCHES * worked_seconds / until), STRETCHES - 1) if until else 0

        spent = []
        for number in range(STRETCHES):
            for name, (times, sums) in sorted(self._calls.items()):
                begin = bisect_left(times, number, key=stretch)
                end = bisect_right(times, number, key=stretch)
                if begin == end:
                    continue
                ticks = sums[end - 1] - (sums[begin - 1] if begin else 0)
                after = (number + 1) * until / STRETCHES
                spent.append(Spent(until_seconds=after, name=name, cost_usd=to_usd(ticks)))
        return tuple(spent)


def costs(
    spendings: Iterable[SpendingRow],
    sessions: Iterable[SessionRow],
    *,
    total_ticks: int,
    over_time: tuple[Spent, ...],
) -> Costs:
    """The sum `total_ticks` in four ways; what no call was told of is a share of its own."""
    by_id = {row.id: row for row in sessions}
    rows = list(spendings)
    cut_off = total_ticks - sum(row.cost_ticks for row in rows)

    def phase(row: SpendingRow) -> Sequence[str]:
        return (phase_of(row.session_id, by_id),)

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
        over_time=over_time,
    )


def phase_of(session_id: str, by_id: Mapping[str, SessionRow]) -> str:
    """In which phase a session's calls are counted; "": those that failed."""
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
    sums: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(COUNTS, 0))
    for row in rows:
        shared_by = names(row)
        for name in shared_by:
            sums[name]["calls"] += row.calls
        for count in COUNTS[1:]:
            # What does not divide goes to the first ones, tick by tick: nothing gets lost.
            each, rest = divmod(getattr(row, count), len(shared_by))
            for place, name in enumerate(shared_by):
                sums[name][count] += each + (place < rest)
    shares = sorted((_share(name, counts) for name, counts in sums.items()), key=key)  # type: ignore[arg-type]  # keys of one sorting are alike
    if cut_off:
        shares.append(_share(CUT_OFF, {**dict.fromkeys(COUNTS, 0), "cost_ticks": cut_off}))
    return tuple(shares)


def _share(name: str, counts: Mapping[str, int]) -> Share:
    numbers = {count: counts[count] for count in COUNTS if count != "cost_ticks"}
    return Share(name=name, cost_usd=to_usd(counts["cost_ticks"]), **numbers)


def _numbered(name: str) -> tuple[bool, int, str]:
    """AC-2 before AC-10, and what is no criterion behind them."""
    number = name.removeprefix("AC-")
    return (not number.isdecimal(), int(number) if number.isdecimal() else 0, name)
