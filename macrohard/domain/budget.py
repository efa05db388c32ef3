"""What a run may take, what it has taken of that, what it went into, and what it is expected to take."""

from datetime import datetime
from typing import Literal

from macrohard.domain.value import Value
from macrohard.errors import Cap

ADD_OPTIONS: dict[Cap, str] = {
    "usd": "--add-budget",
    "tokens": "--add-tokens",
    "calls": "--add-calls",
    "seconds": "--add-time",
    "sessions": "--add-sessions",
    "fan_out": "--add-fan-out",
    "depth": "--add-depth",
}
"""What raises each cap, at `macrohard resume`."""


class Caps(Value):
    """Limits of one run, or what is added to them; None: none."""

    usd: float | None = None
    tokens: int | None = None
    """Input and output of all calls."""
    calls: int | None = None
    """Of models, failed attempts included."""
    seconds: float | None = None
    """At work; the time a run is paused does not count."""
    sessions: int | None = None
    """Assignments of agents, in all."""
    fan_out: int | None = None
    """Sessions of one phase in one iteration."""
    depth: int | None = None
    """How far sessions may be started by sessions; 1: by the factory only."""


class BudgetState(Value):
    """Where a run's budget stands."""

    caps: Caps
    spent_usd: float
    reserved_usd: float
    """For calls that are under way."""
    lost_usd: float = 0.0
    """The part of it whose calls nobody waits for any more, because their process ended: it counts as spent as soon as
    the run is taken up again, or after an hour."""
    spent_tokens: int = 0
    reserved_tokens: int = 0
    calls: int
    """Reservations made, whatever became of them."""
    sessions: int = 0
    worked_seconds: float = 0.0

    @property
    def share(self) -> float | None:
        """Spent and reserved as a part of the cap on money; None: there is no such cap."""
        return (self.spent_usd + self.reserved_usd) / self.caps.usd if self.caps.usd else None


class Share(Value):
    """What one phase, agent, criterion or model took of what the run spent."""

    name: str
    calls: int
    """Whole ones: a call that served three criteria is a call for each of them."""
    input_tokens: int
    """Cached ones included."""
    cached_tokens: int
    output_tokens: int
    """Reasoning included."""
    reasoning_tokens: int
    cost_usd: float


class Spent(Value):
    """What was spent in one stretch of the run's time at work."""

    until_seconds: float
    name: str
    """The phase, or "failed calls"."""
    cost_usd: float


class Costs(Value):
    """The same sum, taken apart in four ways; each adds up to all that the ledger counts as spent."""

    by_phase: tuple[Share, ...] = ()
    by_agent: tuple[Share, ...] = ()
    by_criterion: tuple[Share, ...] = ()
    """A session's cost is divided equally among its criteria."""
    by_model: tuple[Share, ...] = ()
    """Named "model at endpoint"."""
    over_time: tuple[Spent, ...] = ()
    """Without calls that were cut off: when they were is not known."""


FAILED, CUT_OFF, SHARED = "failed calls", "calls cut off", "shared"
"""Names of shares that belong to nobody: attempts that gave no answer; calls that were cancelled, or whose process died
(both count at what they may have cost at worst); sessions that worked for no criterion in particular."""


class Forecast(Value):
    """What a run is expected to take in all."""

    at: datetime
    after: Literal["requirement", "plan"]
    """What was known of the run when this was computed."""
    runs: int
    """How many finished runs it is computed from; 0: none was similar, and the figures are the caps."""
    cost_usd_low: float
    cost_usd_high: float | None
    """None: nothing is known and there is no cap."""
    seconds_low: float
    seconds_high: float | None

    def projected_usd(self, spent_usd: float) -> tuple[float, float] | None:
        """What the run will have cost in the end, now that this much is spent; None: there is nothing to tell it by."""
        if not self.runs:
            return None
        return max(self.cost_usd_low, spent_usd), max(self.cost_usd_high or 0.0, spent_usd)

    @property
    def words(self) -> str:
        """E.g. "about $0.80–2.10, 12–25 min, from 7 similar runs"."""
        if self.runs:
            money = f"about ${self.cost_usd_low:,.2f}–{self.cost_usd_high or 0:,.2f}"
            return f"{money}, {_span(self.seconds_low, self.seconds_high or 0)}, from {self.runs} similar runs"
        if self.cost_usd_high is None:
            return "no similar runs yet to forecast from, and no budget"
        return f"no similar runs yet to forecast from; at most ${self.cost_usd_high:,.2f}, its budget"


def _span(low: float, high: float) -> str:
    if high < 100:
        return f"{low:.0f}–{high:.0f} s"
    return f"{low / 60:.0f}–{high / 60:.0f} min" if high < 7200 else f"{low / 3600:.1f}–{high / 3600:.1f} h"
