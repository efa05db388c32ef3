"""What holds of a commit: the one rule by which verdicts make a criterion met and a product delivered."""

from collections.abc import Iterable, Sequence
from typing import Final

from macrohard.domain.run import CriterionStatus
from macrohard.domain.scenario import Scenario
from macrohard.domain.specification import Criterion, ProductKind, Specification
from macrohard.domain.value import Value
from macrohard.domain.verdict import CheckKind, Verdict

GATES: Final[tuple[CheckKind, ...]] = ("manifest", "install", "start", "tests")
"""Checks of the whole product; all others only tell."""


class Lacking(Value):
    """What keeps a commit from being delivered."""

    criteria: tuple[str, ...] = ()
    """MUSTs without a green, fresh verdict on each of their scenarios, or without any scenario."""
    gates: tuple[CheckKind, ...] = ()
    """Checks of the whole product that did not pass on this commit."""

    @property
    def delivered(self) -> bool:
        """Whether nothing is lacking."""
        return not self.criteria and not self.gates


def gates_of(kind: ProductKind) -> tuple[CheckKind, ...]:
    """The checks of the whole product that have to pass; what has no service need not start."""
    return tuple(gate for gate in GATES if gate != "start" or kind in ("web", "api"))


def status_of(
    criterion: Criterion, *, scenarios: Sequence[Scenario], verdicts: Iterable[Verdict], commit: str | None
) -> CriterionStatus:
    """Whether the criterion holds at the commit.

    It is met only if there is a scenario for it, and each passed on this very commit. Of several verdicts of one check
    on one commit the last counts. Verdicts on other commits only tell what is stale: what passed once, and was not
    tried since. Which criterion a verdict is about is the scenario's to say.

    Args:
        scenarios: all that count, of every criterion.
        commit: of the product; None: there is none yet.
    """
    if not criterion.covered:
        return "not covered"
    own = {scenario.id for scenario in scenarios if scenario.criterion == criterion.id}
    if not own:
        return "not checked" if scenarios else "unmet"
    here: dict[str, Verdict] = {}
    elsewhere: dict[str, Verdict] = {}
    for verdict in verdicts:
        if verdict.kind == "scenario" and verdict.check in own:
            (here if verdict.commit == commit else elsewhere)[verdict.check] = verdict
    if commit is None or any(verdict.status != "passed" for verdict in here.values()):
        return "unmet"
    if here.keys() == own:
        return "met"
    untried = own - here.keys()
    passed_once = untried <= elsewhere.keys() and all(elsewhere[each].status == "passed" for each in untried)
    return "stale" if passed_once else "unmet"


def passed_gates(verdicts: Iterable[Verdict], *, commit: str) -> frozenset[CheckKind]:
    """The gates whose last verdict on this commit is that they passed."""
    last = {verdict.kind: verdict for verdict in verdicts if verdict.kind in GATES and verdict.commit == commit}
    return frozenset(kind for kind, verdict in last.items() if verdict.status == "passed")


def lacking(
    specification: Specification, *, scenarios: Sequence[Scenario], verdicts: Sequence[Verdict], commit: str
) -> Lacking:
    """What keeps the commit from being delivered: a MUST or a gate that is not known to hold does not hold."""
    passed = passed_gates(verdicts, commit=commit)
    return Lacking(
        criteria=tuple(
            criterion.id
            for criterion in specification.criteria
            if criterion.priority == "MUST"
            and status_of(criterion, scenarios=scenarios, verdicts=verdicts, commit=commit) != "met"
        ),
        gates=tuple(gate for gate in gates_of(specification.kind) if gate not in passed),
    )
