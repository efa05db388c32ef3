"""Products that want environment variables: started, tested, called and opened with those of their design."""

import asyncio
import json
import urllib.request
from typing import Any

import pytest
from pydantic import ValidationError

from macrohard.agent.trial import Trial
from macrohard.cli.opening import environment_of, ways_to_try
from macrohard.domain import Design, ProductKind, Route, Verdict
from macrohard.domain.scenario import Restart
from macrohard.errors import RequestError
from macrohard.product import Preview, View, checkout, open_visit, preview, verify
from macrohard.sandbox import SandboxProvider, SandboxSpec
from tests.product.conftest import Commit, MakeCommit, MemoryArtifacts
from tests.product.test_programs import Steps, scenario

TOKEN = {"ADMIN_TOKEN": "made up: {7}"}
DESIGN = Design(
    summary="A service with an administrator.",
    environment=TOKEN,
    routes=(
        Route(method="GET", path="/items/<id>", purpose=""),
        Route(method="GET", path="/items", purpose="All items."),
        Route(method="GET", path="/own/description", purpose="The OpenAPI description."),
        Route(method="GET", path="/items/docs", purpose=""),
    ),
)
GREETS = {
    "app.py": {
        'if self.path == "/me":': 'if self.path == "/token":\n'
        '            return self.answer(200, {"token": os.environ["ADMIN_TOKEN"], "name": os.environ.get("NAME")})\n'
        '        if self.path == "/me":',
        "else:\n    Threading": 'elif sys.argv[1:] == ["token"]:\n    print(os.environ["ADMIN_TOKEN"])\n'
        'else:\n    os.environ["ADMIN_TOKEN"]\n    Threading',
    },
    "product.toml": {'"echo 1 passed"': """'test "$ADMIN_TOKEN" = "made up: {7}" && echo 1 passed'"""},
}
"""The service does not start, and its tests fail, without a token."""
STEPS: Steps = [
    {"do": "request", "path": "/token"},
    {"do": "see_json", "value": {"token": "made up: {7}", "name": None}},
    {"do": "run", "command": "python3 app.py token"},
    {"do": "see_output", "text": "made up: {7}", "exactly": True},
    {"do": "converse", "command": "python3 app.py token"},
    {"do": "see_output", "text": "made up: {7}"},
    {"do": "restart", "environment": {"ADMIN_TOKEN": "another", "NAME": "{year}"}},
    {"do": "request", "path": "/token"},
    {"do": "see_json", "value": {"token": "another", "name": "{year}"}},
    {"do": "restart"},
    {"do": "request", "path": "/token"},
    {"do": "see_json", "value": {"token": "made up: {7}", "name": None}},
]


@pytest.fixture(scope="module")
def greets(make_commit: MakeCommit) -> Commit:
    return make_commit("shelf", GREETS)


async def test_a_product_is_checked_with_the_environment_of_its_design(
    provider: SandboxProvider, greets: Commit
) -> None:
    async def verdicts(environment: dict[str, str]) -> dict[str, str]:
        async def tell(_: Verdict) -> None: ...

        kind: ProductKind = "api"
        found = await verify(
            provider, bundle=greets.bundle, commit=greets.commit, kind=kind, scenarios=[scenario(*STEPS)],
            artifacts=MemoryArtifacts(), on_verdict=tell, already={}, environment=environment,
        )  # fmt: skip
        return {one.check: one.status for one in found}

    gates = ("manifest", "install", "start", "tests", "S-1")
    assert await verdicts(TOKEN) == dict.fromkeys(gates, "passed")
    without = await verdicts({})
    assert without["start"] == "failed"
    assert without["S-1"] != "passed"


async def test_who_makes_and_who_uses_a_product_meets_it_with_its_environment(
    provider: SandboxProvider, greets: Commit
) -> None:
    async with provider.open(SandboxSpec(image="base")) as sandbox:
        service = await checkout(sandbox, bundle=greets.bundle, commit=greets.commit)
        trial = Trial(sandbox, service.root, window=None, environment=TOKEN)
        assert (await trial.run_tests("")).summary.startswith("passed: ")
        assert (await trial.start()).startswith("started: / answers")
        await trial.stop()
    async with open_visit(
        provider, bundle=greets.bundle, commit=greets.commit, artifacts=MemoryArtifacts(), visitor="integrator",
        view=View(), keyboard_only=False, design=DESIGN,
    ) as visit:  # fmt: skip
        assert "In its environment stands: ADMIN_TOKEN='made up: {7}'" in await visit.look()
        told = await visit.act(
            intention="to see", expectation="it", action="GET", target="/token", value="", surprise=None, remark="",
            about=0,
        )  # fmt: skip
        assert '"token": "made up: {7}"' in told


async def test_a_service_is_opened_with_where_it_describes_itself(provider: SandboxProvider, greets: Commit) -> None:
    given = environment_of(["NAME=a=b"])
    async with preview(
        provider, bundle=greets.bundle, commit=greets.commit, port=0, design=DESIGN, environment=given
    ) as opened:
        port = opened.address.rpartition(":")[2].strip("/")
        request = urllib.request.Request(f"http://127.0.0.1:{port}/token")
        request.add_header("Host", opened.address.removeprefix("http://").strip("/"))

        def ask() -> Any:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)

        assert await asyncio.to_thread(ask) == {"token": "made up: {7}", "name": "a=b"}
    address = opened.address.strip("/")
    assert ways_to_try(opened, DESIGN, given) == (
        f"health:  {address}/",
        f"about:   {address}/own/description",
        f"about:   {address}/docs",
        f"try:     curl -i {address}/items",
        "started with ADMIN_TOKEN='made up: {7}', NAME as you gave it",
    )


def test_pages_need_no_more_than_their_address() -> None:
    assert ways_to_try(Preview(address="http://x/", kind="web", health="/"), Design(summary=""), {}) == ()


@pytest.mark.parametrize(
    "environment",
    [{"PATH": "/"}, {"HOME": "/"}, {"PORT": "1"}, {"MACROHARD_HOME": "/"}, {"LD_PRELOAD": "x"}, {"A B": "1"},
     {"": "1"}, {"A": "x" * 5_000}, {"A": "\0"}, {f"A{number}": "" for number in range(40)}],
)  # fmt: skip
def test_what_is_not_theirs_to_set_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="environment"):
        Design(summary="", environment=environment)
    with pytest.raises(ValidationError, match="environment"):
        Restart(environment=environment)
    with pytest.raises(RequestError, match="--env"):
        environment_of([f"{name}={value}" for name, value in environment.items()])


def test_an_assignment_has_a_name_and_a_value() -> None:
    with pytest.raises(RequestError, match="write NAME=VALUE"):
        environment_of(["ADMIN_TOKEN"])
