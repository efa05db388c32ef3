"""What hundreds of short sessions of one run take: memory, processor, bytes of checkpoints, and time against the ideal.

Run: make bench NAME=sessions. The real session loop, gateway, ledger, event log, SQLite store and LangGraph's
checkpoints; the model is a server of its own process whose answers take half a second; the tool answers 2 KB.
Sandboxes are left out: what they take is in `benchmarks.sandboxes`. Each size is a process of its own, because a
process never gives its peak of memory back. The ideal makespan is sessions times calls times latency over slots.
"""

import asyncio
import json
import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from benchmarks.orchestration import database_size, desk
from macrohard.agent import AgentDefinition, Session
from macrohard.agent.definition import Limits
from macrohard.domain import Assignment, Caps, JsonObject
from macrohard.execution.carry_out import Transcripts
from macrohard.factory.graph import checkpoints
from macrohard.factory.reports import WorkReport
from macrohard.factory.state import Branch, State, TaskInput
from macrohard.llm import MODEL_ROLES
from macrohard.llm.budget import Budget
from macrohard.llm.endpoint import open_endpoint
from macrohard.llm.gateway import Gateway
from macrohard.llm.limits.limiter import Limiters
from macrohard.llm.target import EndpointSettings, Target
from macrohard.store import Store

SIZES = (20, 100, 300)
AT_ONCE = 100
CALLS = 5
LATENCY_MILLISECONDS = 500
DIGEST = "0" * 64

AGENT = AgentDefinition(
    name="looker",
    description="Looks.",
    model="fast",
    tools=("look",),
    limits=Limits(turns=50, cost_usd=10, seconds=3600),
    prompt="Look.",
    hash=DIGEST,
)


async def run_of(sessions: int, *, base_url: str, home: Path) -> JsonObject:
    """One run whose tasks are that many sessions, dispatched and gathered as the factory does it."""
    settings = EndpointSettings(name="scripted", base_url=base_url, parallel_calls=AT_ONCE)
    endpoint = open_endpoint(Target(endpoint=settings, model=f"look-{CALLS}", context_tokens=200_000))
    slots, most, at_work = asyncio.Semaphore(AT_ONCE), 0, 0
    async with await Store.open(None, home=home) as store:
        run_id = await store.create_run("measure", options={}, model="look")
        await store.budget(run_id).open(Caps(usd=1000.0, sessions=sessions, fan_out=sessions))
        async with store.hold(run_id) as lease:
            log, budget = await store.log(lease), Budget(store.budget(run_id))
            gateway = Gateway(
                dict.fromkeys(MODEL_ROLES, (endpoint,)), run_id=run_id, ledger=budget, limiters=Limiters(), tell=log
            )

            async def implement(state: TaskInput) -> State:
                nonlocal most, at_work
                session_id = f"{run_id}/1/implement/{state['task']}"
                assignment = Assignment(
                    session_id=session_id, agent="looker", phase="implement", task="Look", material={}
                )
                session = Session(
                    AGENT,
                    assignment,
                    iteration=1,
                    report=WorkReport,
                    model=gateway,
                    transcripts=Transcripts(store),
                    artifacts=store.artifacts,
                    emit=log,
                )
                async with slots, budget.session(session_id):
                    at_work += 1
                    most = max(most, at_work)
                    result = await session.run(desk)
                    at_work -= 1
                branch = Branch(
                    task=state["task"], commit=DIGEST[:40], problem=result.problem, note="It looked.", decisions=[]
                )
                return {"branches": [branch]}

            def fan_out(state: State) -> list[Send]:
                return [Send("implement", task_input(f"T-{number}")) for number in range(1, sessions + 1)]

            graph: Any = StateGraph(State)
            graph.add_node("plan", lambda state: {"iteration": 1})
            graph.add_node("implement", implement)
            graph.add_node("integrate", lambda state: {"done": [branch["task"] for branch in state["branches"]]})
            graph.add_edge(START, "plan")
            graph.add_conditional_edges("plan", fan_out, ["implement"])
            graph.add_edge("implement", "integrate")
            graph.add_edge("integrate", END)
            began, processor = time.monotonic(), time.process_time()
            async with checkpoints(home / "checkpoints.db") as saver:
                compiled = graph.compile(checkpointer=saver)
                config = {"configurable": {"thread_id": run_id}}
                state = await compiled.ainvoke({"iteration": 0}, config, durability="sync")
            seconds, processor = time.monotonic() - began, time.process_time() - processor
    await endpoint.close()
    if len(state["done"]) != sessions or any(branch["problem"] for branch in state["branches"]):
        raise SystemExit("not every session finished")
    ideal = max(1, -(-sessions // AT_ONCE)) * CALLS * LATENCY_MILLISECONDS / 1000
    return {
        "sessions": sessions,
        "at_once": most,
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "cpu_ms_per_session": round(1000 * processor / sessions, 1),
        "seconds": round(seconds, 2),
        "makespan_ratio": round(seconds / ideal, 2),
        "checkpoint_bytes_per_session": size_of(home) // sessions,
        "store_bytes_per_session": database_size(home) // sessions,
    }


def size_of(home: Path) -> int:
    """Bytes of the checkpoints."""
    return sum(path.stat().st_size for path in home.glob("checkpoints.db*"))


def task_input(task: str) -> TaskInput:
    """As large as the factory's."""
    return TaskInput(
        iteration=1,
        specification=DIGEST,
        design=DIGEST,
        plan=DIGEST,
        task=task,
        base=DIGEST[:40],
        problems=None,
        notes=[],
        returned=None,
        decisions=None,
        contested=False,
        scenarios=None,
        held=[],
    )


def figures(rows: list[Any]) -> JsonObject:
    """The last row, and how memory grew from a hundred sessions to all, and with each session at work."""
    few, hundred, all_ = rows
    return {
        **all_,
        "rss_mib_per_session_at_work": round((hundred["peak_rss_mib"] - few["peak_rss_mib"]) / (100 - 20), 2),
        "rss_growth_300_to_100": round(all_["peak_rss_mib"] / hundred["peak_rss_mib"], 2),
    }


def main() -> None:
    """Start the server, measure each size in a process of its own, print one JSON line."""
    if len(sys.argv) == 3:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(asyncio.run(run_of(int(sys.argv[1]), base_url=sys.argv[2], home=Path(folder)))))
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks._scripted_server", str(port), str(LATENCY_MILLISECONDS)]
    server = subprocess.Popen(command)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        rows = []
        for size in SIZES:
            one = [sys.executable, "-m", "benchmarks.sessions", str(size), f"http://127.0.0.1:{port}/v1"]
            rows.append(json.loads(subprocess.run(one, check=True, capture_output=True, text=True).stdout))
            print(rows[-1])
        print(json.dumps(figures(rows)))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
