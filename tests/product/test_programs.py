"""Scenarios of services and command-line tools, in real sandboxes."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from macrohard.domain import Scenario
from macrohard.product import Service, checkout, verify
from macrohard.product.programs import EXCHANGES
from macrohard.product.scenarios import ScenarioResult, run_scenario
from macrohard.sandbox import SandboxProvider, SandboxSpec
from tests.product.conftest import MakeCommit, MemoryArtifacts

Steps = list[dict[str, Any]]


def scenario(*steps: dict[str, Any], number: int = 1) -> Scenario:
    content = {"id": f"S-{number}", "criterion": f"AC-{number}", "title": "It works", "steps": steps}
    return Scenario.model_validate(content)


async def run(service: Service, steps: Steps) -> ScenarioResult:
    return await run_scenario(None, service, scenario(*steps))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shelf(provider: SandboxProvider, make_commit: MakeCommit) -> AsyncIterator[Service]:
    commit = make_commit("shelf")
    async with provider.open(SandboxSpec(image="base")) as sandbox:
        service = await checkout(sandbox, bundle=commit.bundle, commit=commit.commit)
        await service.remember()
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tally(provider: SandboxProvider, make_commit: MakeCommit) -> AsyncIterator[Service]:
    commit = make_commit("tally")
    async with provider.open(SandboxSpec(image="base")) as sandbox:
        service = await checkout(sandbox, bundle=commit.bundle, commit=commit.commit)
        await service.install()
        await service.remember()
        yield service


ADD_MILK: Steps = [
    {"do": "request", "method": "POST", "path": "/items", "json_body": {"name": "Milk", "by": "{today}"}}
]

SERVED: dict[str, Steps] = {
    "what was added is there, also after a restart": [
        *ADD_MILK,
        {"do": "see_status", "status": 201},
        {"do": "see_header", "name": "location", "text": "/items/"},
        {"do": "see_header", "name": "X-Debug", "present": False},
        {"do": "keep", "name": "id", "at": "id"},
        {"do": "restart"},
        {"do": "request", "path": "/items/{kept:id}"},
        {"do": "see_json", "at": "id", "value": "{kept:id}"},
        {"do": "see_json", "at": "by", "value": "{today}"},
        {"do": "request", "path": "/items"},
        {"do": "see_json", "value": {"total": 1}},
        {"do": "see_json", "at": "items", "count": 1},
        {"do": "see_json", "at": "items[name=Milk].id", "type": "number"},
        {"do": "see_json", "at": "items[name=Tea]", "present": False},
        {"do": "see_json", "at": "items[0].name", "value": "Tea", "present": False},
        {"do": "see_json", "at": "items[0].password", "present": False},
    ],
    "nothing is left of the scenario before": [
        {"do": "request", "path": "/items"},
        {"do": "see_json", "at": "items", "value": []},
    ],
    "each client has cookies of its own": [
        {"do": "request", "method": "POST", "path": "/login", "json_body": {"name": "ann"}, "client": "ann"},
        {"do": "request", "path": "/me", "client": "ann"},
        {"do": "see_json", "at": "name", "value": "ann"},
        {"do": "request", "path": "/me", "client": "bob"},
        {"do": "see_json", "at": "name", "value": "nobody"},
    ],
    "what is no JSON is refused": [
        {"do": "request", "method": "POST", "path": "/items", "text_body": '{"name": {'},
        {"do": "see_status", "status": 400},
        {"do": "see_output", "text": "not JSON"},
    ],
    "of requests at the same time as many succeed as may": [
        {
            "do": "together",
            "requests": [
                {"method": "POST", "path": "/items", "json_body": {"name": "Milk", "by": "{today}"}, "client": "ann"},
                {"method": "POST", "path": "/items", "json_body": {}, "client": "bob"},
                {"path": "/items/7"},
            ],
            "statuses": [404, 422, 201],
        },
        {"do": "request", "path": "/items"},
        {"do": "see_json", "at": "items[0].by", "value": "{today}"},
    ],
    "an id is taken from a header": [
        *ADD_MILK,
        {"do": "keep", "name": "id", "header": "location", "like": "/items/*"},
        {"do": "keep", "name": "whole", "header": "Location"},
        {"do": "request", "path": "/items/{kept:id}"},
        {"do": "see_status", "status": 200},
        *ADD_MILK,
        {"do": "see_header", "name": "Location", "text": "{kept:whole}", "present": False},
    ],
    "a command looks at what the service keeps": [
        *ADD_MILK,
        {"do": "run", "command": "python3 app.py count"},
        {"do": "see_output", "text": "1", "exactly": True},
        {"do": "see_file", "path": "data/items.json", "text": "Milk"},
    ],
}


@pytest.mark.parametrize("steps", SERVED.values(), ids=SERVED.keys())
async def test_what_a_service_does_passes(shelf: Service, steps: Steps) -> None:
    result = await run(shelf, steps)
    assert (result.status, result.summary) == ("passed", "It works: holds"), result.detail
    assert result.screenshot is None


NOT_SERVED: dict[str, tuple[Steps, str]] = {
    "a header that leads elsewhere": (
        [*ADD_MILK, {"do": "keep", "name": "id", "header": "Location", "like": "/orders/*"}],
        "POST /items answered 201 without the header Location like '/orders/*'; it is '/items/1'",
    ),
    "another status": (
        [*ADD_MILK, {"do": "see_status", "status": 200}],
        'POST /items answered 201 instead of 200; status 201, body {"id": 1',
    ),
    "another value": (
        [*ADD_MILK, {"do": "see_json", "at": "name", "value": "Tea"}],
        'in what POST /items gave, name is "Milk" instead of "Tea"',
    ),
    "one is not true": ([*ADD_MILK, {"do": "see_json", "at": "id", "value": True}], "id is 1 instead of true"),
    "no such place": (
        [*ADD_MILK, {"do": "see_json", "at": "nam", "value": "Milk"}],
        "the whole has no \"nam\"; it has 'id', 'name', 'by'",
    ),
    "no JSON": (
        [{"do": "request", "path": "/plain"}, {"do": "see_json", "at": "a", "present": False}],
        "GET /plain gave no JSON; status 200, body (empty)",
    ),
    "a failure of the server, whatever is looked at": (
        [{"do": "request", "path": "/crash"}, {"do": "see_status", "status": 500}],
        "GET /crash answered 500",
    ),
    "other statuses than agreed": (
        [
            {
                "do": "together",
                "requests": [*ADD_MILK, {"method": "POST", "path": "/items", "json_body": {"name": "Tea"}}],
                "statuses": [201, 409],
            }
        ],
        "at the same time the statuses were 201, 201 instead of 201, 409; POST /items: status 201",
    ),
    "one of several at the same time fails": (
        [{"do": "together", "requests": [{"path": "/items"}, {"path": "/crash"}], "statuses": [200, 500]}],
        "GET /crash answered 500",
    ),
    "another header": (
        [*ADD_MILK, {"do": "see_header", "name": "Location", "text": "/things"}],
        "answered without the header Location with '/things'; it is '/items/1'",
    ),
}


@pytest.mark.parametrize(("steps", "complaint"), NOT_SERVED.values(), ids=NOT_SERVED.keys())
async def test_what_a_service_does_not_do_fails_in_words(shelf: Service, steps: Steps, complaint: str) -> None:
    result = await run(shelf, [*steps, {"do": "see_status", "status": 200}])
    assert result.status == "failed"
    assert complaint in result.summary


TYPED: dict[str, Steps] = {
    "commands build upon each other": [
        {"do": "run", "command": "./tally add 3"},
        {"do": "see_exit"},
        {"do": "run", "command": "./tally add 4 && ./tally total"},
        {"do": "see_output", "text": "7", "exactly": True},
    ],
    "files and home are fresh each time": [
        {"do": "run", "command": "./tally total --json"},
        {"do": "see_json", "at": "total", "value": 0},
        {"do": "see_json", "at": "files", "value": [".git", "product.toml", "tally"]},
        {"do": "see_output", "text": "installed"},
        {"do": "see_output", "text": "numbers", "present": False},
    ],
    "files go in and out": [
        {"do": "put_file", "path": "in/numbers.txt", "content": "1\n2\n"},
        {"do": "run", "command": "./tally read in/numbers.txt"},
        {"do": "see_exit", "code": 0},
        {"do": "see_file", "path": "log.txt", "text": "read in/numbers.txt"},
        {"do": "see_file", "path": "other.txt", "present": False},
    ],
    "what is piped in is read": [
        {"do": "run", "command": "./tally pipe", "input": "20\n22\n"},
        {"do": "see_output", "text": "42", "stream": "stdout", "exactly": True},
    ],
    "wrong use is told": [
        {"do": "run", "command": "./tally add three"},
        {"do": "see_exit", "code": 2},
        {"do": "see_output", "text": "not a number: three", "stream": "stderr"},
        {"do": "run", "command": "./tally"},
        {"do": "see_exit", "code": None},
    ],
    "somebody types": [
        {"do": "converse", "command": "./tally ask", "lines": ["5", "x<Backspace>6", "no", "done"]},
        {"do": "see_output", "text": "Number? 5\nok\n"},
        {"do": "see_output", "text": "again"},
        {"do": "see_output", "text": "total 11"},
        {"do": "see_exit"},
    ],
    "somebody breaks off": [
        {"do": "converse", "command": "./tally ask", "lines": ["<Ctrl-C>"]},
        {"do": "see_exit", "code": None},
    ],
}


@pytest.mark.parametrize("steps", TYPED.values(), ids=TYPED.keys())
async def test_what_a_command_does_passes(tally: Service, steps: Steps) -> None:
    result = await run(tally, steps)
    assert (result.status, result.summary) == ("passed", "It works: holds"), result.detail


NOT_TYPED: dict[str, tuple[Steps, str, str]] = {
    "another exit code": (
        [{"do": "run", "command": "./tally add three"}, {"do": "see_exit"}],
        "failed",
        "`./tally add three` ended with the exit code 2 instead of 0; it wrote: nothing; to stderr: not a number",
    ),
    "other output": (
        [{"do": "run", "command": "./tally total"}, {"do": "see_output", "text": "1"}],
        "failed",
        'after `./tally total` the output has not "1"; it wrote: 0',
    ),
    "no end": (
        [{"do": "run", "command": "./tally wait", "timeout_seconds": 1}, {"do": "see_exit"}],
        "failed",
        "`./tally wait` had not ended after 1 seconds",
    ),
    "no such file": ([{"do": "see_file", "path": "log.txt"}], "failed", "there is no file log.txt"),
    "ended too early": (
        [{"do": "converse", "command": "./tally total", "lines": ["1"]}, {"do": "see_exit"}],
        "failed",
        '`./tally total` had ended before "1" was typed; the screen shows: 0',
    ),
    "no service": (
        [{"do": "request", "path": "/"}, {"do": "see_status", "status": 200}],
        "not run",
        "a product of kind cli has no service to ask",
    ),
    "no pages": (
        [{"do": "open", "path": "/"}, {"do": "see", "text": "x"}],
        "not run",
        "a product of kind cli has no pages",
    ),
    "no such command": (
        [{"do": "run", "command": "echo 1 | tally pipe"}, {"do": "see_exit"}],
        "not run",
        "`echo 1 | tally pipe` could not be run: there is no command tally; the product is called as ./tally",
    ),
    "no such file to run, which is the product's": (
        [{"do": "run", "command": "./tallies total"}, {"do": "see_exit"}],
        "failed",
        "`./tallies total` ended with the exit code 127 instead of 0",
    ),
    "a script that lacks a command, which is the product's": (
        [
            {"do": "put_file", "path": "count.sh", "content": "no-such-thing\n"},
            {"do": "run", "command": "bash count.sh"},
            {"do": "see_exit"},
        ],
        "failed",
        "`bash count.sh` ended with the exit code 127 instead of 0",
    ),
    "no such key": (
        [{"do": "converse", "command": "./tally ask", "lines": ["<Any>"]}, {"do": "see_exit"}],
        "not run",
        "there is no key <Any>",
    ),
}


@pytest.mark.parametrize(("steps", "status", "complaint"), NOT_TYPED.values(), ids=NOT_TYPED.keys())
async def test_what_a_command_does_not_do_fails_in_words(
    tally: Service, steps: Steps, status: str, complaint: str
) -> None:
    result = await run(tally, steps)
    assert result.status == status
    assert complaint in result.detail


async def test_products_without_pages_are_verified(provider: SandboxProvider, make_commit: MakeCommit) -> None:
    async def tell(_: object) -> None: ...

    for product, kind, gates, steps in (
        ("shelf", "api", ["manifest", "install", "start", "tests"], SERVED["nothing is left of the scenario before"]),
        ("tally", "cli", ["manifest", "install", "tests"], TYPED["files and home are fresh each time"]),
    ):
        commit = make_commit(product)
        verdicts = await verify(
            provider,
            bundle=commit.bundle,
            commit=commit.commit,
            kind=kind,  # type: ignore[arg-type]  # a literal, in a tuple of texts
            scenarios=[scenario(*steps, number=number) for number in (1, 2)],
            artifacts=MemoryArtifacts(),
            on_verdict=tell,
            already={},
        )
        wanted = [*gates, "S-1", "S-2"]
        assert [(one.check, one.status) for one in verdicts] == [(check, "passed") for check in wanted]


async def asked_and_answered(service: Service, steps: Steps) -> list[tuple[str, str]]:
    return [(each.asked, each.answered) for each in (await run(service, steps)).exchanges.exchanges]


async def test_what_was_asked_and_answered_is_written_down(shelf: Service, tally: Service) -> None:
    post, get, count, file = await asked_and_answered(
        shelf,
        [
            *ADD_MILK,
            {"do": "request", "path": "/me"},
            {"do": "run", "command": "python3 app.py count"},
            {"do": "see_file", "path": "data/items.json", "text": "Milk"},
            {"do": "see_file", "path": "data/items.json", "text": "Bread", "present": False},
        ],
    )
    assert post[0].startswith('POST /items with "{"name": "Milk", "by": "20')
    assert post[1].startswith('201 · application/json\n{"id": 1, "name": "Milk"')
    assert (get[0], get[1][:3]) == ("GET /me", "200")
    assert count == ("run python3 app.py count", "exit code 0\n1\n")
    assert file[0] == "look into the file data/items.json"
    assert '"Milk"' in file[1]

    put, wrong, stopped = await asked_and_answered(
        tally,
        [
            {"do": "put_file", "path": "in/numbers.txt", "content": "1\n2\n"},
            {"do": "run", "command": "./tally add three"},
            {"do": "run", "command": "./tally wait", "timeout_seconds": 1},
            {"do": "see_exit"},
        ],
    )
    assert put == ('put "1\n2\n" into the file in/numbers.txt', "")
    assert wrong == ("run ./tally add three", "exit code 2\n\nto stderr:\nnot a number: three\n")
    assert stopped[1].startswith("`./tally wait` had not ended after 1 seconds")

    [typed] = await asked_and_answered(
        tally, [{"do": "converse", "command": "./tally ask", "lines": ["5", "done"]}, {"do": "see_exit"}]
    )
    assert typed[1].startswith("exit code 0\n")
    assert "total 5" in typed[1]


async def test_what_is_written_down_is_bounded(tally: Service) -> None:
    long = {"do": "run", "command": "printf 'x%.0s' $(seq 9000)"}
    result = await run(tally, [*([long] * (EXCHANGES + 1)), {"do": "see_exit"}])
    assert (len(result.exchanges.exchanges), result.exchanges.left_out) == (EXCHANGES, 1)
    assert result.exchanges.exchanges[0].answered.endswith("x… (5012 more characters)")
