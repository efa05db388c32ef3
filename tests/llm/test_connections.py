"""Connections to an endpoint: what goes over them, how they break, and who closes them."""

import asyncio
import json
import socket
from typing import Literal

import pytest
import uvicorn

from macrohard.domain import JsonObject
from macrohard.llm import ModelPrice
from macrohard.llm.builtin.app import application
from macrohard.llm.endpoint import LINGER_SECONDS, open_endpoint
from macrohard.llm.failures import Interrupted, Rejected
from macrohard.llm.target import EndpointSettings, Target
from macrohard.llm.transport import Request, TransportFailed
from macrohard.llm.transport.connections import open_transport
from macrohard.llm.transport.http import HttpTransport
from tests.llm.speaking import (
    DONE,
    PRICE,
    QUESTION,
    TOOLS,
    Speaker,
    chunk,
    complaint,
    endpoint_of,
    event,
    reply_to,
    speaking,
    tool,
)

OK = [chunk({"content": "ok"}), chunk({}, "stop")]


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
