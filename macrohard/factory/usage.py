"""The panel: simulated users and the product tester, each with a fresh product of their own."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from langgraph.runtime import Runtime

from macrohard.agent import SIMULATED_USERS, Bench, OpenBench, Persona
from macrohard.domain import (
    Checked,
    Design,
    Finding,
    JsonObject,
    Looks,
    Specification,
    Unclear,
    UserReport,
    UserSession,
    Value,
)
from macrohard.errors import SandboxUnavailable
from macrohard.events import Doubted, Found, Pictured, Progress, Used
from macrohard.factory.context import FactoryContext
from macrohard.factory.contract import PATCH_BYTES, agreed, criteria_served, matters, touched
from macrohard.factory.panel import rated, stumbles
from macrohard.factory.phases import phase
from macrohard.factory.problems import Findings, Problem, Problems
from macrohard.factory.reports import TesterReport
from macrohard.factory.state import State, VisitInput
from macrohard.factory.verification import TESTER
from macrohard.product import UserVisit, View, open_visit, pattern_of, reproduce

BEFORE: Final = "(At an earlier visit:)"
"""Begins what the product tester said of a criterion that it was not sent to again."""


class Inspection(Value):
    """What the product tester said of one commit, and before of what has not changed since."""

    commit: str
    findings: tuple[Finding, ...] = ()
    checklist: tuple[Checked, ...] = ()

    @property
    def unclear(self) -> tuple[Unclear, ...]:
        """Criteria that it could not judge."""
        return tuple(
            Unclear(criterion=checked.criterion, why=checked.evidence)
            for checked in self.checklist
            if checked.verdict == "UNCLEAR"
        )


async def use(state: VisitInput, runtime: Runtime[FactoryContext]) -> State:
    """One visitor uses the product of one commit, and what they found is kept.

    The product tester goes, after the first time, where something changed or something was found, and is not sent
    where no code changed: what it said stands.
    """
    context, iteration, visitor = runtime.context, state["iteration"], state["visitor"]
    specification = await context.load(Specification, state["specification"])
    design = await context.load(Design, state["design"])
    persona = None if visitor == TESTER else context.catalogue.personas[visitor]
    seen: list[Looks] = []
    before = await context.load(Inspection, state["tested"]) if persona is None and state["tested"] else None
    if before is not None:
        changed = await context.repository.changed_files(before.commit, state["commit"])
        if not any(matters(path, tests=False) for path in changed):
            await context.emit(Progress(text=f"{visitor}: nothing changed that it tests"))
            said = tuple(_of_before(each) for each in before.checklist)
            stands = Inspection(commit=state["commit"], checklist=said)
            await context.emit(_doubted(iteration, stands))
            for finding in before.findings:
                await context.emit(Found(iteration=iteration, finding=finding))
            return {"findings": [await context.keep(Findings(findings=before.findings))]}
    async with context.slots, phase(context.emit, "use", iteration):
        result = await context.session(
            context.catalogue.agent(TESTER if persona is None else SIMULATED_USERS[specification.kind]).working_on(
                specification.kind
            ),
            iteration=iteration,
            phase="use",
            name=visitor,
            task=f"Test {specification.title}." if persona is None else f"Use {specification.title}.",
            material=_material(persona, specification, design)
            if before is None
            else await to_test_again(context, state, before, specification, design),
            report=TesterReport if persona is None else UserReport,
            open_bench=_product(context, persona, state["commit"], design, seen if state.get("pictured") else None),
            base=state["commit"],
            persona=visitor if persona else None,
        )
    for looks in seen:
        await context.emit(Pictured(iteration=iteration, looks=looks))
    recorded = UserVisit.read_record(result.record)
    visits: list[str] = []
    update: State = {}
    inspection: Inspection | None = None
    findings = list(recorded.findings)
    if persona is not None:
        report = UserReport.model_validate(result.report) if result.outcome == "finished" else None
        steps = rated(recorded.steps, report)
        findings += stumbles(visitor, state["commit"], steps, report)
        session = UserSession(
            persona=visitor,
            goal=" ".join(specification.stories[:2]) or specification.summary,
            commit=state["commit"],
            steps=steps,
            report=report,
            width=persona.width,
            height=persona.height,
        )
        await context.emit(Used(iteration=iteration, session=session))
        visits.append(await context.keep(session))
    elif result.outcome == "finished":
        tested = TesterReport.model_validate(result.report)
        findings += _tester_findings(state["commit"], tested)
        named = {checked.criterion for checked in tested.checklist}
        kept = (each for each in (before.checklist if before else ()) if each.criterion not in named)
        inspection = Inspection(
            commit=state["commit"], checklist=(*(_of_before(each) for each in kept), *tested.checklist)
        )
        await context.emit(_doubted(iteration, inspection))
    again = await reproduce(
        context.sandboxes,
        findings,
        recorded.acts,
        bundle=await context.repository.bundle(state["commit"]),
        commit=state["commit"],
        view=persona.view if persona else View(),
        design=design,
    )
    for finding in again:
        await context.emit(Found(iteration=iteration, finding=finding))
    if inspection is not None:
        update["tested"] = await context.keep(inspection.model_copy(update={"findings": again}))
    return {**update, "findings": [await context.keep(Findings(findings=again))], "visits": visits}


def _doubted(iteration: int, said: Inspection) -> Doubted:
    return Doubted(iteration=iteration, commit=said.commit, unclear=said.unclear, checklist=said.checklist)


def _of_before(checked: Checked) -> Checked:
    """Said at an earlier visit, whose steps have other numbers."""
    evidence = f"{BEFORE} {checked.evidence.removeprefix(BEFORE).lstrip()}"
    return checked.model_copy(update={"evidence": evidence})


async def to_test_again(
    context: FactoryContext, state: VisitInput, before: Inspection, specification: Specification, design: Design
) -> JsonObject:
    """What changed since the product tester was there, what it is to look at once more, and where the rest is."""
    repository, commit = context.repository, state["commit"]
    patch = await repository.diff(before.commit, commit, limit_bytes=PATCH_BYTES)
    problems = (await context.load(Problems, state["problems"])).problems if state["problems"] else ()
    noticed: list[Finding | Problem] = [*before.findings, *(problem for problem in problems if problem.page)]
    found: dict[str, JsonObject] = {
        each.title: {"title": each.title, "detail": each.detail, "page": each.page, "element": each.element}
        for each in noticed
    }
    criteria = {
        *(checked.criterion for checked in before.checklist if checked.verdict != "PASS"),
        *state["gained"],
        *(problem.criterion for problem in problems if problem.criterion),
        *await criteria_served(repository, before=before.commit, commit=commit),
    }
    told = touched(
        specification,
        # Its rules stand in the criteria, and what they store nobody sees.
        design.model_copy(update={"data_model": {}}),
        told=f"{patch}\n{list(found.values())}",
        criteria=criteria,
        pages={pattern_of(each.page) for each in noticed if each.page},
    )
    shown = {screen.path for screen in Design.model_validate(told["design"]).screens}
    elsewhere = [f"{screen.path}: {screen.title}" for screen in design.screens if screen.path not in shown]
    return {**told, "retest": list(found.values()), "elsewhere": list(elsewhere)}


def _material(persona: Persona | None, specification: Specification, design: Design) -> JsonObject:
    if persona is None:
        return {"specification": agreed(specification), "design": design.model_dump(mode="json")}
    pages = specification.kind == "web"
    return {
        "persona": {"name": persona.name, "description": persona.description, "behaviour": persona.behaviour},
        "product": {
            "title": specification.title,
            "summary": specification.summary,
            **({"address": "/"} if pages else {"kind": specification.kind}),
            "environment": dict(design.environment),
        },
        "stories": list(specification.stories),
    }


def _product(
    context: FactoryContext, persona: Persona | None, commit: str, design: Design, seen: list[Looks] | None
) -> OpenBench:
    """The product to be used; how it looks after the visit is added to `seen`, if it is given."""

    @asynccontextmanager
    async def open_bench(saved: str | None) -> AsyncIterator[Bench]:
        async with open_visit(
            context.sandboxes,
            bundle=await context.repository.bundle(commit),
            commit=commit,
            artifacts=context.artifacts,
            visitor=persona.name if persona else TESTER,
            view=persona.view if persona else View(),
            keyboard_only=persona.keyboard_only if persona else False,
            patience=persona.patience if persona else None,
            design=design,
        ) as visit:
            yield Bench(visit=visit)
            if seen is not None:
                # Pictures for the report: the visit counts without them.
                with suppress(SandboxUnavailable):
                    seen.extend(filter(None, [await visit.looks()]))

    return open_bench


def _tester_findings(commit: str, report: TesterReport) -> list[Finding]:
    found = [
        Finding(
            id=f"{TESTER}-{number}",
            commit=commit,
            found_by=TESTER,
            category=finding.category,
            severity=finding.severity,
            title=finding.title,
            detail=finding.detail,
            page=finding.page,
            element=finding.element,
        )
        for number, finding in enumerate(report.findings, 1)
    ]
    told = " ".join(f"{finding.title} {finding.detail}" for finding in report.findings)
    return found + [
        Finding(
            id=f"{TESTER}-{checked.criterion}",
            commit=commit,
            found_by=TESTER,
            category="misleading",
            severity=3,
            title=f"{checked.criterion} does not hold for the tester",
            detail=checked.evidence,
        )
        for checked in report.checklist
        # Whoever fails a criterion and names it in a finding has said it already.
        if checked.verdict == "FAIL" and not re.search(rf"\b{re.escape(checked.criterion)}\b", told)
    ]
