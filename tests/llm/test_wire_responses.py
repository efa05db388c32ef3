"""The Responses wire: items that go back unchanged to who made them, and events from whole and half answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from macrohard.domain import JsonObject
from macrohard.llm.failures import Interrupted, Rejected, Throttled, TooLong
from macrohard.llm.target import Capabilities, EndpointSettings, Target
from macrohard.llm.wire import WIRES
from tests.llm.speaking import QUESTION, TOOLS, Speaker, endpoint_of, event, reply_to, speaking

STREAM = (Path(__file__).parent / "streams" / "xai.responses.sse").read_bytes()
EVENTS = [block + b"\n\n" for block in STREAM.split(b"\n\n") if block]
XAI = Target(
    endpoint=EndpointSettings(name="xai", base_url="http://x/v1", wire="responses"),
    model="grok-4.7",
    effort="high",
    temperature=0.7,
    max_output_tokens=500,
    capabilities=Capabilities(efforts=("low", "high")),
)
PICTURE = "data:image/png;base64,AAAA"
CALL: JsonObject = {"id": "c1", "type": "function", "function": {"name": "read", "arguments": '{"path": "a"}'}}


def body_of(messages: list[JsonObject], tools: list[JsonObject], asked: Target = XAI) -> Any:
    return json.loads(WIRES["responses"].encode(asked, messages, tools, session_id="s")[1])


def named(kind: str, **more: Any) -> bytes:
    return event({"type": kind, **more}, kind)


def test_the_request() -> None:
    sent = body_of(QUESTION, TOOLS)
    assert sent["tools"][0] == {"type": "function", "name": "read", "parameters": {"type": "object", "properties": {}}}
    assert (sent["stream"], sent["store"], sent["include"]) == (True, False, ["reasoning.encrypted_content"])
    assert (sent["max_output_tokens"], sent["temperature"], sent["reasoning"]) == (500, 0.7, {"effort": "high"})
    assert len(sent["prompt_cache_key"]) <= 64
    assert not sent.keys() & {"messages", "max_tokens", "tool_choice", "strict", "previous_response_id", "instructions"}
    bare = body_of(QUESTION, [], XAI.model_copy(update={"capabilities": Capabilities(temperature=False)}))
    assert not bare.keys() & {"tools", "temperature", "reasoning"}


def test_a_conversation_from_elsewhere_is_translated() -> None:
    sent = body_of(
        [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": PICTURE}},
                ],
            },
            {
                "role": "assistant",
                "content": "I look.",
                "tool_calls": [CALL],
                "provider": {"endpoint": "other", "model": "grok-4.7", "items": [{"type": "reasoning"}]},
            },
            {"role": "tool", "tool_call_id": "c1", "content": "a page"},
        ],
        [],
    )
    assert sent["input"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What is this?"},
                {"type": "input_image", "image_url": PICTURE},
            ],
        },
        {"role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "c1", "name": "read", "arguments": '{"path": "a"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "a page"},
    ]


async def test_items_go_back_as_they_came() -> None:
    async with speaking(Speaker(chunks=EVENTS)) as speaker, endpoint_of(speaker, wire="responses") as endpoint:
        first = await endpoint.complete(endpoint.prepare(QUESTION, TOOLS, session_id="s"))
        messages: list[JsonObject] = [
            *QUESTION,
            first.message,
            {"role": "tool", "tool_call_id": "call_x", "content": "a page"},
        ]
        await endpoint.complete(endpoint.prepare(messages, TOOLS, session_id="s"))
        assert speaker.asked[0].path == "/v1/responses"
        sent = speaker.body["input"]
    output = json.loads(EVENTS[-1].partition(b"data: ")[2])["response"]["output"]
    assert sent[1:3] == output
    assert sent[3] == {"type": "function_call_output", "call_id": "call_x", "output": "a page"}
    # And the wire of chat completions gets none of it.
    plain = json.loads(WIRES["chat"].encode(XAI, messages, [], session_id="s")[1])["messages"][1]
    assert plain.keys() == {"role", "content", "tool_calls"}


async def test_xais_answer_is_understood() -> None:
    reply = await reply_to(Speaker(chunks=EVENTS), wire="responses")
    [call] = reply.tool_calls
    assert (call.id, call.name, call.arguments) == ("call_x", "read", '{"path":"a"}')
    assert (reply.finish, reply.text, reply.reasoning, reply.model) == ("tool_calls", "", "Let me see.", "qwen")
    usage = reply.usage
    assert (usage.input_tokens, usage.cached_tokens, usage.output_tokens, usage.reasoning_tokens) == (50, 32, 10, 6)
    assert usage.cost_usd == pytest.approx(0.00123)
    assert usage.exact


def said(*items: JsonObject, status: str = "completed", **more: Any) -> bytes:
    kind = {"completed": "response.completed", "incomplete": "response.incomplete"}[status]
    return named(kind, response={"model": "m", "status": status, "output": list(items), **more})


MESSAGE: JsonObject = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "It is."}]}
PIECES = [
    named("response.output_item.added", output_index=0, item={"type": "message", "id": "m1", "content": []}),
    named("response.output_text.delta", output_index=0, delta="It "),
    named("response.output_text.delta", output_index=0, delta="is."),
]
MADE: JsonObject = {"type": "function_call", "call_id": "c1", "name": "read", "arguments": '{"path": "a"}'}


@pytest.mark.parametrize(
    ("chunks", "text", "finish"),
    [
        pytest.param([said(MESSAGE)], "It is.", "stop", id="all in the last event"),
        pytest.param([*PIECES, said()], "It is.", "stop", id="all in pieces"),
        pytest.param(
            [json.dumps({"object": "response", "status": "completed", "output": [MESSAGE]}).encode()],
            "It is.",
            "stop",
            id="not streamed",
        ),
        pytest.param(
            [*PIECES, said(status="incomplete", incomplete_details={"reason": "max_output_tokens"})],
            "It is.",
            "length",
            id="cut off",
        ),
        pytest.param(
            [said(MESSAGE, status="incomplete", incomplete_details={"reason": "content_filter"})],
            "It is.",
            "refused",
            id="filtered",
        ),
        pytest.param(
            [said({"type": "message", "content": [{"type": "refusal", "refusal": "No."}]})],
            "No.",
            "refused",
            id="refused",
        ),
        pytest.param(
            [named("response.output_item.done", output_index=0, item=MESSAGE), b"data: [DONE]\n\n"],
            "It is.",
            "stop",
            id="no last event",
        ),
    ],
)
async def test_words_are_read(chunks: list[bytes], text: str, finish: str) -> None:
    reply = await reply_to(Speaker(chunks=chunks), wire="responses")
    assert (reply.text, reply.finish) == (text, finish)
    # Half an answer cannot go back as items.
    assert ("provider" in reply.message) == (finish != "length")


async def test_calls_get_ids_and_items_the_same_ones() -> None:
    chunks = [said({**MADE, "call_id": ""}, {**MADE, "call_id": ""})]
    reply = await reply_to(Speaker(chunks=chunks), wire="responses")
    first, second = reply.tool_calls
    assert first.id
    assert first.id != second.id
    items: Any = reply.message["provider"]
    assert [item["call_id"] for item in items["items"]] == [first.id, second.id]


async def test_items_that_are_no_json_are_sent_back_so_that_they_can_be_read() -> None:
    reply = await reply_to(Speaker(chunks=[said({**MADE, "arguments": '{"path": oops}'})]), wire="responses")
    assert reply.tool_calls[0].arguments == '{"path": oops}'
    items: Any = reply.message["provider"]
    assert json.loads(items["items"][0]["arguments"]) == {"not_json": '{"path": oops}'}


@pytest.mark.parametrize(
    ("chunks", "kind"),
    [
        pytest.param(EVENTS[:-1], Interrupted, id="no end"),
        pytest.param(PIECES, Interrupted, id="half an answer"),
        pytest.param([*PIECES, b"data: [DONE]\n\n"], Interrupted, id="half an item and [DONE]"),
        pytest.param([said()], Interrupted, id="empty"),
        pytest.param([said({**MADE, "arguments": '{"path": "a'})], Interrupted, id="half a call"),
        pytest.param([said({**MADE, "name": ""})], Interrupted, id="a call of nothing"),
        pytest.param([named("error", code="rate_limit_exceeded", message="slow down")], Throttled, id="an error"),
        pytest.param(
            [
                named(
                    "response.failed", response={"status": "failed", "error": {"code": "server_error", "message": "x"}}
                )
            ],
            Interrupted,
            id="failed",
        ),
        pytest.param(
            [named("response.failed", response={"error": {"code": "context_length_exceeded", "message": "too long"}})],
            TooLong,
            id="failed, too long",
        ),
        pytest.param([named("error", error={"type": "invalid_request_error", "message": "x"})], Rejected, id="refused"),
    ],
)
async def test_what_is_no_answer_is_sorted(chunks: list[bytes], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        await reply_to(Speaker(chunks=chunks), wire="responses")
