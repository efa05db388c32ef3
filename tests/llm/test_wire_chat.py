"""Chat Completions: what goes out, byte for byte, and what comes back from each family of servers."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from macrohard.domain import JsonObject
from macrohard.llm.failures import Interrupted, Rejected, Throttled
from macrohard.llm.target import Capabilities, EndpointSettings, Target
from macrohard.llm.wire import WIRES
from tests.llm.speaking import (
    DONE,
    QUESTION,
    TOOLS,
    Speaker,
    chunk,
    event,
    reply_to,
    whole,
)

SAYS = [chunk({"role": "assistant", "content": "It "}), chunk({"content": "is."}), chunk({}, "stop"), DONE]


def target(name: str = "xai", base_url: str = "http://x/v1", **more: Any) -> Target:
    settings = EndpointSettings(name=name, base_url=base_url, conversation_header="x-grok-conv-id")
    return Target(endpoint=settings, model="m-1", **more)


def body_of(asked: Target, messages: list[JsonObject], tools: list[JsonObject]) -> Any:
    return json.loads(WIRES["chat"].encode(asked, messages, tools, session_id="s")[1])


EVERYTHING = Capabilities(efforts=("low", "high"), output_limit="max_completion_tokens", cache_key=True)
NOTHING = Capabilities(streaming_usage=False, temperature=False, output_limit="none")


def test_a_plain_server_is_sent_what_every_server_understands() -> None:
    sent = body_of(target(effort="high"), QUESTION, [])
    assert sent == {"model": "m-1", "messages": QUESTION, "stream": True, "max_tokens": 16_000} | {
        "stream_options": {"include_usage": True}
    }


def test_what_was_found_to_be_accepted_is_sent() -> None:
    asked = target(capabilities=EVERYTHING, effort="high", temperature=0.7, max_output_tokens=5)
    sent = body_of(asked, QUESTION, TOOLS)
    assert sent["reasoning_effort"] == "high"
    assert sent["temperature"] == 0.7
    assert sent["max_completion_tokens"] == 5
    assert sent["tools"] == TOOLS
    assert "max_tokens" not in sent
    assert not sent.keys() & {"stop", "tool_choice", "parallel_tool_calls", "presence_penalty", "frequency_penalty"}


def test_what_is_refused_is_not_sent() -> None:
    asked = target(capabilities=NOTHING, effort="high", temperature=0.7)
    assert body_of(asked, QUESTION, []) == {"model": "m-1", "messages": QUESTION, "stream": True}


def test_a_conversation_has_one_name_that_says_nothing_of_the_run() -> None:
    asked = target(capabilities=EVERYTHING)
    headers, body = WIRES["chat"].encode(asked, QUESTION, [], session_id="r-1/1/use/x")
    again, other = (WIRES["chat"].encode(asked, QUESTION, [], session_id=id) for id in ("r-1/1/use/x", "r-1/1/use/y"))
    assert headers["x-grok-conv-id"] == json.loads(body)["prompt_cache_key"]
    assert again == (headers, body)
    assert other[0] != headers
    assert len(headers["x-grok-conv-id"]) <= 64
    assert "r-1" not in headers["x-grok-conv-id"]


def test_only_keys_of_the_protocol_are_sent() -> None:
    call: JsonObject = {"id": "c1", "type": "function", "function": {"name": "read", "arguments": "{oops"}}
    kept: JsonObject = {"endpoint": "xai", "model": "m-1", "reasoning_details": [{"text": "hm"}], "unread": ["c1"]}
    answer: JsonObject = {"role": "assistant", "content": None, "tool_calls": [call], "provider": kept, "own": 1}
    [_, sent] = body_of(target(), [*QUESTION, answer], [])["messages"]
    assert sent.keys() == {"role", "content", "tool_calls"}
    # Servers that parse the conversation's calls would refuse all of it.
    assert json.loads(sent["tool_calls"][0]["function"]["arguments"]) == {"not_json": "{oops"}
    assert call["function"] == {"name": "read", "arguments": "{oops"}


@pytest.mark.parametrize(
    ("name", "base_url", "model", "echoed"),
    [
        pytest.param("router", "https://openrouter.ai/api/v1", "m-1", True, id="who wants them"),
        pytest.param("router", "https://openrouter.ai/api/v1", "m-2", False, id="another model's"),
        pytest.param("other", "https://openrouter.ai/api/v1", "m-1", False, id="another endpoint's"),
        pytest.param("router", "https://api.x.ai/v1", "m-1", False, id="who does not know them"),
    ],
)
def test_reasoning_goes_back_to_who_wants_it(name: str, base_url: str, model: str, echoed: bool) -> None:
    details: JsonObject = {"endpoint": "router", "model": model, "reasoning_details": [{"text": "hm"}]}
    answer: JsonObject = {"role": "assistant", "content": "ok", "provider": details}
    [sent] = body_of(target(name, base_url), [answer], [])["messages"]
    assert ("reasoning_details" in sent) == echoed


@pytest.mark.parametrize("wire", ["chat", "responses"])
def test_a_prompt_that_goes_on_begins_with_the_same_bytes(wire: Any) -> None:
    asked, bodies = target(capabilities=EVERYTHING), []
    messages: list[JsonObject] = [{"role": "system", "content": "Be “exact”."}, *QUESTION]
    for turn in range(6):
        bodies.append(WIRES[wire].encode(asked, messages, TOOLS, session_id="s")[1])
        call: JsonObject = {"id": f"c{turn}", "type": "function", "function": {"name": "read", "arguments": "{}"}}
        item: JsonObject = {"type": "function_call", "call_id": f"c{turn}", "name": "read", "arguments": "{}"}
        provider: JsonObject = {"endpoint": "xai", "model": "m-1", "items": [item]}
        answer: JsonObject = {"role": "assistant", "content": None, "tool_calls": [call]}
        # As they come back from a database that orders keys in its own way.
        stored = dict(sorted({**answer, "provider": provider}.items(), reverse=turn % 2 == 1))
        messages = [*map(dict, messages), stored, {"role": "tool", "tool_call_id": f"c{turn}", "content": "é" * turn}]
    for before, after in pairwise(bodies):
        end = before.index(b'],"stream"')
        assert after[:end] == before[:end]
        assert after[end : end + 1] == b","
    assert bodies[0].startswith(b'{"model":"m-1","tools":[')


def test_half_a_character_in_a_tools_output_does_not_stop_the_conversation() -> None:
    messages: list[JsonObject] = [{"role": "user", "content": "a\ud83db"}]
    assert body_of(target(), messages, [])["messages"] == [{"role": "user", "content": "a?b"}]


STREAMS = Path(__file__).parent / "streams"
"""One call of `read`, as each family of servers streams it by its documentation and source."""


@pytest.mark.parametrize(
    ("family", "reasoning"),
    [
        ("vllm", "Let me see."),
        ("ollama", "Let me see."),
        ("llama.cpp", "Let me see."),
        ("openrouter", "Let me see."),
        ("xai", "Let me see."),
        ("openai", ""),
    ],
)
async def test_every_family_of_servers_is_understood(family: str, reasoning: str) -> None:
    reply = await reply_to(Speaker(chunks=[(STREAMS / f"{family}.sse").read_bytes()]))
    [call] = reply.tool_calls
    assert (call.name, json.loads(call.arguments)) == ("read", {"path": "a"})
    assert call.id
    assert (reply.finish, reply.text, reply.reasoning, reply.model) == ("tool_calls", "", reasoning, "qwen")
    usage = reply.usage
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (50, 10, False)
    assert "reasoning_content" not in reply.message


async def test_reasoning_details_are_put_together_for_who_sent_them() -> None:
    reply = await reply_to(Speaker(chunks=[(STREAMS / "openrouter.sse").read_bytes()]))
    details = [{"type": "reasoning.text", "text": "Let me see.", "format": "x", "index": 0, "signature": "s"}]
    assert reply.message["provider"] == {"endpoint": "test", "model": "m-1", "reasoning_details": details}


@pytest.mark.parametrize(
    ("speaker", "text", "finish"),
    [
        pytest.param(Speaker(chunks=SAYS), "It is.", "stop", id="streamed"),
        pytest.param(whole({"content": "It is."}), "It is.", "stop", id="not streamed"),
        pytest.param(whole({"content": "It is."}, None), "It is.", "stop", id="not streamed, no finish reason"),
        pytest.param(Speaker(chunks=SAYS[:-1]), "It is.", "stop", id="no [DONE]"),
        pytest.param(Speaker(chunks=[*SAYS[:-2], DONE]), "It is.", "stop", id="no finish reason"),
        pytest.param(Speaker(chunks=[*SAYS[:2], chunk({}, "length"), DONE]), "It is.", "length", id="cut off"),
        pytest.param(Speaker(chunks=[chunk({}, "length"), DONE]), "", "length", id="all of it thought"),
        pytest.param(Speaker(chunks=[*SAYS[:2], chunk({}, "content_filter")]), "It is.", "refused", id="filtered"),
        pytest.param(
            Speaker(chunks=[chunk({"refusal": "I can't "}), chunk({"refusal": "do that."}), chunk({}, "stop"), DONE]),
            "I can't do that.",
            "refused",
            id="refused",
        ),
        pytest.param(
            Speaker(chunks=[chunk({"content": [{"type": "text", "text": "It "}, {"text": "is."}]}), *SAYS[2:]]),
            "It is.",
            "stop",
            id="content in parts",
        ),
        pytest.param(
            Speaker(
                chunks=[
                    *SAYS[:2],
                    event({"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "It is."}}]}),
                ]
            ),
            "It is.",
            "stop",
            id="the whole message once more at the end",
        ),
        pytest.param(
            Speaker(chunks=[event({"choices": [{"index": 1, "delta": {"content": "no"}}]}), *SAYS]),
            "It is.",
            "stop",
            id="another choice",
        ),
        pytest.param(Speaker(chunks=SAYS[:-1], then="break"), "It is.", "stop", id="broken after the end was said"),
        pytest.param(Speaker(chunks=[*SAYS[:-1], b"data: \xff{\n\n"]), "It is.", "stop", id="noise after the end"),
    ],
)
async def test_words_are_read(speaker: Speaker, text: str, finish: str) -> None:
    reply = await reply_to(speaker)
    assert (reply.text, reply.finish) == (text, finish)
    assert reply.message == {"role": "assistant", "content": text}


@pytest.mark.parametrize(
    ("speaker", "problem"),
    [
        pytest.param(Speaker(chunks=SAYS[:2]), "in the middle", id="no end"),
        pytest.param(Speaker(chunks=[chunk({"content": ""}), *SAYS[2:]]), "empty answer", id="empty"),
        pytest.param(Speaker(chunks=[chunk({"content": " \n"}), *SAYS[2:]]), "empty answer", id="only blanks"),
        pytest.param(Speaker(chunks=[event({"choices": []}), DONE]), "empty answer", id="no choice"),
        pytest.param(Speaker(chunks=[DONE]), "empty answer", id="only [DONE]"),
        pytest.param(Speaker(chunks=[]), "in the middle", id="nothing"),
        pytest.param(Speaker(chunks=[b"<html>oops</html>"]), "in the middle", id="a page"),
        pytest.param(Speaker(chunks=[*SAYS[:2], b"data: {oops\n\n", *SAYS[2:]]), "cannot be read", id="garbled"),
        pytest.param(Speaker(chunks=SAYS[:2], then="break"), "broke off", id="broken"),
        pytest.param(Speaker(chunks=[*SAYS[:2], chunk({}, "error"), DONE]), "broke its answer off", id="finish error"),
        pytest.param(whole({"content": None}), "empty answer", id="whole and empty"),
    ],
)
async def test_what_is_no_whole_answer_is_asked_for_again(speaker: Speaker, problem: str) -> None:
    with pytest.raises(Interrupted, match=problem):
        await reply_to(speaker)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param({"error": {"code": 429, "message": "slow down"}}, Throttled, id="OpenRouter's 429"),
        pytest.param({"error": {"code": 502, "message": "provider down"}}, Interrupted, id="OpenRouter's 502"),
        pytest.param({"error": {"type": "overloaded_error", "message": "busy"}}, Throttled, id="overloaded"),
        pytest.param({"error": {"message": "The server had an error"}}, Interrupted, id="no code"),
        pytest.param({"error": "Internal"}, Interrupted, id="a word"),
        pytest.param({"error": {"code": "insufficient_quota", "message": "no"}}, Rejected, id="no money"),
        pytest.param({"error": {"code": "invalid_request_error", "message": "no"}}, Rejected, id="a bad request"),
    ],
)
@pytest.mark.parametrize("begun", [True, False])
async def test_errors_inside_a_stream_are_sorted(error: JsonObject, kind: type[Exception], begun: bool) -> None:
    with pytest.raises(kind) as caught:
        await reply_to(Speaker(chunks=[*(SAYS[:2] if begun else []), event(error), DONE]))
    spent = caught.value.spent  # type: ignore[attr-defined]  # all are CallFailed
    assert (spent is not None) == begun


async def test_an_event_named_error_is_an_error() -> None:
    with pytest.raises(Throttled):
        await reply_to(Speaker(chunks=[event({"message": "overloaded", "code": "503"}, "error")]))


async def test_an_error_with_status_200_is_an_error() -> None:
    speaker = Speaker(
        headers={"content-type": "application/json"}, chunks=[b'{"error": {"message": "x", "code": 500}}']
    )
    with pytest.raises(Interrupted):
        await reply_to(speaker)
