"""Scenarios are read by a second agent before they count: objections, one round of answers, and what is left over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from pydantic import Field

from macrohard.agent.compaction import MOST_SHARE
from macrohard.domain import Design, JsonObject, ProductKind, Scenario, ScenarioSet, Specification, Value
from macrohard.domain.review import ContractFlaw, Disputed, Objection
from macrohard.errors import AgentGaveUp, ToolError
from macrohard.factory.context import FactoryContext
from macrohard.factory.contract import agreed
from macrohard.factory.steps import described, portions, report_for, tokens_of, told

WRITER, REVIEWER, DESIGNER = "scenario-writer", "scenario-reviewer", "designer"
OPENING_TOKENS: Final = 8_000
"""What a reviewer is told besides its material, and some room for its answers."""
_LISTS = ("screens", "routes", "commands")


class ScenarioReview(Value):
    """Every scenario that was given, once: accepted, or objected to."""

    accepted: tuple[str, ...] = ()
    """Ids."""
    objections: tuple[Objection, ...] = ()
    contract_flaws: tuple[ContractFlaw, ...] = ()
    """What is wrong with specification or design themselves; most often nothing is."""


class ScenarioRevision(Value):
    """An answer to every objection: the scenario under its old id, or its withdrawal."""

    scenarios: tuple[Scenario, ...] = ()
    """Mended; one that stays word for word is one that you stand by, and it will not count."""
    withdrawn: tuple[str, ...] = ()
    """Ids of those that test nothing that another does not test."""


class ContractRevision(Value):
    """The design once more, so that everything in it and in the specification can be kept at the same time."""

    design: Design | None = None
    """All of it, mended with as little different as will do; None if nothing is wrong with it."""
    answers: tuple[str, ...] = Field(min_length=1)
    """To each flaw, in order: what holds from now on, in words for coders and testers; or why it is none."""


class Reviewed(NamedTuple):
    """What became of the scenarios."""

    counted: ScenarioSet
    disputed: tuple[Disputed, ...] = ()
    unreviewed: str = ""
    """Why they, or some of them, count without a second opinion; empty if all have one."""
    design: Design | None = None
    """Mended, because it could not be kept; None: it stays as it was."""
    settled: tuple[str, ...] = ()
    """What was said about each flaw of the contract."""


def contract_of(context: FactoryContext, specification: Specification, design: Design) -> JsonObject:
    """What writer and reviewer go by; of an existing product also what lies where and what breaks easily."""
    about = context.ground.about if context.ground is not None else {}
    known: JsonObject = {name: about[name] for name in ("places", "cautions") if about.get(name)}
    return {
        "specification": agreed(specification),
        "design": design.model_dump(mode="json"),
        **({"repository": known} if known else {}),
    }


@dataclass(frozen=True)
class _Talk:
    """Who asks whom about what."""

    context: FactoryContext
    kind: ProductKind
    contract: JsonObject
    files: JsonObject
    """Of the scenarios that are talked about."""


async def reviewed(
    context: FactoryContext,
    specification: Specification,
    design: Design,
    written: ScenarioSet,
    *,
    check: Callable[[Sequence[Scenario]], None],
    check_design: Callable[[Design], None],
) -> Reviewed:
    """Have the scenarios reviewed: one call where nobody objects and they fit it, and a few more sessions else.

    What the writer withdraws is gone. What is disputed after one round of answers does not count, so that no product
    fails by it. What no reviewer handed in a word about counts, and the run says so wherever it is shown. Where the
    reviewer finds that the contract cannot be kept, a designer settles it once, before the writer answers.

    `check` raises a ToolError about scenarios that cannot be run, `check_design` about a design that is none.
    """
    files: JsonObject = {"files": [file.model_dump(mode="json") for file in written.files]} if written.files else {}
    talk = _Talk(context, specification.kind, contract_of(context, specification, design), files)
    review, unreviewed = await _review(talk, written.scenarios)
    before = {scenario.id: scenario for scenario in written.scenarios}
    objected = {objection.scenario: objection for objection in review.objections}
    resting = {
        each: Objection(
            scenario=each, flaw="not in the contract", reason=f"It rests on a contradiction: {flaw.problem}"
        )
        for flaw in review.contract_flaws
        for each in flaw.scenarios
        if each in before and each not in objected
    }
    mended_design, settled = None, tuple[str, ...]()
    if review.contract_flaws:
        mended_design, settled = await _contract_settled(
            talk, specification, design, review.contract_flaws, check_design
        )
        contract = contract_of(context, specification, mended_design or design)
        answered: JsonObject = {"contract_settled": list(settled)} if settled else {}
        talk = _Talk(context, specification.kind, {**contract, **answered}, files)
    objected |= resting
    if not objected:
        return Reviewed(written.laid_out, unreviewed=unreviewed, design=mended_design, settled=settled)
    try:
        revision = await _revision(talk, [(before[each], objected[each]) for each in objected], check)
    except AgentGaveUp:
        revision = ScenarioRevision(scenarios=tuple(before[each] for each in objected))
    mended = {scenario.id: scenario for scenario in revision.scenarios}
    # With another contract the same words may be right.
    changed = [each for each in revision.scenarios if each != before[each.id] or (settled and each.id in resting)]
    if changed:
        try:
            second = await _review_portion(talk, changed, name=f"{REVIEWER}+1")
        except AgentGaveUp:
            second = ScenarioReview()
        objected |= {objection.scenario: objection for objection in second.objections}
        for accepted in second.accepted:
            del objected[accepted]
    final = [
        mended.get(scenario.id, scenario) for scenario in written.scenarios if scenario.id not in revision.withdrawn
    ]
    return Reviewed(
        ScenarioSet(scenarios=tuple(written.with_files(each) for each in final if each.id not in objected)),
        tuple(
            Disputed(scenario=written.with_files(each), objection=objected[each.id])
            for each in final
            if each.id in objected
        ),
        unreviewed,
        mended_design,
        settled,
    )


async def _review(talk: _Talk, scenarios: Sequence[Scenario]) -> tuple[ScenarioReview, str]:
    """What was said of all, in as many sessions as the reviewer's window needs; and of which nobody said anything."""
    role = talk.context.catalogue.agent(REVIEWER).model
    room = int(MOST_SHARE * talk.context.model.context_tokens(role)) - OPENING_TOKENS
    room -= tokens_of({**talk.contract, **talk.files, "steps": described(scenarios)})
    parts = portions(scenarios, tokens=room)
    accepted: list[str] = []
    objections: list[Objection] = []
    flaws: list[ContractFlaw] = []
    unreviewed: list[str] = []
    for number, part in enumerate(parts, 1):
        try:
            review = await _review_portion(talk, part, name=REVIEWER if number == 1 else f"{REVIEWER}-{number}")
        except AgentGaveUp as error:
            named = "" if len(parts) == 1 else f"{', '.join(each.id for each in part)}: "
            unreviewed.append(f"{named}{error}")
            continue
        accepted += review.accepted
        objections += review.objections
        flaws += review.contract_flaws
    found = ScenarioReview(accepted=tuple(accepted), objections=tuple(objections), contract_flaws=tuple(flaws))
    return found, "; ".join(unreviewed)


async def _review_portion(talk: _Talk, scenarios: Sequence[Scenario], *, name: str) -> ScenarioReview:
    ids = sorted(scenario.id for scenario in scenarios)

    def check(report: ScenarioReview) -> None:
        said = sorted([*report.accepted, *(objection.scenario for objection in report.objections)])
        if said != ids:
            raise ToolError(f"name each of {', '.join(ids)} once, as accepted or in one objection; you named {said}")
        named = {each for flaw in report.contract_flaws for each in flaw.scenarios}
        if strangers := sorted(named - set(ids)):
            raise ToolError(f"contract_flaws: {', '.join(strangers)} are not among the scenarios")

    again = " that were mended" if name.endswith("+1") else ""
    return await talk.context.document(
        ScenarioReview,
        agent=REVIEWER,
        iteration=0,
        phase="scenarios",
        name=name,
        task=f"Review {len(ids)} acceptance scenarios{again}.",
        material={
            **talk.contract,
            **talk.files,
            "steps": described(scenarios),
            "scenarios": [told(scenario) for scenario in scenarios],
        },
        check=check,
    )


async def _contract_settled(
    talk: _Talk,
    specification: Specification,
    design: Design,
    flaws: Sequence[ContractFlaw],
    check: Callable[[Design], None],
) -> tuple[Design | None, tuple[str, ...]]:
    """The mended design, if it has to be another, and an answer to each flaw; neither if nobody handed one in."""

    def check_answers(report: ContractRevision) -> None:
        if len(report.answers) != len(flaws):
            raise ToolError(f"answers: one for each of the {len(flaws)} flaws, in their order")
        if report.design is None:
            return
        check(report.design)
        # Coders are at work on it already, and who hands in only what is different would take the rest from them.
        for each in _LISTS:
            there, was = len(getattr(report.design, each)), len(getattr(design, each))
            if there < was:
                raise ToolError(f"design: {there} {each} where there were {was}; hand in the whole design")

    try:
        report = await talk.context.document(
            ContractRevision,
            agent=DESIGNER,
            iteration=0,
            phase="design",
            name=f"{DESIGNER}+1",
            task=f"Settle {len(flaws)} flaws of the contract of {specification.title}.",
            material={**talk.contract, "contract_flaws": [flaw.model_dump(mode="json") for flaw in flaws]},
            check=check_answers,
        )
    except AgentGaveUp:
        return None, ()
    return (report.design if report.design != design else None), report.answers


async def _revision(
    talk: _Talk, objections: Sequence[tuple[Scenario, Objection]], check: Callable[[Sequence[Scenario]], None]
) -> ScenarioRevision:
    criteria = {scenario.id: scenario.criterion for scenario, _ in objections}

    def check_answers(report: ScenarioRevision) -> None:
        said = sorted([*(scenario.id for scenario in report.scenarios), *report.withdrawn])
        if said != sorted(criteria):
            raise ToolError(f"answer each of {', '.join(sorted(criteria))} once: mended or withdrawn; you named {said}")
        if moved := [each.id for each in report.scenarios if each.criterion != criteria[each.id]]:
            raise ToolError(f"{', '.join(moved)}: a mended scenario tests the criterion that it tested before")
        check(report.scenarios)

    report = await talk.context.document(
        report_for(talk.kind, ScenarioRevision),
        agent=WRITER,
        iteration=0,
        phase="scenarios",
        name=f"{WRITER}+1",
        task=f"Answer {len(criteria)} objections to your scenarios.",
        material={
            **talk.contract,
            **talk.files,
            "objections": [
                {
                    "scenario": scenario.as_told,
                    **objection.model_dump(mode="json", exclude={"scenario"}),
                }
                for scenario, objection in objections
            ],
        },
        check=check_answers,
    )
    return ScenarioRevision.model_validate(report.model_dump())
