"""What the gateway costs beside a bare client: processor time per call and per streamed piece, memory, and makespan.

Run: make bench NAME=gateway, or python -m benchmarks.gateway. Three clients ask the same endpoint in turns: our gateway
as a run has it (SQLite ledger, recording, limiter), the plain `openai` SDK as it is usually used, and bare aiohttp with
orjson, which is about the least that a call can take. The endpoint is a process of its own on the first processor, this
one keeps to the last. Times of one machine say little; compare the clients of one run.

- cpu_ms_per_call_200: processor time of one call with 200 messages of 2 KB (`_1`: one message), all threads counted;
  least of several rounds, because everything else on the machine only adds to it.
- a piece: the same for one streamed delta of an answer that comes in many, sent apart as models send them.
- makespan_ratio: sessions that start together, each `CALLS` calls one after the other that take a second to answer,
  from the first call to the last answer, by what it takes at best.
- rss_kb_per_waiting_call: growth of resident memory in a fresh process while 500 calls with one message wait.
"""

import argparse
import asyncio
import gc
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import openai
import orjson

from macrohard.domain import Caps, JsonObject
from macrohard.execution.endpoints import open_endpoints
from macrohard.llm import ModelPrice
from macrohard.llm.budget import Budget
from macrohard.llm.gateway import Gateway
from macrohard.llm.limits.limiter import Limiters
from macrohard.llm.recording.recorder import traffic_path
from macrohard.llm.target import EndpointSettings, Target
from macrohard.store import Store

TEXT = "line of a page that a tool has looked at\n" * 50
"""2 KB."""
ROUNDS, CALLS_IN_ROUND = 5, 40
PIECES = 400
SESSIONS, CALLS = (1, 50, 200, 500), 3
WAITING, SETTLE_SECONDS = 500, 120
CLIENTS = ("gateway", "plain_sdk", "aiohttp")

Ask = Callable[[Sequence[JsonObject], str], Coroutine[None, None, str]]
"""Messages and the session's id in, the text of the answer out."""


def history(messages: int) -> list[JsonObject]:
    """A conversation of that length, the person's turn last."""
    return [{"role": "assistant" if (messages - i) % 2 == 0 else "user", "content": TEXT} for i in range(messages)]


# ── The clients ──────────────────────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def gateway(base_url: str) -> AsyncIterator[Ask]:
    """Ours, with all that a run puts around a call."""
    settings = EndpointSettings(name="measured", base_url=base_url, parallel_calls=10_000)
    target = Target(endpoint=settings, model="m", price=ModelPrice(input=2.0, cached_input=0.5, output=6.0))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        async with await Store.open(None, home=home) as store:
            run_id = await store.create_run("measure", options={}, model=target.model)
            await store.budget(run_id).open(Caps(usd=1e6))
            async with (
                store.hold(run_id) as lease,
                open_endpoints({"strong": (target,)}, record_to=traffic_path(home, run_id)) as endpoints,
            ):
                ours = Gateway(
                    endpoints,
                    run_id=run_id,
                    ledger=Budget(store.budget(run_id)),
                    limiters=Limiters(),
                    tell=await store.log(lease),
                )

                async def ask(messages: Sequence[JsonObject], session: str) -> str:
                    session_id = f"{run_id}/1/use/{session}"
                    reply = await ours.reply(messages, role="strong", tools=(), session_id=session_id)
                    return reply.text

                yield ask


@asynccontextmanager
async def plain_sdk(base_url: str) -> AsyncIterator[Ask]:
    """The SDK as its documentation has it."""
    async with openai.AsyncOpenAI(base_url=base_url, api_key="none") as client:

        async def ask(messages: Sequence[JsonObject], _: str) -> str:
            typed: Any = messages
            stream = await client.chat.completions.create(
                model="m", messages=typed, stream=True, stream_options={"include_usage": True}
            )
            return "".join([event.choices[0].delta.content or "" async for event in stream if event.choices])

        yield ask


@asynccontextmanager
async def bare_aiohttp(base_url: str) -> AsyncIterator[Ask]:
    """The least: no retries, no budget, no checks."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as client:

        async def ask(messages: Sequence[JsonObject], _: str) -> str:
            body = orjson.dumps({"model": "m", "messages": messages, "stream": True})
            text = []
            async with client.post(f"{base_url}/chat/completions", data=body) as answer:
                async for line in answer.content:
                    if line.startswith(b"data: {") and (choices := orjson.loads(line[6:])["choices"]):
                        text.append(choices[0]["delta"].get("content") or "")
            return "".join(text)

        yield ask


OPENED = {"gateway": gateway, "plain_sdk": plain_sdk, "aiohttp": bare_aiohttp}


# ── Measuring ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def processor_ms(ask: Ask, messages: Sequence[JsonObject], calls: int) -> float:
    """Processor time of this process for one call, mean of so many."""
    before = time.process_time()
    for _ in range(calls):
        await ask(messages, "s")
    return 1000 * (time.process_time() - before) / calls


async def call_costs(origin: str, messages: int, *, pieces: int, calls: int) -> dict[str, float]:
    """For each client the least of the rounds, which take turns."""
    least = dict.fromkeys(CLIENTS, float("inf"))
    conversation = history(messages)
    for _ in range(ROUNDS):
        for name in CLIENTS:
            async with OPENED[name](f"{origin}/0/{pieces}/v1") as ask:
                text = await ask(conversation, "s")  # Connects, and imports what is imported late.
                if text != "word " * pieces:
                    raise SystemExit(f"{name} read {text[:100]!r} instead of {pieces} words")
                least[name] = min(least[name], await processor_ms(ask, conversation, calls))
    return least


async def makespan(name: str, origin: str, sessions: int) -> float:
    """How much longer it takes than the answers themselves."""
    conversation = history(10)

    async def session(number: int, ask: Ask) -> None:
        for _ in range(CALLS):
            await ask(conversation, f"s{number}")

    async with OPENED[name](f"{origin}/1000/1/v1") as ask:
        began = time.monotonic()
        await asyncio.gather(*(session(number, ask) for number in range(sessions)))
        return (time.monotonic() - began) / CALLS


async def waiting_kb(name: str, origin: str, messages: int) -> float:
    """Growth of this process for each call that waits."""
    conversation = history(messages)
    async with OPENED[name](f"{origin}/0/1/v1") as ask:
        await asyncio.gather(*(ask(conversation, f"s{number}") for number in range(8)))  # What every process has once.
    async with OPENED[name](f"{origin}/600000/1/v1") as ask:
        gc.collect()
        before = resident_kb()
        calls = [asyncio.create_task(ask(conversation, f"s{number}")) for number in range(WAITING)]
        port = int(origin.rpartition(":")[2])
        for _ in range(SETTLE_SECONDS):
            await asyncio.sleep(1)
            if (waiting := connections(port)) >= WAITING:
                break
        else:
            raise SystemExit(f"{name}: only {waiting} of {WAITING} calls wait after {SETTLE_SECONDS} s")
        await asyncio.sleep(1)
        gc.collect()
        grown = resident_kb() - before
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    return grown / WAITING


def connections(port: int) -> int:
    """How many of this process lead to that port, established."""
    mine = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            mine.add(os.readlink(link))
        except FileNotFoundError:
            continue  # The listing's own.
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "01" and f"socket:[{row[9]}]" in mine for row in rows)


def resident_kb() -> float:
    """Memory of this process that is in RAM."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


def waiting_in_fresh_process(name: str, origin: str, messages: int) -> float:
    """What `waiting_kb` says where nothing was allocated before."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.gateway",
        "--waiting",
        name,
        "--at",
        origin,
        "--messages",
        str(messages),
    ]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def row(title: str, figures: Sequence[float], unit: str, digits: int = 2) -> None:
    """One line of the table."""
    print(f"{title:<42}" + "".join(f"{figure:>12.{digits}f}" for figure in figures) + f"  {unit}", flush=True)


def measured(origin: str) -> JsonObject:
    """All figures, with a table on the way."""
    print(f"{'':<42}" + "".join(f"{name:>12}" for name in CLIENTS))
    costs = {}
    for messages in (1, 200):
        costs[messages] = asyncio.run(call_costs(origin, messages, pieces=4, calls=CALLS_IN_ROUND))
        row(f"processor, a call of {messages} messages", list(costs[messages].values()), "ms")
    many = asyncio.run(call_costs(origin, 1, pieces=PIECES, calls=4))
    row(
        "processor, a streamed piece",
        [1000 * (many[name] - costs[1][name]) / (PIECES - 4) for name in CLIENTS],
        "us",
        0,
    )
    ratios: JsonObject = {}
    for sessions in SESSIONS:
        spans = [asyncio.run(makespan(name, origin, sessions)) for name in CLIENTS]
        ratios[str(sessions)] = round(spans[0], 3)
        row(f"makespan / ideal, {sessions} sessions", spans, "", 3)
    memory = {}
    for messages in (1, 200):
        memory[messages] = [waiting_in_fresh_process(name, origin, messages) for name in CLIENTS]
        row(f"memory, a waiting call of {messages} messages", memory[messages], "KB", 0)
    return {
        "cpu_ms_per_call_200": round(costs[200]["gateway"], 2),
        "plain_sdk_cpu_ms_per_call_200": round(costs[200]["plain_sdk"], 2),
        "makespan_ratio": ratios,
        "rss_kb_per_waiting_call": round(memory[1][0]),
    }


def main() -> None:
    """Start the endpoint, measure, print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiting", choices=CLIENTS, help="only the memory of this client, in KB a call")
    parser.add_argument("--messages", type=int, default=1)
    parser.add_argument("--at", help="the endpoint, where it runs already")
    given = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if given.waiting:
        print(asyncio.run(waiting_kb(given.waiting, given.at, given.messages)))
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.sched_setaffinity(0, set(range(os.cpu_count() or 1)))
    server = subprocess.Popen([sys.executable, "-m", "benchmarks._waiting_server", str(port)])
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        print(json.dumps(measured(f"http://127.0.0.1:{port}")))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
