"""How a run's money was spent: over its time at work as areas of a drawing, phase upon phase, and as tables."""

from collections import defaultdict

from macrohard.domain import RunOverview, Share, Value

WIDTH, HEIGHT = 1000, 240
"""Units of the drawing."""
CAP_SHOWN = 4.0
"""The cap is drawn when it is at most so many times what was spent; else everything else would lie flat."""


class Area(Value):
    """One phase's share of what was spent by then."""

    name: str
    points: str
    """Of an SVG polygon."""
    cost_usd: float


class Burn(Value):
    """The drawing."""

    areas: tuple[Area, ...]
    cap_y: float | None
    """Where the cap is; None: too far up, or there is none."""
    top_usd: float
    seconds: float


def cost_tables(overview: RunOverview) -> tuple[tuple[str, tuple[Share, ...]], ...]:
    """The sums that say something, each with what it is by; by criterion only if not every session served the same."""
    costs = overview.costs
    served = {session.criteria for session in overview.sessions if session.criteria and session.model_calls}
    tables = (
        ("phase", costs.by_phase),
        ("agent", costs.by_agent),
        ("criterion", costs.by_criterion if len(served) > 1 else ()),
        ("model", costs.by_model),
    )
    return tuple((title, shares) for title, shares in tables if shares)


def burn(overview: RunOverview) -> Burn | None:
    """The areas from the bottom up, in the order of the phases; None when nothing was spent, or all in one moment."""
    spent = overview.costs.over_time
    moments = sorted({each.until_seconds for each in spent})
    total = sum(each.cost_usd for each in spent)
    if len(moments) < 2 or total <= 0:
        return None
    cap = overview.budget_usd if overview.budget_usd and overview.budget_usd <= CAP_SHOWN * total else None
    top = max(total, cap or 0.0)
    by_name: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for each in spent:
        by_name[each.name][each.until_seconds] += each.cost_usd
    order = [share.name for share in overview.costs.by_phase if share.name in by_name]
    below = [0.0] * len(moments)
    areas = []
    for name in order:
        above, so_far = [], 0.0
        for place, moment in enumerate(moments):
            so_far += by_name[name][moment]
            above.append(below[place] + so_far)
        areas.append(Area(name=name, points=_outline(moments, below, above, top), cost_usd=so_far))
        below = above
    return Burn(
        areas=tuple(areas),
        cap_y=None if cap is None else round(HEIGHT * (1 - cap / top), 1),
        top_usd=top,
        seconds=moments[-1],
    )


def _outline(moments: list[float], below: list[float], above: list[float], top: float) -> str:
    def at(moment: float, usd: float) -> str:
        return f"{WIDTH * moment / moments[-1]:.1f},{HEIGHT * (1 - usd / top):.1f}"

    edge = [at(0, 0), *(at(moment, usd) for moment, usd in zip(moments, above, strict=True))]
    back = [at(moment, usd) for moment, usd in reversed(list(zip(moments, below, strict=True)))]
    return " ".join([*edge, *back])
