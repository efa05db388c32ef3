"""The panel: simulated users and the product tester, each with a fresh product of their own."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from langgraph.runtime import Runtime

from macrohard.agent import SIMULATED_USERS, Bench, OpenBench, Persona
from macrohard.domain import (
    Design,
    Finding,
    JsonObject,
    Looks,
    Specification,
    Unclear,
    UserReport,
    UserSession,
    UserStep,
)
from macrohard.errors import SandboxUnavailable
from macrohard.events import Doubted, Found, Pictured, Used
from macrohard.factory.context import FactoryContext
from macrohard.factory.panel import stumbles
from macrohard.factory.phases import phase
from macrohard.factory.problems import Findings
from macrohard.factory.reports import TesterReport
from macrohard.factory.state import State, VisitInput
from macrohard.factory.verification import TESTER
from macrohard.product import UserVisit, View, open_visit, reproduce


async def use(state: VisitInput, runtime: Runtime[FactoryContext]) -> State:
    """One visitor uses the product of one commit, and what they found is kept."""
    context, iteration, visitor = runtime.context, state["iteration"], state["visitor"]
    specification = await context.load(Specification, state["specification"])
    design = await context.load(Design, state["design"])
    persona = None if visitor == TESTER else context.catalogue.personas[visitor]
    seen: list[Looks] = []
    async with context.slots, phase(context.emit, "use", iteration):
        result = await context.session(
            context.catalogue.agent(TESTER if persona is None else SIMULATED_USERS[specification.kind]).working_on(
                specification.kind
            ),
            iteration=iteration,
            phase="use",
            name=visitor,
            task=f"Test {specification.title}." if persona is None else f"Use {specification.title}.",
            material=_material(persona, specification, design),
            report=TesterReport if persona is None else UserReport,
            open_bench=_product(context, persona, state["commit"], design, seen if state.get("pictured") else None),
            base=state["commit"],
            persona=visitor if persona else None,
        )
    for looks in seen:
        await context.emit(Pictured(iteration=iteration, looks=looks))
    recorded = UserVisit.read_record(result.record)
    visits: list[str] = []
    findings = list(recorded.findings)
    if persona is not None:
        report = UserReport.model_validate(result.report) if result.outcome == "finished" else None
        steps = judged(recorded.steps, report)
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
        unclear = tuple(
            Unclear(criterion=checked.criterion, why=checked.evidence)
            for checked in tested.checklist
            if checked.verdict == "UNCLEAR"
        )
        await context.emit(
            Doubted(iteration=iteration, commit=state["commit"], unclear=unclear, checklist=tested.checklist)
        )
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
    return {"findings": [await context.keep(Findings(findings=again))], "visits": visits}


def _material(persona: Persona | None, specification: Specification, design: Design) -> JsonObject:
    if persona is None:
        return {"specification": specification.model_dump(mode="json"), "design": design.model_dump(mode="json")}
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


def judged(steps: tuple[UserStep, ...], report: UserReport | None) -> tuple[UserStep, ...]:
    """The steps, the last one rated by the report; what broke stays shocking."""
    if not steps or report is None:
        return steps
    rated = [each for each in (report.last_surprise, steps[-1].surprise) if each is not None]
    remark = report.last_remark or steps[-1].remark
    last = steps[-1].model_copy(update={"surprise": max(rated, default=None), "remark": remark})
    return (*steps[:-1], last)


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
