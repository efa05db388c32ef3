"""Products that need a library which no image holds, from a registry on loopback of this machine."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from macrohard.domain import Fetched, Scenario
from macrohard.sandbox import BubblewrapProvider, DockerProvider, choose_provider
from macrohard.sandbox.packages import Packages, hearing_of_fetches
from tests.product.conftest import MakeCommit
from tests.product.test_checks import check
from tests.sandbox.upstream import Upstream, serving

SEEN = Scenario.model_validate(
    {
        "id": "S-1",
        "criterion": "AC-1",
        "title": "Shows what the library says",
        "steps": [
            {"do": "open", "path": "/"},
            {"do": "see", "text": "greeting"},
            {"do": "see", "text": "the mirror is gone"},
        ],
    }
)


@pytest.fixture
async def own_provider(tmp_path: Path) -> AsyncIterator[DockerProvider | BubblewrapProvider]:
    provider = await choose_provider("auto", home=tmp_path)
    yield provider
    await provider.close()


async def test_a_product_with_a_library_passes_in_a_clean_clone_and_runs_without_a_way_out(
    own_provider: DockerProvider | BubblewrapProvider, make_commit: MakeCommit, tmp_path: Path
) -> None:
    heard: list[Fetched] = []

    async def tell(fetched: Fetched) -> None:
        heard.append(fetched)

    async with serving(Upstream()) as registries:
        own_provider.packages = Packages(registries, cache=tmp_path / "cache")
        with hearing_of_fetches(tell):
            verdicts, _, _ = await check(own_provider, make_commit("greeter"), [SEEN])
    assert [(each.check, each.status) for each in verdicts] == [
        ("manifest", "passed"),
        ("install", "passed"),
        ("start", "passed"),
        ("tests", "passed"),
        ("S-1", "passed"),
    ], verdicts
    assert {(file.name, file.version) for each in heard for file in each.files} == {("greeting", "1.0")}


async def test_where_packages_are_off_the_verdict_says_how_to_allow_them(
    own_provider: DockerProvider | BubblewrapProvider, make_commit: MakeCommit
) -> None:
    verdicts, _, _ = await check(own_provider, make_commit("greeter"), [])
    found = {each.check: each for each in verdicts}
    assert found["install"].status == "failed"
    assert "`packages = true` in the table [sandboxes]" in found["install"].summary
    assert found["start"].status == found["tests"].status == "not run"
