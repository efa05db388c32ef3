"""A sandbox that goes away under a product is nobody's failure; one that a product fills up is the product's."""

from datetime import datetime

import docker
import pytest

from macrohard.domain import Scenario
from macrohard.errors import SandboxUnavailable
from macrohard.product.pages import Pages
from macrohard.product.scenarios import run_scenario
from macrohard.product.usage import UserVisit
from macrohard.sandbox import SandboxProvider, SandboxSpec
from tests.product.conftest import MakeCommit, MemoryArtifacts, OpenPod

SCENARIO = Scenario.model_validate(
    {
        "id": "S-1", "criterion": "AC-1", "title": "The list is shown",
        "steps": [{"do": "open", "path": "/tasks"}, {"do": "see", "text": "No such text"}],
    }
)  # fmt: skip


def kill(container: str) -> None:
    """End a sandbox as an engine that restarts does."""
    client = docker.APIClient()
    client.kill(container)
    client.close()


async def test_a_scenario_during_which_the_sandbox_went_away_has_no_result(
    make_commit: MakeCommit, open_pod: OpenPod, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SandboxUnavailable):  # noqa: PT012  # raised at the end, or when the pod is closed
        async with open_pod(make_commit("tasks")) as pod:
            await pod.service.start()
            assert (await run_scenario(pod.browser, pod.service, SCENARIO)).status == "failed"
            now = pod.service.now

            async def last_moment() -> datetime:
                said = await now()
                kill(pod.service.sandbox.id)
                return said

            # From here on only the browser is asked, until it finds that nobody answers.
            monkeypatch.setattr(pod.service, "now", last_moment)
            found = await run_scenario(pod.browser, pod.service, SCENARIO)
            pytest.fail(f"called the product's: {found.summary}")


@pytest.mark.parametrize("whose", ["the browser's", "the product's"])
async def test_a_user_whose_sandbox_went_away_between_two_steps_notes_nothing(
    make_commit: MakeCommit, open_pod: OpenPod, whose: str
) -> None:
    with pytest.raises(SandboxUnavailable):  # noqa: PT012  # raised at the end, or when the pod is closed
        async with open_pod(make_commit("tasks")) as pod:
            await pod.service.start()
            async with pod.browser.visit() as visit:
                pages = Pages(visit, pod.service, keyboard_only=False)
                user = UserVisit(pages, visitor="tester", commit="0" * 40, artifacts=MemoryArtifacts())
                await user.look()
                before = user.record()
                browser_sandbox = pod.browser._sandbox
                kill((browser_sandbox if whose == "the browser's" else pod.service.sandbox).id)
                try:
                    await user.act(intention="i", expectation="e", action="reload")
                finally:
                    assert user.record()["findings"] == before["findings"]
                    assert user.record()["steps"] == []
                    assert not user.stuck


async def test_a_sandbox_whose_folders_are_full_goes_on_and_says_so(provider: SandboxProvider) -> None:
    async with provider.open(SandboxSpec(image="base")) as sandbox:
        fill = "for place in /workspace /tmp $HOME; do head -c 2G /dev/zero > $place/full; done"
        filled = await sandbox.run(fill, timeout_seconds=60)
        assert filled.limit_hit is not None
        assert "disk full: /workspace" in filled.limit_hit
        greedy = await sandbox.run("python3 -c 'x = bytearray(1 << 30)'", timeout_seconds=60)
        assert greedy.exit_code != 0
        assert (await sandbox.run("echo on", timeout_seconds=10)).stdout == "on\n"
