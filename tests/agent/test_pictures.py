"""Pictures of the page: for agents with eyes only, named in the transcript, laid in where a request goes out."""

import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from macrohard.agent import AgentDefinition, Bench
from macrohard.agent.definition import Limits
from macrohard.agent.pictures import PICTURE_LEFT_OUT
from macrohard.agent.session import NO_PICTURES, PICTURES_SHOWN
from macrohard.domain import JsonObject
from macrohard.llm import ModelRole
from macrohard.product import UserVisit, checkout
from macrohard.product.browser import open_browser
from macrohard.product.pages import Pages
from macrohard.sandbox import SandboxProvider, SandboxSpec
from tests.agent.scripted import (
    FINISH,
    MemoryArtifacts,
    MemoryTranscripts,
    OpenBench,
    ScriptedModel,
    calls,
    carry_out,
)
from tests.product.conftest import MakeCommit, Pod

LOOK = calls(("look", {}))


@pytest.fixture
def artifacts() -> MemoryArtifacts:
    return MemoryArtifacts()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pod(sandboxes: SandboxProvider, make_commit: MakeCommit) -> AsyncIterator[Pod]:
    """A product that runs, and a browser; every session has a visit of its own."""
    commit = make_commit("tasks")
    async with sandboxes.open(SandboxSpec(image="base")) as sandbox:
        service = await checkout(sandbox, bundle=commit.bundle, commit=commit.commit)
        async with open_browser(sandboxes, beside=sandbox) as browser:
            await service.prepare()
            yield Pod(service=service, browser=browser)


@pytest.fixture
def visit(pod: Pod, artifacts: MemoryArtifacts) -> OpenBench:
    @asynccontextmanager
    async def open_bench(saved: str | None) -> AsyncIterator[Bench]:
        async with pod.browser.visit(width=1280, height=800) as visit:
            yield Bench(
                visit=UserVisit(
                    Pages(visit, pod.service, keyboard_only=False),
                    visitor="returning",
                    commit="0" * 40,
                    artifacts=artifacts,
                )
            )

    return open_bench


def user(role: ModelRole) -> AgentDefinition:
    return AgentDefinition(
        name="simulated-user",
        description="Uses.",
        model=role,
        tools=("look", "act"),
        limits=Limits(turns=20, cost_usd=100.0, seconds=600),
        prompt="You use.",
        hash="0" * 64,
    )


def images(messages: Sequence[JsonObject]) -> list[str]:
    """The addresses of all images in a request."""
    found = []
    for message in messages:
        content = message["content"]
        for part in content if isinstance(content, list) else []:
            assert isinstance(part, dict)
            if isinstance(image := part.get("image_url"), dict):
                found.append(str(image["url"]))
    return found


async def test_who_has_eyes_sees_the_page_and_the_transcript_names_it(
    visit: OpenBench, artifacts: MemoryArtifacts
) -> None:
    model, transcripts = ScriptedModel(LOOK, LOOK, RuntimeError("killed")), MemoryTranscripts()
    model.vision = True
    with pytest.raises(RuntimeError):
        await carry_out(visit, model, transcripts=transcripts, artifacts=artifacts, agent=user("vision"))
    resumed = ScriptedModel(FINISH)
    resumed.vision = True
    result = await carry_out(visit, resumed, transcripts=transcripts, artifacts=artifacts, agent=user("vision"))
    assert result.outcome == "finished"
    first, second, third = model.requests
    assert str(first[1]["content"]).endswith(PICTURES_SHOWN.format("look"))
    assert [len(images(request)) for request in (first, second, third)] == [0, 1, 2]
    prefix = "data:image/jpeg;base64,"
    assert images(second)[0].startswith(prefix)
    assert base64.b64decode(images(second)[0].removeprefix(prefix)) in artifacts.kept.values()
    assert [message["role"] for message in second] == ["system", "user", "assistant", "tool", "user"]
    assert 'page "Tasks"' in str(second[3]["content"])
    assert third[: len(second)] == second
    assert resumed.requests[0] == third
    recorded = "".join(entry.model_dump_json() for entry in transcripts.entries)
    assert "base64" not in recorded
    told: Any = json.loads(transcripts.entries[2].model_dump_json())["messages"][1]
    [part] = [part for part in told["content"] if part["type"] == "image"]
    assert part["artifact"] in artifacts.kept
    assert (part["width"], part["height"]) == (1024, 640)
    # Whose settings name another model since then is sent no pictures either.
    blind = ScriptedModel(FINISH)
    cut = MemoryTranscripts(transcripts.entries[:3])
    await carry_out(visit, blind, transcripts=cut, artifacts=artifacts, agent=user("vision"))
    assert images(blind.requests[0]) == []
    assert PICTURE_LEFT_OUT in json.dumps(blind.requests[0])


@pytest.mark.parametrize(
    ("role", "vision", "said"), [("vision", False, 1), ("fast", True, 0)], ids=["a blind model", "another role"]
)
async def test_others_get_the_outline_and_are_told_so_once(
    visit: OpenBench, artifacts: MemoryArtifacts, role: ModelRole, vision: bool, said: int
) -> None:
    model = ScriptedModel(LOOK, LOOK, FINISH)
    model.vision = vision
    await carry_out(visit, model, artifacts=artifacts, agent=user(role))
    assert images(model.requests[-1]) == []
    assert json.dumps(model.requests[-1]).count(NO_PICTURES.format("look")) == said


async def test_a_picture_that_is_gone_is_said_to_be(visit: OpenBench) -> None:
    class Forgetful(MemoryArtifacts):
        async def get(self, digest: str) -> bytes:
            raise KeyError(digest)

    model = ScriptedModel(LOOK, FINISH)
    model.vision = True
    result = await carry_out(visit, model, artifacts=Forgetful(), agent=user("vision"))
    assert result.outcome == "finished"
    assert "(a picture that is not kept any more)" in json.dumps(model.requests[1])
