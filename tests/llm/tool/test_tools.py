"""Command-line tools of the built-in model: recognised in the text, right when built with care, caught when not."""

import pytest

from macrohard.domain import Look, Scenario, owns
from macrohard.llm.builtin.acceptance import written
from macrohard.llm.builtin.blueprint import Blueprint
from macrohard.llm.builtin.kinds import of_its_kind
from macrohard.llm.builtin.tool import calls
from macrohard.llm.builtin.understanding import read
from macrohard.llm.builtin.webapp import files, parts
from macrohard.product import checkout
from macrohard.product.scenarios import ScenarioResult, run_scenario
from macrohard.product.service import TestRun
from macrohard.sandbox import SandboxProvider, SandboxSpec
from tests.llm.acceptance.running import committed

EXPENSES = (
    "A command-line tool that keeps my expenses: date, description (required), category (food, travel, rent) and "
    "amount in € (more than 0). Filter by category, search by description, show the total amount, export as CSV."
)
STOCK = (
    "A CLI for stock keeping. Items have a name (required, unique) and a minimum stock (default 5). Movements belong "
    "to an item and have a direction (in, out), a quantity (at least 1) and a date. An item with movements cannot be "
    "deleted. Filter movements by direction."
)


def blueprint_of(text: str) -> Blueprint:
    blueprint = of_its_kind(read(text, {}), text).blueprint
    assert blueprint is not None
    return blueprint


async def results(
    sandboxes: SandboxProvider, made: dict[str, str], wanted: list[Scenario], *, tests: bool = True
) -> tuple[TestRun | None, list[ScenarioResult]]:
    commit = committed(made)
    async with sandboxes.open(SandboxSpec(image="base")) as sandbox:
        service = await checkout(sandbox, bundle=commit.bundle, commit=commit.commit)
        await service.prepare()
        own = await service.run_tests() if tests else None
        return own, [await run_scenario(None, service, scenario) for scenario in wanted]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (EXPENSES, "cli"),
        (STOCK, "cli"),
        ("A terminal program for books with title and author, no web pages", "cli"),
        ("A command line app for tasks with title and due date", "cli"),
        ("A web app for books with title and author, and a command-line tool for them", "web"),
        ("A list of terminals: name (required), gate.", "web"),
        ("A REST API for books with title and author", "api"),
        ("A command-line tool that keeps a reading list: title (required), author, pages (number).", "cli"),
        ("A command-line tool that keeps books: title (required), pages (number). It has web pages, too.", "web"),
    ],
)
def test_the_text_says_which_kind_it_is(text: str, kind: str) -> None:
    assert blueprint_of(text).kind == kind


def test_every_file_of_a_tool_has_one_writer_and_every_wish_a_command() -> None:
    blueprint = blueprint_of(STOCK)
    shares = parts(blueprint)
    for path in files(blueprint, Look()):
        owners = [part for part in shares if owns(part.files, path)]
        assert len(owners) == 1, path
    usages = " ".join(command.usage for command in calls(blueprint))
    for command in (
        "items add",
        "items list",
        "movements edit N",
        "items delete N",
        "movements export",
        "items search",
    ):
        assert f"python3 -m app {command}" in usages
    assert not any("command-line" in claim.text for claim in blueprint.claims)


async def test_the_right_tool_passes_and_a_careless_one_fails(sandboxes: SandboxProvider) -> None:
    blueprint = blueprint_of(EXPENSES)
    writing = written(blueprint)
    assert writing.missing == ()
    claims = {f"AC-{number}": claim.kind for number, claim in enumerate(blueprint.claims, 1)}
    shown = {"filter", "survives restart", "export"}
    wanted = [scenario for scenario in writing.scenarios if claims[scenario.criterion] in shown]
    own, careful = await results(sandboxes, files(blueprint, Look()), wanted)
    assert own is not None
    assert own.passed, own.output
    assert [result.summary for result in careful if result.status != "passed"] == []
    _, careless = await results(sandboxes, files(blueprint, Look(), careless=True), wanted, tests=False)
    failed = {
        claims[scenario.criterion] for scenario, one in zip(wanted, careless, strict=True) if one.status == "failed"
    }
    assert {"filter", "survives restart"} <= failed
