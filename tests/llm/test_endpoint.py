"""One attempt over a real connection: what it costs, how it fails, and what it leaves behind."""

import asyncio
import json
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal

import pytest
import uvicorn

from macrohard.domain import JsonObject
from macrohard.llm import ModelPrice
from macrohard.llm.builtin.app import application
from macrohard.llm.endpoint import LINGER_SECONDS, open_endpoint
from macrohard.llm.failures import CallFailed, Interrupted, Rejected, Throttled, TooLong
from macrohard.llm.target import Capabilities, EndpointSettings, Target
from macrohard.llm.transport import Request, TransportFailed
from macrohard.llm.transport.connections import open_transport
from macrohard.llm.transport.http import HttpTransport
from tests.llm.speaking import (
    DONE,
    PRICE,
    QUESTION,
    TOOLS,
    Speaker,
    call_chunk,
    chunk,
    endpoint_of,
    event,
    reply_to,
    speaking,
    tool,
    usage_chunk,
    whole,
)

OK = [chunk({"content": "ok"}), chunk({}, "stop")]


async def attempt(speaker: Speaker, **more: Any) -> CallFailed:
    """How it failed."""
    with pytest.raises(CallFailed) as caught:
        await reply_to(speaker, **more)
    return caught.value


def complaint(status: int, body: object, **headers: str) -> Speaker:
    return Speaker(status=status, chunks=[json.dumps(body).encode()], headers=headers)


# ── What it costs ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("usage", "tokens", "cost"),
    [
        pytest.param({"prompt_tokens": 100, "completion_tokens": 10}, (100, 0, 10, 0), 260e-6, id="by the table"),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 60}},
            (100, 60, 10, 0),
            170e-6,
            id="cached tokens are cheaper",
        ),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 10,
                "total_tokens": 150,
                "completion_tokens_details": {"reasoning_tokens": 40},
            },
            (100, 0, 50, 40),
            500e-6,
            id="reasoning that is left out of the completion",
        ),
        pytest.param(
            {"prompt_tokens": 200_000, "completion_tokens": 10}, (200_000, 0, 10, 0), 0.80012, id="long requests double"
        ),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 10, "cost_in_usd_ticks": 123_000_000},
            (100, 0, 10, 0),
            0.0123,
            id="the provider's own figure wins",
        ),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 10, "cost": 0.0123, "is_byok": False},
            (100, 0, 10, 0),
            0.0123,
            id="OpenRouter's too",
        ),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 10,
                "cost": 0.0003,
                "is_byok": True,
                "cost_details": {"upstream_inference_cost": 0.0120},
            },
            (100, 0, 10, 0),
            0.0123,
            id="OpenRouter's with the bill of the provider behind it",
        ),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 10, "cost": 0.0003, "is_byok": True},
            (100, 0, 10, 0),
            260e-6,
            id="by the table where that bill is not told",
        ),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 10, "cost": 77},
            (100, 0, 10, 0),
            260e-6,
            id="by the table where a cost is in nobody knows what",
        ),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 10, "cost_in_usd_ticks": -5},
            (100, 0, 10, 0),
            260e-6,
            id="unless it is absurd",
        ),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 900}},
            (100, 100, 10, 0),
            110e-6,
            id="not more is cached than there is",
        ),
    ],
)
async def test_what_a_call_took(usage: JsonObject, tokens: tuple[int, int, int, int], cost: float) -> None:
    for speaker in (Speaker(chunks=[*OK, usage_chunk(**usage), DONE]), whole({"content": "ok"}, usage=usage)):
        said = (await reply_to(speaker)).usage
        assert (said.input_tokens, said.cached_tokens, said.output_tokens, said.reasoning_tokens) == tokens
        assert said.cost_usd == pytest.approx(cost)
        assert said.exact == (cost == 0.0123)
        assert not said.estimated


@pytest.mark.parametrize(
    "usage",
    [
        pytest.param(None, id="absent"),
        pytest.param({}, id="empty"),
        pytest.param({"prompt_tokens": -1, "completion_tokens": -5}, id="negative"),
        pytest.param({"prompt_tokens": None, "completion_tokens": None}, id="null"),
        pytest.param({"prompt_tokens": "about 100", "completion_tokens": "10"}, id="words"),
        pytest.param({"prompt_tokens": 0, "completion_tokens": 10}, id="no input"),
        pytest.param({"prompt_tokens": 100, "completion_tokens": 0}, id="no output"),
        pytest.param({"prompt_tokens": 10**12, "completion_tokens": 10}, id="more than there is in the world"),
        pytest.param({"prompt_tokens": True, "completion_tokens": [1]}, id="of other types"),
    ],
)
async def test_a_count_that_cannot_be_true_is_estimated(usage: JsonObject | None) -> None:
    speaker = Speaker(chunks=[chunk({"content": "x" * 400}), *OK, *([] if usage is None else [usage_chunk(**usage)])])
    reply = await reply_to(speaker, messages=[{"role": "user", "content": "x" * 4000}])
    assert reply.usage.estimated
    assert 1000 <= reply.usage.input_tokens <= 1200
    assert 100 <= reply.usage.output_tokens <= 110
    assert reply.usage.cost_usd == pytest.approx((2 * reply.usage.input_tokens + 6 * reply.usage.output_tokens) / 1e6)


@pytest.mark.parametrize("wire", ["chat", "responses"])
async def test_the_worst_case_is_more_than_what_is_usually_counted(wire: Literal["chat", "responses"]) -> None:
    picture = "data:image/png;base64," + "A" * 1_000_000
    messages: list[JsonObject] = [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": picture}}]},
        {"role": "user", "content": "x" * 40_000},
    ]
    async with endpoint_of(Speaker(base_url="http://x/v1"), wire=wire) as endpoint:
        call = endpoint.prepare(messages, TOOLS, session_id="s")
    assert 10_000 < call.likely_tokens < 13_000
    # Twice as many as are likely, the picture, and the answer; but not its million bytes.
    assert 20_000 + 6_000 + 1_000 < call.worst_case_tokens < 35_000
    assert call.worst_case_usd == pytest.approx((2 * (call.worst_case_tokens - 1000) + 6 * 1000) / 1e6)


async def test_who_takes_no_limit_may_answer_until_its_window_is_full() -> None:
    unlimited = Capabilities(output_limit="none")
    speaker = Speaker(base_url="http://x/v1")
    async with endpoint_of(speaker, capabilities=unlimited, context_tokens=50_000) as endpoint:
        assert endpoint.prepare(QUESTION, [], session_id="s").worst_case_usd > 50_000 * 6e-6


# ── How it fails ─────────────────────────────────────────────────────────────────────────────────────────────────────

DOCTOR = "macrohard doctor"


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        pytest.param(401, {"error": {"message": "bad key"}}, Rejected, "keys list", id="wrong key"),
        pytest.param(403, {"code": "x", "error": "The team is not allowed"}, Rejected, "keys list", id="forbidden"),
        pytest.param(404, {"error": {"message": "no model"}}, Rejected, "base_url", id="unknown model"),
        pytest.param(400, {"code": "x", "error": "stop is not supported"}, Rejected, DOCTOR, id="xAI's form"),
        pytest.param(
            400,
            {"error": {"message": "Unsupported parameter: 'max_tokens' is not supported with this model."}},
            Rejected,
            DOCTOR,
            id="OpenAI's parameter",
        ),
        pytest.param(
            422, {"detail": [{"msg": "Extra inputs are not permitted"}]}, Rejected, DOCTOR, id="a validator's parameter"
        ),
        pytest.param(
            400,
            {"error": {"message": '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser'}},
            Rejected,
            "Start the server",
            id="vLLM without tools",
        ),
        pytest.param(402, {"error": {"message": "Insufficient credits"}}, Rejected, "Top up", id="402"),
        pytest.param(
            429,
            {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}},
            Rejected,
            "Top up",
            id="OpenAI's quota",
        ),
        pytest.param(
            403,
            {"code": "x", "error": "Your team doesn't have any credits yet"},
            Rejected,
            "Top up",
            id="xAI's credits",
        ),
        pytest.param(403, {"error": "Content violates usage guidelines."}, Rejected, "rules", id="xAI's guidelines"),
        pytest.param(400, {"error": {"message": "something"}}, Rejected, "answered 400: something", id="anything else"),
        pytest.param(
            400,
            {"error": {"code": "context_length_exceeded", "message": "This model's maximum context length is 8192"}},
            TooLong,
            "so long",
            id="OpenAI: too long",
        ),
        pytest.param(
            400,
            {"code": "x", "error": "This model's maximum prompt length is 131072 but the request contains 537812"},
            TooLong,
            "so long",
            id="xAI: too long",
        ),
        pytest.param(
            400,
            {"error": {"type": "exceed_context_size_error", "message": "it exceeds the available context size"}},
            TooLong,
            "so long",
            id="llama.cpp: too long",
        ),
        pytest.param(
            400,
            {"error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}},
            TooLong,
            "",
            id="Anthropic",
        ),
        pytest.param(
            400, {"error": [{"message": "The input token count (9) exceeds the maximum"}]}, TooLong, "", id="Gemini"
        ),
        pytest.param(
            429,
            {"error": {"message": "Request too large for gpt-x on tokens per min"}},
            TooLong,
            "",
            id="for the minute",
        ),
        pytest.param(500, {"error": {"message": "oops"}}, Interrupted, "answered 500", id="500"),
        pytest.param(502, "<html>Bad gateway</html>", Interrupted, "Bad gateway", id="a proxy's page"),
        pytest.param(408, {}, Interrupted, "408", id="408"),
        pytest.param(503, {"error": {"message": "The model is overloaded"}}, Throttled, "overloaded", id="overloaded"),
        pytest.param(503, {"error": {"message": "starting"}}, Interrupted, "starting", id="503"),
        pytest.param(529, {}, Throttled, "529", id="529"),
        pytest.param(429, {"error": "Too many requests"}, Throttled, "no capacity", id="429"),
    ],
)
async def test_who_has_to_act_is_told(status: int, body: object, kind: type[CallFailed], says: str) -> None:
    failure = await attempt(complaint(status, body))
    assert type(failure) is kind
    assert says in str(failure)
    assert "test (m-1)" in str(failure)
    assert failure.spent is None


async def test_a_key_that_is_repeated_is_not_shown() -> None:
    failure = await attempt(complaint(401, {"error": {"message": "Incorrect API key: canary-key-0123456789"}}))
    assert "canary" not in str(failure)
    assert "Incorrect API key" in str(failure)


async def test_an_endpoint_that_moved_is_not_followed() -> None:
    failure = await attempt(Speaker(status=307, headers={"location": "https://elsewhere.test/v1"}))
    assert "https://elsewhere.test/v1" in str(failure)
    assert isinstance(failure, Rejected)


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        pytest.param({"retry-after": "7"}, "", 7, id="seconds"),
        pytest.param({"retry-after": "1.5"}, "", 1.5, id="a fraction"),
        pytest.param({"retry-after-ms": "250", "retry-after": "9"}, "", 0.25, id="milliseconds"),
        pytest.param(
            {"x-ratelimit-reset-requests": "1m30s", "x-ratelimit-remaining-requests": "0"}, "", 90, id="a span"
        ),
        pytest.param(
            {
                "x-ratelimit-reset-requests": "1h",
                "x-ratelimit-remaining-requests": "5",
                "x-ratelimit-reset-tokens": "20ms",
                "x-ratelimit-remaining-tokens": "0",
            },
            "",
            0.02,
            id="of what is used up",
        ),
        pytest.param({"x-ratelimit-reset-requests": "1763800000"}, "", None, id="a time of day"),
        pytest.param({}, "Please try again in 1.5s. Thank you", 1.5, id="in words"),
        pytest.param({}, "Rate limit reached", None, id="nothing"),
        pytest.param({"retry-after": "soon"}, "", None, id="not understood"),
        pytest.param({"retry-after": "-5"}, "", None, id="negative"),
        pytest.param({"retry-after": "nan"}, "", None, id="no number"),
    ],
)
async def test_how_long_to_wait_is_read(headers: dict[str, str], body: str, seconds: float | None) -> None:
    failure = await attempt(complaint(429, {"error": {"message": body}}, **headers))
    assert isinstance(failure, Throttled)
    assert failure.retry_after_seconds == (None if seconds is None else pytest.approx(seconds))


async def test_a_date_is_taken_by_the_endpoints_own_clock() -> None:
    theirs = datetime(2040, 1, 1, tzinfo=UTC)
    headers = {"date": format_datetime(theirs, usegmt=True)}
    headers["retry-after"] = format_datetime(theirs + timedelta(seconds=30), usegmt=True)
    failure = await attempt(complaint(429, {}, **headers))
    assert isinstance(failure, Throttled)
    assert failure.retry_after_seconds == 30


async def test_what_was_streamed_before_it_broke_is_taken_to_be_billed() -> None:
    pieces = [chunk({"content": "x" * 300}), call_chunk('{"a": "' + "x" * 100, id="c", name="write")]
    messages: list[JsonObject] = [{"role": "user", "content": "x" * 4000}]
    failure = await attempt(Speaker(chunks=pieces, then="break"), messages=messages)
    assert isinstance(failure, Interrupted)
    assert failure.spent is not None
    assert failure.spent.estimated
    assert failure.spent.input_tokens > 1000
    assert 100 <= failure.spent.output_tokens <= 110
    assert failure.spent.cost_usd > 2600e-6


async def test_an_empty_answer_costs_what_was_stated() -> None:
    usage = usage_chunk(prompt_tokens=100, completion_tokens=50, cost_in_usd_ticks=10**8)
    failure = await attempt(Speaker(chunks=[chunk({}, "stop"), usage, DONE]))
    assert failure.spent is not None
    assert (failure.spent.cost_usd, failure.spent.exact) == (0.01, True)


async def test_nothing_is_billed_for_keep_alives() -> None:
    assert (await attempt(Speaker(chunks=[b": wait\n\n"], then="break"))).spent is None


# ── Connections ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_request_on_the_wire() -> None:
    async with speaking(Speaker(chunks=[*OK, DONE])) as speaker, endpoint_of(speaker) as endpoint:
        call = endpoint.prepare(QUESTION, TOOLS, session_id="s")
        await endpoint.complete(call)
        await endpoint.complete(call)
        first, second = speaker.asked
        assert (first.method, first.path) == ("POST", "/v1/chat/completions")
        assert first.headers["authorization"] == "Bearer canary-key-0123456789"
        assert first.headers["content-type"] == "application/json"
        assert speaker.bodies == [call.request.body] * 2
        # The same connection, because the first answer was read to its end.
        assert first.transport is second.transport


async def test_without_a_key_there_is_no_authorization() -> None:
    async with speaking(Speaker(chunks=[*OK, DONE])) as speaker:
        endpoint = open_endpoint(Target(endpoint=EndpointSettings(name="x", base_url=speaker.base_url), model="m"))
        await endpoint.complete(endpoint.prepare(QUESTION, [], session_id="s"))
        await endpoint.close()
        assert "authorization" not in speaker.asked[0].headers


async def test_long_conversations_are_sent() -> None:
    messages: list[JsonObject] = [{"role": "user", "content": "x" * 3_000_000}]
    speaker = Speaker(chunks=[*OK, DONE])
    assert (await reply_to(speaker, messages=messages)).text == "ok"
    assert speaker.body["messages"] == messages


async def test_an_endpoint_that_is_not_there_is_named() -> None:
    settings = EndpointSettings(name="nowhere", base_url="http://127.0.0.1:9/v1")
    endpoint = open_endpoint(Target(endpoint=settings, model="m", price=PRICE))
    with pytest.raises(Interrupted, match=r"nowhere at http://127\.0\.0\.1:9/v1 cannot be reached .*Refused") as caught:
        await endpoint.complete(endpoint.prepare(QUESTION, [], session_id="s"))
    assert caught.value.spent is None
    await endpoint.close()


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"oops\r\n\r\n", id="no HTTP"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc", id="garbled chunks"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", id="less than was announced"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\noops", id="not compressed"
        ),
    ],
)
async def test_broken_http_is_an_interruption(said: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with endpoint_of(Speaker(base_url=f"http://127.0.0.1:{port}/v1")) as endpoint:
            with pytest.raises(Interrupted):
                await endpoint.complete(endpoint.prepare(QUESTION, [], session_id="s"))


async def test_silence_is_borne_as_long_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.5)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + b"".join([*OK, DONE]))
        writer.close()

    monkeypatch.setattr("macrohard.llm.transport.http.ANSWER_SECONDS", 0.1)
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        patient, impatient = (
            open_endpoint(
                Target(endpoint=EndpointSettings(name=f"{seconds} s", base_url=url, silence_seconds=seconds), model="m")
            )
            for seconds in (30, 0.1)
        )
        assert (await patient.complete(patient.prepare(QUESTION, [], session_id="s"))).text == "ok"
        with pytest.raises(Interrupted):
            await impatient.complete(impatient.prepare(QUESTION, [], session_id="s"))
        await patient.close()
        await impatient.close()


async def test_a_cancelled_call_lets_the_endpoint_go() -> None:
    speaker = Speaker(chunks=OK[:1], then="silence")
    async with speaking(speaker), endpoint_of(speaker) as endpoint:
        task = asyncio.create_task(endpoint.complete(endpoint.prepare(QUESTION, [], session_id="s")))
        async with asyncio.timeout(10):
            await speaker.begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            await speaker.left.wait()


async def test_an_endpoint_that_never_hangs_up_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LINGER_SECONDS <= 10
    monkeypatch.setattr("macrohard.llm.endpoint.LINGER_SECONDS", 0.05)
    assert (await reply_to(Speaker(chunks=[*OK, DONE], then="silence"))).text == "ok"


async def test_transports_are_shared_and_closed_by_the_last() -> None:
    async with speaking(Speaker(chunks=[*OK, DONE])) as speaker:
        settings = EndpointSettings(name="x", base_url=speaker.base_url)
        first, second = (open_endpoint(Target(endpoint=settings, model=model)) for model in ("a", "b"))
        await first.complete(first.prepare(QUESTION, [], session_id="s"))
        await first.close()
        await first.close()
        await second.complete(second.prepare(QUESTION, [], session_id="s"))
        assert speaker.asked[0].transport is speaker.asked[1].transport
        await second.close()


async def test_the_list_of_models_can_be_asked_for() -> None:
    async with speaking(complaint(404, {"error": "no"}, server="x")) as speaker:
        transport = HttpTransport(EndpointSettings(name="x", base_url=speaker.base_url))
        page = await transport.get("/models", timeout_seconds=5)
        await transport.close()
    assert (page.status, page.headers["server"], json.loads(page.body)) == (404, "x", {"error": "no"})
    assert (speaker.asked[0].method, speaker.asked[0].path) == ("GET", "/v1/models")
    with pytest.raises(TransportFailed):
        await transport.get("/models", timeout_seconds=5)
    await transport.close()


# ── The built-in model ───────────────────────────────────────────────────────────────────────────────────────────────

ASSIGNMENT: JsonObject = {
    "agent": "analyst",
    "phase": "analyse",
    "material": {"requirement": "A todo list with due dates"},
}
CONVERSATION: list[JsonObject] = [
    {"role": "system", "content": "You are an analyst."},
    {"role": "user", "content": f"Your assignment:\n\n```json\n{json.dumps(ASSIGNMENT)}\n```"},
]


@pytest.mark.parametrize("wire", ["chat", "responses"])
@pytest.mark.parametrize("where", ["in process", "over HTTP"])
async def test_the_built_in_model_is_reached_by_both_wires(wire: Literal["chat", "responses"], where: str) -> None:
    # It listens before the server runs, so that a first request waits instead of being refused.
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, log_level="error"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    port = listening.getsockname()[1]
    url = None if where == "in process" else f"http://127.0.0.1:{port}/v1"
    settings = EndpointSettings(name="builtin", base_url=url, wire=wire)
    whole, short = (
        open_endpoint(
            Target(
                endpoint=settings,
                model="builtin",
                price=ModelPrice(input=1, cached_input=1, output=1),
                max_output_tokens=limit,
            )
        )
        for limit in (16_000, 50)
    )
    tools = [*TOOLS, tool("finish")]
    first = await whole.complete(whole.prepare(CONVERSATION, tools, session_id="s"))
    assert first.finish == "tool_calls"
    assert json.loads(first.tool_calls[0].arguments)["title"]
    assert 0 < first.usage.output_tokens < 16_000
    assert not first.usage.estimated
    refusal: JsonObject = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "Error: no title"}
    second = await whole.complete(whole.prepare([*CONVERSATION, first.message, refusal], tools, session_id="s"))
    assert "no title" in second.text
    cut = await short.complete(short.prepare(CONVERSATION, tools, session_id="s"))
    assert (cut.finish, cut.usage.output_tokens) == ("length", 50)
    with pytest.raises(Rejected, match="assignments only"):
        await whole.complete(whole.prepare(QUESTION, [], session_id="s"))
    await whole.close()
    await short.close()
    server.should_exit = True
    await serving


async def test_leaving_an_answer_of_the_built_in_model_ends_it() -> None:
    transport = open_transport(EndpointSettings(name="builtin", base_url=None))
    body = json.dumps({"model": "builtin", "messages": CONVERSATION, "stream": True}).encode()
    request = Request(endpoint="builtin", path="/chat/completions", headers={}, body=body, session_id="s")
    before = asyncio.all_tasks()
    async with transport.post(request) as answer:
        assert (await anext(answer.chunks)).startswith(b"data: {")
    assert asyncio.all_tasks() == before
    await transport.close()


async def test_what_the_server_says_between_events_does_not_matter() -> None:
    chunks = [b": one\n\n", OK[0], b"event: ping\ndata: {}\n\n", b": two\r\n\r\n", event({"choices": "?"}), OK[1]]
    assert (await reply_to(Speaker(chunks=chunks))).text == "ok"
