"""What the analyst makes of requirements in plain words gets a scenario for every claim, too."""

import pytest

from macrohard.llm.builtin.acceptance import written
from macrohard.llm.builtin.understanding import read

REQUIREMENTS = {
    "terse": "Reading list. Books with title, author, pages, finished yes/no. Filter by finished. Total pages.",
    "chatty": (
        "Hello! We are a small bike shop and would like to keep track of repairs: customer name, phone, what is to be "
        "done (can be long), price in euro, promised for which day, status new / in work / ready. I want to see what "
        "is overdue, search by customer, and know how many repairs are open. Thanks!"
    ),
    "bullets": (
        "Plant diary\n- plant: name (required, unique), species, bought on (not in the future), height in cm (1 to 400)"
        "\n- watering: plant, date, amount in ml (more than 0)\n- show the waterings of each plant"
        "\n- sort plants by name\n- export plants as CSV"
    ),
    "stories": (
        "As a coach I want to add players with name, birthday, shirt number (1-99, unique) and position (goal, "
        "defence, attack). As a coach I want to filter players by position. As a coach I want to export the list to "
        "CSV."
    ),
    "rules": (
        "Tool lending for neighbours. Tools: name, deposit in euro. Loans: tool, borrower, from date, to date, "
        "returned yes/no. A tool cannot be lent twice at the same time. The to date must not be before the from date. "
        "A tool with loans must not be deleted."
    ),
}


@pytest.mark.parametrize("requirement", [pytest.param(text, id=name) for name, text in REQUIREMENTS.items()])
def test_every_covered_claim_of_a_reading_has_a_scenario(requirement: str) -> None:
    blueprint = read(requirement, {}).blueprint
    assert blueprint is not None
    writing = written(blueprint)
    covered = {f"AC-{number}" for number, claim in enumerate(blueprint.claims, 1) if claim.kind != "not covered"}
    assert writing.missing == ()
    assert {scenario.criterion for scenario in writing.scenarios} == covered
    assert all(scenario.asserts for scenario in writing.scenarios)
