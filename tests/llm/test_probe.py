"""Probes against servers of several families; what was found is then all that is sent."""

from typing import Any

import pytest
from pydantic import SecretStr

from macrohard.llm import ModelPrice
from macrohard.llm.models.probe import MOST_CALLS, most_usd, probe
from macrohard.llm.target import Capabilities, EndpointSettings, ProbeResult, Target, Wire
from tests.llm.families import Family, serving

PRICE = ModelPrice(input=2.0, cached_input=0.5, output=6.0)


async def probed(family: Family, *, name: str = "lab", wire: Wire = "chat", key: str = "") -> ProbeResult:
    endpoint = EndpointSettings(name=name, base_url=family.base_url, wire=wire, api_key=SecretStr(key))
    target = Target(endpoint=endpoint, model="m-1", price=PRICE, effort="high", temperature=0.7)
    return await probe(target, tell=lambda line: None)


async def capabilities(family: Family, *, name: str = "lab", wire: Wire = "chat") -> tuple[Capabilities, ProbeResult]:
    async with serving(family):
        result = await probed(family, name=name, wire=wire)
    assert result.problem == ""
    assert result.capabilities is not None
    assert result.calls == len(family.bodies) <= MOST_CALLS
    return result.capabilities, result


def said(result: ProbeResult, ability: str) -> str:
    (finding,) = [finding for finding in result.findings if finding.ability == ability]
    return finding.detail


async def test_a_server_that_understands_everything() -> None:
    found, result = await capabilities(Family(entry={"max_model_len": 40_960}))
    assert found == Capabilities(
        source="probed",
        probed_at=found.probed_at,
        parallel_tools=True,
        json_schema=True,
        vision=True,
        efforts=("low", "medium", "high"),
        cache_key=True,
        context_tokens=40_960,
    )
    assert said(result, "pictures") == "seen"
    assert said(result, "context") == "40,960 tokens (max_model_len in /models)"
    assert (
        0
        < result.cost_usd
        < most_usd(Target(endpoint=EndpointSettings(name="x", base_url=None), model="m", price=PRICE))
    )
    assert all(finding.ok for finding in result.findings)


async def test_the_responses_wire_is_probed_in_its_own_words() -> None:
    family = Family(efforts=("low", "high"), entry={"context_length": 500_000})
    found, _ = await capabilities(family, wire="responses")
    assert (found.tools, found.parallel_tools, found.json_schema, found.vision) == (True, True, True, True)
    assert (found.efforts, found.context_tokens) == (("low", "high"), 500_000)
    assert any(body.get("reasoning") == {"effort": "nonsense"} for body in family.bodies)
    assert not any("messages" in body or "max_tokens" in body for body in family.bodies)


@pytest.mark.parametrize(
    ("family", "expected", "ability", "detail"),
    [
        pytest.param(
            Family(refuses=["temperature"]), {"temperature": False}, "temperature",
            "refused (Unsupported parameter: 'temperature' is not supported with this model.); not sent",
            id="refuses temperature",
        ),
        pytest.param(
            Family(refuses=["max_tokens", "temperature"]), {"output_limit": "max_completion_tokens"},
            "limit of an answer", "as max_completion_tokens", id="only max_completion_tokens",
        ),
        pytest.param(
            Family(refuses=["max_tokens", "max_completion_tokens"]), {"output_limit": "none"},
            "limit of an answer", "refused by either name: answers can be of any length and cost", id="no limit",
        ),
        pytest.param(
            Family(tools="refused"), {"tools": False, "parallel_tools": False}, "tool calls",
            "tool-call-parser to be set): agents work by tools", id="vLLM without its flags",
        ),
        pytest.param(
            Family(breaks_on=["tools"]), {"tools": False}, "tool calls", "refused (tools param requires --jinja flag)",
            id="llama.cpp without templates answers 500",
        ),
        pytest.param(Family(tools="words"), {"tools": False}, "tool calls", "answered in words", id="words"),
        pytest.param(
            Family(tools="single"), {"tools": True, "parallel_tools": False}, "parallel calls", "one at a time",
            id="one call at a time",
        ),
        pytest.param(
            Family(refuses=["stream_options"]), {"streaming_usage": False}, "usage in streams",
            "stream_options refused", id="refuses stream_options",
        ),
        pytest.param(
            Family(counts=False), {"streaming_usage": False}, "usage in streams", "not told; tokens are estimated",
            id="counts nothing",
        ),
        pytest.param(
            Family(refuses=["response_format"]), {"json_schema": False}, "JSON schema", "tools do it instead",
            id="no JSON schema",
        ),
        pytest.param(
            Family(keeps_schema=False), {"json_schema": False}, "JSON schema", "taken, but not kept to",
            id="JSON schema not kept to",
        ),
        pytest.param(
            Family(vision="blind"), {"vision": False}, "pictures", "'I cannot see, but I guess red.' is not yellow",
            id="drops pictures",
        ),
        pytest.param(Family(vision="refused"), {"vision": False}, "pictures", "refused (m-1 is not", id="no pictures"),
        pytest.param(Family(efforts=()), {"efforts": ()}, "effort", "refused", id="refuses effort"),
        pytest.param(Family(efforts=None), {"efforts": ()}, "effort", "whatever is said is taken", id="ignores effort"),
        pytest.param(
            Family(refuses=["prompt_cache_key"]), {"cache_key": False}, "prompt_cache_key", "not sent", id="cache key"
        ),
        pytest.param(Family(), {"context_tokens": None}, "context", "does not say; set context_tokens", id="context"),
        pytest.param(Family(busy_first=True), {"tools": True}, "tool calls", "with the right", id="busy at first"),
    ],
)  # fmt: skip
async def test_each_quirk_is_found_and_said(
    family: Family, expected: dict[str, Any], ability: str, detail: str
) -> None:
    found, result = await capabilities(family)
    assert {name: getattr(found, name) for name in expected} == expected
    assert detail in said(result, ability)


@pytest.mark.parametrize(
    ("name", "family", "tokens", "detail"),
    [
        pytest.param(
            "ollama", Family(pages={"/api/ps": {"models": [{"name": "m-1", "context_length": 16_384}]}}), 16_384,
            "(/api/ps). Ollama cuts off the beginning", id="Ollama, loaded",
        ),
        pytest.param(
            "ollama", Family(pages={"/api/show": {"parameters": "stop  x\nnum_ctx                        8192"}}), 8192,
            "num_ctx in /api/show", id="Ollama, by its file",
        ),
        pytest.param(
            "other", Family(entry={"owned_by": "library"}, pages={"/api/show": {"parameters": ""}}), 4096,
            "Ollama's own default", id="Ollama by another name",
        ),
        pytest.param(
            "llamacpp", Family(pages={"/props": {"default_generation_settings": {"n_ctx": 32_768}}}), 32_768,
            "n_ctx in /props", id="llama.cpp",
        ),
        pytest.param(
            "lmstudio", Family(entry={"loaded_context_length": 4096, "max_context_length": 131_072}), 4096,
            "loaded_context_length", id="LM Studio, what is loaded before what is possible",
        ),
    ],
)  # fmt: skip
async def test_every_family_says_in_its_own_way_how_much_it_reads(
    name: str, family: Family, tokens: int, detail: str
) -> None:
    found, result = await capabilities(family, name=name)
    assert found.context_tokens == tokens
    assert detail in said(result, "context")


async def test_a_probe_that_cannot_be_finished_says_what_to_do_and_finds_nothing() -> None:
    async with serving(Family(key="right")) as family:
        refused = await probed(family, key="canary-A1b2C3d4")
    async with serving(Family(missing=True)) as family:
        unknown = await probed(family)
    gone = await probed(family)
    async with serving(Family(refuses=["messages"])) as family:
        strange = await probed(family)
    assert [result.capabilities for result in (refused, unknown, gone, strange)] == [None] * 4
    assert "refused the key (HTTP 401)" in refused.problem
    assert "macrohard keys list" in refused.problem
    assert "canary" not in refused.model_dump_json()
    assert "knows no such model or path: model 'm-1' not found" in unknown.problem
    assert "cannot be reached" in gone.problem
    assert "Start the server or correct base_url" in gone.problem
    assert "Check the model's name, base_url and wire (chat)" in strange.problem
