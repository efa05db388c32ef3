"""Services of the built-in model: recognised in the text, right when built with care, and caught when not."""

import pytest

from macrohard.domain import Look, Scenario, owns
from macrohard.llm.builtin.acceptance import written
from macrohard.llm.builtin.blueprint import Blueprint
from macrohard.llm.builtin.kinds import of_its_kind
from macrohard.llm.builtin.understanding import read
from macrohard.llm.builtin.webapi import routes
from macrohard.llm.builtin.webapp import files, parts
from macrohard.product import checkout
from macrohard.product.scenarios import ScenarioResult, run_scenario
from macrohard.sandbox import SandboxProvider, SandboxSpec
from tests.llm.acceptance.running import committed

STOCK = (
    "An HTTP API for stock keeping. Items have a name (required, unique), a price in € and a minimum stock "
    "(default 5). Movements belong to an item and have a direction (in, out), a quantity (at least 1) and a date. "
    "Stock of an item is the sum of movements in minus out. Highlight items with low stock. Show the total value. "
    "Search items by name. Filter movements by direction and date. An item with movements cannot be deleted."
)


def blueprint_of(text: str) -> Blueprint:
    blueprint = of_its_kind(read(text, {}), text).blueprint
    assert blueprint is not None
    return blueprint


async def results(sandboxes: SandboxProvider, made: dict[str, str], wanted: list[Scenario]) -> list[ScenarioResult]:
    commit = committed(made)
    async with sandboxes.open(SandboxSpec(image="base")) as sandbox:
        service = await checkout(sandbox, bundle=commit.bundle, commit=commit.commit)
        return [await run_scenario(None, service, scenario) for scenario in wanted]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (STOCK, "api"),
        ("REST API: books with title and author", "api"),
        ("A JSON service (http api) for tasks with title and due date, no web pages please", "api"),
        ("A REST backend for events with title and date. No user interface.", "api"),
        ("A list of plants: name (required).", "web"),
        ("A web app for books with title and author, and a REST API for them", "web"),
        ("Keep our API keys: name, owner, expiry date; one page to see those that expire", "web"),
    ],
)
def test_the_text_says_which_kind_it_is(text: str, kind: str) -> None:
    assert blueprint_of(text).kind == kind


def test_every_file_of_a_service_has_one_writer_and_every_list_a_route() -> None:
    blueprint = blueprint_of(STOCK)
    shares = parts(blueprint)
    for path in files(blueprint, Look()):
        owners = [part for part in shares if owns(part.files, path)]
        assert len(owners) == 1, path
    paths = {(route.method, route.path) for route in routes(blueprint)}
    assert {("POST", "/items"), ("PATCH", "/movements/<id>"), ("DELETE", "/items/<id>")} <= paths


async def test_the_right_service_passes_and_a_careless_one_fails(sandboxes: SandboxProvider) -> None:
    blueprint = blueprint_of(STOCK)
    writing = written(blueprint)
    assert writing.missing == ()
    kinds = {"rule", "filter", "survives restart"}
    claims = {f"AC-{number}": claim.kind for number, claim in enumerate(blueprint.claims, 1)}
    wanted = [scenario for scenario in writing.scenarios if claims[scenario.criterion] in kinds]
    careful = await results(sandboxes, files(blueprint, Look()), wanted)
    assert [result.summary for result in careful if result.status != "passed"] == []
    careless = await results(sandboxes, files(blueprint, Look(), careless=True), wanted)
    failed = {
        claims[scenario.criterion] for scenario, one in zip(wanted, careless, strict=True) if one.status == "failed"
    }
    assert {"filter", "survives restart"} <= failed
