"""What shows that criteria hold: every check of every iteration, and the evidence as a person can read it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import ValidationError

from macrohard.domain import CriterionState, IterationSummary, RunOverview, Scenario, Value, Verdict
from macrohard.domain.printable import cut
from macrohard.domain.verdict import Exchange, Exchanges
from macrohard.store.artifacts import ArtifactStore

Mark = Literal["passed", "failed", "not run", "none"]

LOG_CHARACTERS = 4000
EXCHANGES = 40
OF_ONE = 4000
"""Characters of what was asked, or answered."""


class Cell(Value):
    """What the checks of one criterion said in one iteration."""

    iteration: int
    mark: Mark
    """The worst of them; none: nothing was checked."""
    passed: int
    of: int
    decided: bool
    """Whether it was judged whether the iteration is kept."""


class MatrixRow(Value):
    """A criterion over all iterations."""

    state: CriterionState
    cells: tuple[Cell, ...]

    @property
    def stands(self) -> str:
        """How it stands, in words: what was never checked, or not decided upon, is not held against the product."""
        if self.state.status != "unmet":
            return self.state.status
        if self.cells and self.cells[-1].mark == "passed" and not self.cells[-1].decided:
            return "passing"
        is_known = any(cell.of and (cell.decided or cell.mark == "failed") for cell in self.cells)
        return "unmet" if is_known else "to be shown"


class Evidence(Value):
    """One artifact as a page shows it."""

    digest: str
    kind: Literal["picture", "text", "film", "file", "gone"]
    text: str = ""


class Tried(Value):
    """One scenario in one iteration."""

    iteration: int
    kept: bool | None
    verdict: Verdict
    evidence: tuple[Evidence, ...]
    exchanges: tuple[Exchange, ...]
    left_out: int
    """Exchanges that are not shown."""


class Shown(Value):
    """A scenario, and each time it was tried, the latest first."""

    scenario: Scenario
    tries: tuple[Tried, ...]


class VerdictChange(Value):
    """A check that says something else than it did, or says it for the first time."""

    verdict: Verdict
    before: Verdict | None


def matrix(overview: RunOverview) -> tuple[MatrixRow, ...]:
    """One row for each criterion, one cell for each iteration."""
    said: dict[tuple[int, str], list[Verdict]] = defaultdict(list)
    for each in overview.iterations:
        for verdict in each.verdicts:
            said[each.number, verdict.check].append(verdict)
    return tuple(
        MatrixRow(
            state=state,
            cells=tuple(
                _cell(each, [verdict for one in state.scenarios for verdict in said.get((each.number, one.id), ())])
                for each in overview.iterations
            ),
        )
        for state in overview.criteria
    )


def _cell(iteration: IterationSummary, verdicts: Sequence[Verdict]) -> Cell:
    said = {verdict.status for verdict in verdicts}
    mark: Mark = "none"
    if verdicts:
        mark = "failed" if "failed" in said else "not run" if "not run" in said else "passed"
    passed = sum(1 for verdict in verdicts if verdict.status == "passed")
    return Cell(
        iteration=iteration.number, mark=mark, passed=passed, of=len(verdicts), decided=iteration.kept is not None
    )


async def shown(overview: RunOverview, state: CriterionState, artifacts: ArtifactStore) -> tuple[Shown, ...]:
    """Every scenario of the criterion with all that was seen of it."""
    ids = {scenario.id for scenario in state.scenarios}
    verdicts = [verdict for each in overview.iterations for verdict in each.verdicts if verdict.check in ids]
    kinds = await artifacts.media_types({digest for verdict in verdicts for digest in verdict.evidence})
    found = []
    for scenario in state.scenarios:
        tries = []
        for iteration in reversed(overview.iterations):
            for verdict in iteration.verdicts:
                if verdict.check == scenario.id:
                    asked, left_out = await _exchanges(verdict, artifacts)
                    tries.append(
                        Tried(
                            iteration=iteration.number, kept=iteration.kept, verdict=verdict, exchanges=asked,
                            evidence=await _evidence(verdict.evidence, kinds, artifacts), left_out=left_out,
                        )
                    )  # fmt: skip
        found.append(Shown(scenario=scenario, tries=tuple(tries)))
    return tuple(found)


async def _evidence(digests: Sequence[str], kinds: Mapping[str, str], artifacts: ArtifactStore) -> tuple[Evidence, ...]:
    """Pictures as pictures, texts as their end; what is gone is said to be."""
    found = []
    for digest in digests:
        match kinds.get(digest, "gone").partition(";")[0].partition("/")[0]:
            case "gone":
                found.append(Evidence(digest=digest, kind="gone"))
            case "image":
                found.append(Evidence(digest=digest, kind="picture"))
            case "video":
                found.append(Evidence(digest=digest, kind="film"))
            case "text":
                try:
                    text = (await artifacts.get(digest)).decode(errors="replace")[-LOG_CHARACTERS:].strip()
                except KeyError:
                    found.append(Evidence(digest=digest, kind="gone"))
                else:
                    found.append(Evidence(digest=digest, kind="text", text=text))
            case _:
                found.append(Evidence(digest=digest, kind="file"))
    return tuple(found)


async def _exchanges(verdict: Verdict, artifacts: ArtifactStore) -> tuple[tuple[Exchange, ...], int]:
    if verdict.exchanges is None:
        return (), 0
    try:
        told = Exchanges.model_validate_json(await artifacts.get(verdict.exchanges))
    except (KeyError, ValidationError):
        return (), 0
    asked = tuple(
        Exchange(asked=cut(each.asked, OF_ONE), answered=cut(each.answered, OF_ONE))
        for each in told.exchanges[:EXCHANGES]
    )
    return asked, told.left_out + len(told.exchanges) - len(asked)


def changed_verdicts(now: Sequence[Verdict], before: Sequence[Verdict]) -> tuple[VerdictChange, ...]:
    """What each check says and said, lost ones first, then gained ones, then those that stayed as they were."""
    earlier = {verdict.check: verdict for verdict in before}
    rows = [VerdictChange(verdict=verdict, before=earlier.get(verdict.check)) for verdict in now]

    def rank(row: VerdictChange) -> tuple[int, int]:
        was = None if row.before is None else row.before.status
        changed = was is not None and was != row.verdict.status
        return (0 if changed else 1, 0 if row.verdict.status != "passed" else 1)

    return tuple(sorted(rows, key=rank))
