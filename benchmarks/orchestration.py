"""What the factory adds to a model's latency: processor time and database bytes per model call, by length of session.

Run: make bench NAME=orchestration. Real gateway, client, session loop, ledger and SQLite store; the model is a server
of its own process that answers at once; the tool answers 2 KB. The plain SDK with the same history, in the same run,
is what to compare with: times of one machine say little.
"""

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import openai

from macrohard.agent import AgentDefinition, Bench, Session
from macrohard.agent.definition import Limits
from macrohard.domain import Assignment, Caps, JsonObject
from macrohard.execution.carry_out import Transcripts
from macrohard.factory.reports import WorkReport
from macrohard.llm import MODEL_ROLES
from macrohard.llm.endpoint import open_endpoint
from macrohard.llm.gateway import Gateway
from macrohard.llm.limits.limiter import Limiters
from macrohard.llm.target import EndpointSettings, Target
from macrohard.store import Store

LENGTHS = (100, 200, 400)
TEXT = "line of a page that a tool has looked at\n" * 50
PLAIN_CALLS = 40


class Page:
    """A visit that costs nothing, so that only the factory's own work is measured."""

    whole = ""

    def __init__(self) -> None:
        self._looks = 0

    async def look(self) -> str:
        """2 KB, never the same twice: a session that repeats itself would be ended."""
        self._looks += 1
        return f"look {self._looks}\n{TEXT}"

    async def act(self, **_: object) -> str:
        """The same."""
        return TEXT

    async def picture(self) -> None:
        """None: this model takes no pictures."""

    def record(self) -> JsonObject:
        """Nothing."""
        return {}


@asynccontextmanager
async def desk(saved: str | None) -> AsyncIterator[Bench]:
    """A bench with that page."""
    yield Bench(visit=Page())


async def session_of(calls: int, *, base_url: str, home: Path) -> tuple[float, int]:
    """Processor milliseconds for each model call, and database bytes for each, over one session."""
    # The window is so large that no conversation is shortened: what is measured is how the cost grows with its length.
    scripted = EndpointSettings(name="scripted", base_url=base_url)
    settings = Target(endpoint=scripted, model=f"look-{calls}", context_tokens=4_000_000)
    endpoint = open_endpoint(settings)
    async with await Store.open(None, home=home) as store:
        run_id = await store.create_run("measure", options={}, model=settings.model)
        await store.budget(run_id).open(Caps(usd=1000.0))
        agent = AgentDefinition(
            name="looker",
            description="Looks.",
            model="fast",
            tools=("look",),
            limits=Limits(turns=500, cost_usd=1000, seconds=3600),
            prompt="Look.",
            hash="0" * 64,
        )
        async with store.hold(run_id) as lease:
            log = await store.log(lease)
            gateway = Gateway(
                dict.fromkeys(MODEL_ROLES, (endpoint,)),
                run_id=run_id,
                ledger=store.budget(run_id),
                limiters=Limiters(),
                tell=log,
            )
            assignment = Assignment(
                session_id=f"{run_id}/1/use/looker", agent="looker", phase="use", task="Look", material={}
            )
            session = Session(
                agent,
                assignment,
                iteration=1,
                report=WorkReport,
                model=gateway,
                transcripts=Transcripts(store),
                artifacts=store.artifacts,
                emit=log,
            )
            before = time.process_time()
            result = await session.run(desk)
            spent = time.process_time() - before
    await endpoint.close()
    if result.outcome != "finished" or result.model_calls != calls:
        raise SystemExit(f"the session ended as {result.outcome} after {result.model_calls} calls: {result.problem}")
    return 1000 * spent / calls, database_size(home)


def database_size(home: Path) -> int:
    """Bytes of the SQLite file and what goes with it."""
    return sum(path.stat().st_size for path in home.glob("macrohard.db*"))


async def plain_sdk(base_url: str) -> float:
    """Processor milliseconds for a call of the SDK as it is usually used, with 200 messages of history."""
    client = openai.AsyncOpenAI(base_url=base_url, api_key="none")
    history = [{"role": "user" if i % 2 else "assistant", "content": TEXT} for i in range(200)]
    before = time.process_time()
    for _ in range(PLAIN_CALLS):
        await client.chat.completions.create(model="look-400", messages=history)  # type: ignore[arg-type]  # plain dicts
    spent = time.process_time() - before
    await client.close()
    return 1000 * spent / PLAIN_CALLS


async def measured(base_url: str) -> JsonObject:
    """All figures."""
    cpu: dict[int, float] = {}
    size: dict[int, int] = {}
    for length in (5, *LENGTHS):
        with tempfile.TemporaryDirectory() as folder:
            cpu[length], size[length] = await session_of(length, base_url=base_url, home=Path(folder))
        print(f"{length} calls: {cpu[length]:.2f} ms of processor and {size[length] / length:.0f} bytes a call")
    plain = await plain_sdk(base_url)
    return {
        "cpu_ms_per_call_200": round(cpu[200], 2),
        "cpu_ms_per_call_400": round(cpu[400], 2),
        "plain_sdk_cpu_ms_per_call_200": round(plain, 2),
        "db_bytes_per_call_100": round((size[100] - size[5]) / 95),
        "db_bytes_per_call_400": round((size[400] - size[5]) / 395),
        "db_growth_400_to_200": round((size[400] - size[5]) / (size[200] - size[5]), 2),
    }


def main() -> None:
    """Start the server, measure, print one JSON line."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "benchmarks._scripted_server", str(port)])
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        print(json.dumps(asyncio.run(measured(f"http://127.0.0.1:{port}/v1"))))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
