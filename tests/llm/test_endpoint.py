"""Endpoints against a real HTTP server that answers what the test wrote."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvicorn

from macrohard.domain import JsonObject
from macrohard.llm import ModelPrice
from macrohard.llm.endpoint import Endpoint, open_endpoint
from macrohard.llm.failures import Interrupted, Rejected
from macrohard.llm.target import EndpointSettings, Target

PRICE = ModelPrice(input=2.0, cached_input=0.5, output=6.0, long_from_tokens=1000)
QUESTION: list[JsonObject] = [{"role": "user", "content": "What now?"}]


class Server:
    """Answers with `status` and `body`; remembers the requests."""

    def __init__(self) -> None:
        self.status = 200
        self.body: Any = {}
        self.requests: list[Any] = []
        self.base_url = ""

    async def __call__(self, scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.requests.append(json.loads(body))
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(self.body).encode()})


def completion(message: JsonObject, usage: JsonObject | None = None) -> JsonObject:
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m-1",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}],
        **({"usage": usage} if usage else {}),
    }


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    application = Server()
    running = uvicorn.Server(uvicorn.Config(application, log_level="error", lifespan="off"))
    # It listens before the server runs, so that a first request waits instead of being refused.
    listening = socket.create_server(("127.0.0.1", 0))
    task = asyncio.create_task(running.serve(sockets=[listening]))
    application.base_url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    yield application
    running.should_exit = True
    await task


@pytest.fixture
async def endpoint(server: Server) -> AsyncIterator[Endpoint]:
    made = open_endpoint(
        Target(
            endpoint=EndpointSettings(name="test", base_url=server.base_url),
            model="m-1",
            price=PRICE,
            max_output_tokens=1000,
        )
    )
    yield made
    await made.close()


async def test_messages_and_tools_go_out_as_they_are(server: Server, endpoint: Endpoint) -> None:
    server.body = completion({"content": "This."})
    tool: JsonObject = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    reply = await endpoint.complete(endpoint.prepare(QUESTION, [tool], session_id="s"))
    assert reply.text == "This."
    assert reply.message == {"role": "assistant", "content": "This."}
    [sent] = server.requests
    assert sent["messages"] == QUESTION
    assert sent["tools"] == [tool]
    assert sent["model"] == "m-1"


async def test_tool_calls_come_back_in_wire_form(server: Server, endpoint: Endpoint) -> None:
    call: JsonObject = {"id": "c1", "type": "function", "function": {"name": "read", "arguments": '{"path": "a"}'}}
    server.body = completion({"content": None, "tool_calls": [call]})
    reply = await endpoint.complete(endpoint.prepare(QUESTION, [], session_id="s"))
    assert [(made.id, made.name, made.arguments) for made in reply.tool_calls] == [("c1", "read", '{"path": "a"}')]
    assert reply.message["tool_calls"] == [call]


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        pytest.param({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}, 260e-6, id="by the table"),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 10,
                "total_tokens": 110,
                "prompt_tokens_details": {"cached_tokens": 60},
            },
            170e-6,
            id="cached tokens are cheaper",
        ),
        pytest.param(
            {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}, 4120e-6, id="long requests double"
        ),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110, "cost_in_usd_ticks": 123_000_000},
            0.0123,
            id="the provider's own figure wins",
        ),
    ],
)
async def test_what_a_call_cost(server: Server, endpoint: Endpoint, usage: JsonObject, cost: float) -> None:
    server.body = completion({"content": "ok"}, usage)
    assert (await endpoint.complete(endpoint.prepare(QUESTION, [], session_id="s"))).usage.cost_usd == pytest.approx(
        cost
    )


@pytest.mark.parametrize(
    ("status", "body", "advice"),
    [
        pytest.param(401, {"error": {"message": "bad key"}}, "MACROHARD_API_KEY", id="wrong key"),
        pytest.param(404, {"error": {"message": "no model"}}, "MACROHARD_MODEL", id="unknown model"),
        pytest.param(400, {"code": "x", "error": "stop is not supported"}, "stop is not supported", id="xAI's form"),
    ],
)
async def test_a_refusal_says_what_to_do(
    server: Server, endpoint: Endpoint, status: int, body: JsonObject, advice: str
) -> None:
    server.status, server.body = status, body
    with pytest.raises(Rejected, match=advice):
        await endpoint.complete(endpoint.prepare(QUESTION, [], session_id="s"))


async def test_an_endpoint_that_is_not_there_is_named() -> None:
    endpoint = open_endpoint(
        Target(endpoint=EndpointSettings(name="nowhere", base_url="http://127.0.0.1:9/v1"), model="m", price=PRICE)
    )
    with pytest.raises(Interrupted, match=r"nowhere at http://127\.0\.0\.1:9/v1 cannot be reached"):
        await endpoint.complete(endpoint.prepare(QUESTION, [], session_id="s"))
    await endpoint.close()
