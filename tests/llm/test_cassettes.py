"""What several providers are known to send, served over HTTP or replayed, is read alike."""

from pathlib import Path

import orjson
import pytest
from aiohttp import web
from pydantic import SecretStr

from macrohard.domain import JsonObject
from macrohard.execution.endpoints import open_endpoints
from macrohard.execution.replay import check_cassette
from macrohard.llm import MODEL_ROLES
from macrohard.llm.endpoint import Endpoint
from macrohard.llm.failures import CallFailed, Rejected, Throttled
from macrohard.llm.recording.cassette import Recorded, read_cassette
from macrohard.llm.recording.model import target_of
from macrohard.llm.target import EndpointSettings, Target
from macrohard.llm.transport.connections import open_transport
from tests.serving import CASSETTES, ServeCassette, on_loopback

NAMES = [path.stem for path in sorted(CASSETTES.glob("*.jsonl"))]
KEY = "canary-77aa51c04e9d"


@pytest.mark.parametrize("name", NAMES)
async def test_recorded_answers_are_read_as_it_is_written_beside_them(name: str) -> None:
    checked = await check_cassette(CASSETTES / f"{name}.jsonl")
    assert checked.departures == ()
    assert checked.answers > 0


@pytest.mark.parametrize("name", NAMES)
async def test_the_same_answers_come_over_http(name: str, serve_cassette: ServeCassette) -> None:
    recorded = read_cassette(CASSETTES / f"{name}.jsonl").exchanges
    served = await serve_cassette(name)
    read = [await reply(each, base_url=served.base_url) for each in recorded]
    assert served.left == []
    assert [None if isinstance(each, CallFailed) else each for each in read] == [
        each.exchange.reply for each in recorded
    ]
    assert [isinstance(each, Throttled) for each in read] == [each.exchange.status == 429 for each in recorded]


async def reply(recorded: Recorded, *, base_url: str) -> JsonObject | CallFailed:
    target = target_of(recorded, {})
    target = target.model_copy(update={"endpoint": target.endpoint.model_copy(update={"base_url": base_url})})
    endpoint = Endpoint(target, open_transport(target.endpoint))
    try:
        return (await endpoint.complete(endpoint.prepare([], [], session_id="a/session"))).message
    except CallFailed as failure:
        return failure
    finally:
        await endpoint.close()


async def test_a_changed_answer_is_named_with_its_session_and_call(tmp_path: Path) -> None:
    changed = tmp_path / "changed.jsonl"
    changed.write_text((CASSETTES / "openai-chat.jsonl").read_text().replace('Both are\\"', 'None are\\"'))
    checked = await check_cassette(changed)
    (departure,) = checked.departures
    assert (departure.session, departure.call) == ("1/implement/T-1", 1)
    assert (departure.what, departure.place) == ("the answer", "content")
    assert departure.recorded.startswith("Both are")
    assert departure.now.startswith("None are")


async def test_a_key_that_an_endpoint_says_again_is_not_recorded(tmp_path: Path) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"error": f"no such key: {request.headers['Authorization']}"}, status=401)

    path = tmp_path / "traffic.jsonl"
    async with on_loopback(refuse) as address:
        settings = EndpointSettings(name="echo", base_url=f"{address}/v1", api_key=SecretStr(KEY))
        targets = {role: (Target(endpoint=settings, model="m"),) for role in MODEL_ROLES}
        async with open_endpoints(targets, record_to=path) as endpoints:
            endpoint = endpoints["fast"][0]
            said = f"my key is {KEY}"
            call = endpoint.prepare([{"role": "user", "content": said}], [], session_id="r/0/plan/planner")
            with pytest.raises(Rejected):
                await endpoint.complete(call)
    lines = path.read_bytes()
    assert KEY.encode() not in lines
    taken_up, exchange = (orjson.loads(line) for line in lines.splitlines())
    assert exchange["status"] == 401
    assert "no such key: Bearer [redacted]" in exchange["answer"]
    assert taken_up["targets"]["strong"][0]["endpoint"]["base_url"] == settings.base_url
    assert "api_key" not in taken_up["targets"]["strong"][0]["endpoint"]
