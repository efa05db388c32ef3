"""REST as its description says: hypothesis makes requests of it, and every answer is held against it."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.server.served import Served, served
from tests.server.test_products import made

EXAMPLES = 2
"""For each operation, asked rightly and wrongly."""
SAID_IN_WORDS = [positive_data_acceptance, negative_data_rejection]
"""What no schema can say, such as that a text is to be plain; and a query may have more than is known."""
SLOW = frozenset({"installation.doctor"})
"""It starts sandboxes; it has no arguments."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service without a worker, with a run that has something of everything."""
    with served(tmp_path_factory.mktemp("service") / "home") as service:
        service.within(made(service.factory))
        yield service


def test_every_operation_has_a_name_a_sentence_and_the_answers_that_it_may_give(service: Served) -> None:
    described = service.ask("GET", "/api/v1/openapi.json").json()
    operations = [operation for path in described["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert {"runs.submit", "steering.answer", "events.events", "product.product", "watching.metrics"} <= set(names)
    for operation in operations:
        assert operation["description"], operation
        assert operation["responses"].keys() & {"200", "201", "202", "204"}, operation
    assert {"Problem", "FieldProblem"} <= described["components"]["schemas"].keys()


def test_nothing_that_is_sent_gets_an_answer_that_is_not_described(service: Served) -> None:
    headers = {"Authorization": f"Bearer {service.token}"}
    run = service.ask("GET", "/api/v1/runs").json()["runs"][0]["id"]
    schema = schemathesis.openapi.from_url(f"{service.base_url}/api/v1/openapi.json", headers=headers)
    problems: list[str] = []
    for found, mode in product(schema.get_all_operations(), GenerationMode):
        assert isinstance(found, Ok)
        operation = found.ok()
        if operation.definition.raw["operationId"] in SLOW:
            continue

        @seed(1)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=False,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            if "run" in (case.path_parameters or {}) and len(str(case.path_parameters["run"])) % 2:
                # Else hardly anything is asked of a run that there is.
                case.path_parameters["run"] = run
            if isinstance(case.query.get("wait"), int | float):
                case.query["wait"] = 0
            case.call_and_validate(headers=headers, timeout=30, excluded_checks=SAID_IN_WORDS)

        try:
            ask()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, "only what takes nothing cannot be asked wrongly"
        except BaseExceptionGroup as error:
            problems.append(f"{operation.label}, {mode}: {[str(each) for each in error.exceptions]}")
    assert not problems, "\n\n".join(problems)
