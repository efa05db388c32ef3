"""Simulated users and the product tester in front of real products: calm on a right one, precise on a wrong one."""

import pytest

from macrohard.agent import load_catalogue
from macrohard.bundled import folder
from macrohard.domain import Design, JsonObject, Look, Specification
from macrohard.errors import ToolError
from macrohard.llm.builtin.blueprint import Blueprint
from macrohard.llm.builtin.conversation import Conversation, Exchange
from macrohard.llm.builtin.users import turn
from macrohard.llm.builtin.webapp import conventions, files, screens
from macrohard.llm.builtin.webapp.mistakes import mistakes_for, with_mistakes
from macrohard.product import View, VisitRecord, open_visit
from macrohard.sandbox import SandboxProvider
from tests.llm.acceptance.products import LIBRARY, MEMBERS, ROOMS, TASKS
from tests.llm.acceptance.running import Artifacts, committed

PERSONAS = ("wrong-input-first", "keyboard-only", "phone", "returning", "impatient", "reads-everything")
"""Those with a habit of their own, and one without."""
PEOPLE = load_catalogue((folder("agents"),), images=frozenset({"base", "web", "browser", "media"})).personas
TESTER = "product-tester"


def material_of(blueprint: Blueprint, visitor: str) -> JsonObject:
    if visitor != TESTER:
        product: JsonObject = {"title": blueprint.title, "summary": "", "address": "/"}
        return {"persona": {"name": visitor, "description": "", "behaviour": ""}, "product": product, "stories": []}
    design = Design(summary="", screens=screens(blueprint), conventions=conventions(blueprint))
    specification = Specification(decision="build", title=blueprint.title)
    return {"specification": specification.model_dump(mode="json"), "design": design.model_dump(mode="json")}


async def visit(
    sandboxes: SandboxProvider, blueprint: Blueprint, visitor: str, changes: dict[str, str] | None = None
) -> tuple[JsonObject, VisitRecord]:
    """A whole visit: the report, and what was recorded."""
    commit = committed({**files(blueprint, Look()), **(changes or {})})
    exchanges: list[Exchange] = []
    persona = None if visitor == TESTER else PEOPLE[visitor]
    async with open_visit(
        sandboxes,
        bundle=commit.bundle,
        commit=commit.commit,
        artifacts=Artifacts(),
        visitor=visitor,
        view=persona.view if persona else View(),
        keyboard_only=persona is not None and persona.keyboard_only,
        patience=persona.patience if persona else None,
    ) as browser:
        while True:
            conversation = Conversation(
                agent=TESTER if visitor == TESTER else "simulated-user",
                phase="use",
                persona=None if visitor == TESTER else visitor,
                material=material_of(blueprint, visitor),
                tools=frozenset({"look", "act", "finish"}),
                exchanges=tuple(exchanges),
            )
            (call,) = turn(conversation).calls
            if call.name == "finish":
                return call.arguments, VisitRecord.model_validate(browser.record())
            try:
                answer = await (browser.look() if call.name == "look" else browser.act(**call.arguments))  # type: ignore[arg-type]
            except ToolError as error:
                answer = f"Error: {error}"
            exchanges.append(Exchange(call=call, result=answer))


@pytest.mark.parametrize(
    ("blueprint", "visitor"),
    [
        *(pytest.param(TASKS, persona, id=f"tasks: {persona}") for persona in (*PERSONAS, TESTER)),
        pytest.param(LIBRARY, "returning", id="library: returning"),
        pytest.param(ROOMS, TESTER, id="rooms: product-tester"),
        pytest.param(MEMBERS, "keyboard-only", id="members: keyboard-only"),
    ],
)
async def test_a_right_product_surprises_nobody(sandboxes: SandboxProvider, blueprint: Blueprint, visitor: str) -> None:
    report, record = await visit(sandboxes, blueprint, visitor)
    assert [(step.action, step.remark) for step in record.steps if (step.surprise or 0) >= 2] == []
    assert record.findings == ()
    assert report.get("findings", []) == []
    assert report.get("goal_reached", True) is True
    assert all(step.intention and step.expectation for step in record.steps)
    assert len(record.steps) <= {TESTER: 52}.get(visitor, 36)


def wrong(blueprint: Blueprint, kind: str) -> dict[str, str]:
    right = files(blueprint, Look())
    return with_mistakes([one for one in mistakes_for(blueprint, right) if one.kind == kind], right)


async def test_odd_characters_that_crash_the_product_are_noticed(sandboxes: SandboxProvider) -> None:
    report, record = await visit(sandboxes, TASKS, "wrong-input-first", wrong(TASKS, "crash on odd input"))
    assert report["goal_reached"] is False
    assert max(step.surprise or 0 for step in record.steps) == 3
    assert "the product broke: POST /tasks/new answered 500" in " ".join(step.remark for step in record.steps)
    assert [finding.category for finding in record.findings] == ["crash"]


async def test_an_input_without_a_label_is_noticed(sandboxes: SandboxProvider) -> None:
    report, record = await visit(sandboxes, TASKS, TESTER, wrong(TASKS, "unlabelled input"))
    findings = report["findings"]
    assert isinstance(findings, list)
    assert 'no searchbox "Search"' in str(findings).replace("“", '"').replace("”", '"')
    assert {finding.category for finding in record.findings} == {"accessibility"}


async def test_an_empty_record_that_is_accepted_is_noticed(sandboxes: SandboxProvider) -> None:
    right = files(TASKS, Look())
    careless = {"app/fields.py": right["app/fields.py"].replace("if field.required:", "if field.required and text:")}
    _, record = await visit(sandboxes, TASKS, "wrong-input-first", careless)
    assert "was accepted without Title" in " ".join(step.remark for step in record.steps if (step.surprise or 0) >= 2)
