"""The order of everything: one run as a LangGraph graph.

    (understand, before all else, where the run begins from an existing product)

    analyse → clarify → design → plan → approve_plan → build
       ▲                                     │
       └── a person wants something else ────┘

    build ─┬─ implement ×n ──┬─ integrate ─┬─ verify ┬─ use ×visitors ────┬ triage ┬ approve_release → release
           └─ write_scenarios┘      ▲      │         └─ review ×reviewers ┘    ▲   │        │
                                    │      └─ implement (what waited)          └───│────────┘ a person wants more
                                    └──────────── implement (the next iteration) ◄─┘

Nodes may run twice: they derive the names of what they make, and sessions and checks that are done are not repeated.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

# Types of our own in a checkpoint would be blocked by a later langgraph: be strict from the start.
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

import aiosqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

from macrohard.factory.approval import APPROVE, CHANGE, approve_plan, approve_release
from macrohard.factory.context import FactoryContext
from macrohard.factory.intake import analyse, clarify, design, plan, write_scenarios
from macrohard.factory.making import dispatch, implement, integrate
from macrohard.factory.release import release
from macrohard.factory.review import review
from macrohard.factory.solo import stand_alone
from macrohard.factory.state import State
from macrohard.factory.triage import STUCK, triage
from macrohard.factory.understanding import understand
from macrohard.factory.usage import use
from macrohard.factory.verification import invite, verify

Fence = Callable[[], Awaitable[None]]
Graph = CompiledStateGraph[State, FactoryContext, State, State]


def build_graph(checkpointer: AsyncSqliteSaver) -> Graph:
    """The factory, ready to be invoked with a run's id as thread id."""
    graph = StateGraph(State, context_schema=FactoryContext)
    graph.add_node("analyse", analyse)
    graph.add_node("clarify", clarify)
    graph.add_node("design", design)
    graph.add_node("plan", plan)
    graph.add_node("approve_plan", approve_plan)
    graph.add_node("write_scenarios", write_scenarios)
    graph.add_node("implement", implement)
    graph.add_node("integrate", integrate, defer=True)
    graph.add_node("verify", verify)
    graph.add_node("use", use)
    graph.add_node("review", review)
    graph.add_node("triage", triage, defer=True)
    graph.add_node("approve_release", approve_release)
    graph.add_node("release", release)

    graph.add_node("stand_alone", stand_alone)

    graph.add_conditional_edges(START, first_step, ["analyse", "stand_alone"])
    graph.add_conditional_edges("stand_alone", dispatch, ["implement", "write_scenarios", "verify"])
    graph.add_edge("analyse", "clarify")
    graph.add_conditional_edges(
        "clarify", lambda state: state["decision"], {"design": "design", "ask": END, "end": END}
    )
    graph.add_edge("design", "plan")
    graph.add_edge("plan", "approve_plan")
    graph.add_conditional_edges("approve_plan", begin, ["implement", "write_scenarios", "verify", END])
    graph.add_edge("implement", "integrate")
    graph.add_edge("write_scenarios", "integrate")
    graph.add_conditional_edges("integrate", dispatch, ["implement", "write_scenarios", "verify"])
    graph.add_conditional_edges("verify", invite, ["use", "review", "triage"])
    graph.add_edge("use", "triage")
    graph.add_edge("review", "triage")
    graph.add_conditional_edges("triage", next_step, ["implement", "verify", "approve_release", END])
    graph.add_conditional_edges(
        "approve_release",
        lambda state: state["decision"],
        {"release": "release", APPROVE: END, CHANGE: "triage"},
    )
    graph.add_edge("release", END)
    return graph.compile(checkpointer=checkpointer)


async def first_step(state: State, runtime: Runtime[FactoryContext]) -> str:
    """A team begins with the requirement; one agent alone is given everything at once."""
    return "stand_alone" if runtime.context.contract is not None else "analyse"


async def next_step(state: State, runtime: Any) -> Any:
    """After triage: the next iteration's tasks, a question to the person, or the release."""
    if state["decision"] == STUCK:
        return END
    return "approve_release" if state["decision"] == "release" else await dispatch(state, runtime)


async def begin(state: State, runtime: Any) -> Any:
    """After the plan: build, or wait for a person."""
    return END if state["decision"] in (APPROVE, CHANGE) else await dispatch(state, runtime)


@asynccontextmanager
async def open_graph(path: Path, *, fence: Fence | None = None) -> AsyncIterator[Graph]:
    """The graph with its checkpoints in an SQLite file of its own; `fence` is asked before each is written."""
    async with checkpoints(path, fence=fence) as saver:
        yield build_graph(saver)


class _Fenced(AsyncSqliteSaver):
    """Nothing locks a thread's checkpoints: whoever lost the run has to be kept from writing here."""

    def __init__(self, connection: aiosqlite.Connection, fence: Fence) -> None:
        super().__init__(connection)
        self._fence = fence

    async def aput(self, *arguments: Any, **named: Any) -> Any:
        await self._fence()
        return await super().aput(*arguments, **named)

    async def aput_writes(self, *arguments: Any, **named: Any) -> None:
        await self._fence()
        await super().aput_writes(*arguments, **named)


@asynccontextmanager
async def checkpoints(path: Path, *, fence: Fence | None = None) -> AsyncIterator[AsyncSqliteSaver]:
    """An SQLite file for the graph's state; `fence` raises LeaseLost where it may not be written any more."""
    async with aiosqlite.connect(path, timeout=30) as connection:
        await connection.execute("PRAGMA journal_mode=WAL")
        await connection.execute("PRAGMA synchronous=NORMAL")
        yield AsyncSqliteSaver(connection) if fence is None else _Fenced(connection, fence)


async def release_what_was_kept(graph: Graph, context: FactoryContext, why: str) -> State | None:
    """Put out the last commit that was kept, of a run that can go no further because of `why`; None: there is none."""
    known = cast(State, (await graph.aget_state({"configurable": {"thread_id": context.run_id}})).values)
    if not known.get("good"):
        return None
    state: State = {**known, "decision": "release", "ended": why}
    return {**state, **await release(state, Runtime(context=context))}


async def advance(graph: Graph, context: FactoryContext) -> State:
    """Take the run as far as it goes: to its end, or to a question.

    A run that was begun goes on from its last checkpoint; one that stopped at a question, and has answers now, reads
    the requirement again with them.
    """
    if context.provenance is not None and context.ground is None:
        context = replace(context, ground=await understand(context, context.provenance))
    config: Any = {"configurable": {"thread_id": context.run_id}, "recursion_limit": 400}
    known = await graph.aget_state(config)
    given: State | Command[str] | None = {"iteration": 0} if not known.values else None
    if known.values.get("decision") == "ask" and not known.next and (context.answers or not context.ask):
        given = {"iteration": 0}
    if known.values.get("decision") == STUCK and not known.next:
        if known.values["asked"] not in context.answers and context.ask:
            return cast(State, known.values)
        # As if the visitors had just left: triage looks at the same failures again, and at the answer.
        await graph.aupdate_state(config, {"decision": "again"}, as_node="use")
    if known.values.get("decision") == APPROVE and not known.next:
        # The node looks again, at what was said meanwhile and at the clock.
        given = Command(goto=f"approve_{known.values['awaiting']}")
    while True:
        await graph.ainvoke(given, config, context=context, durability="sync")
        state = cast(State, (await graph.aget_state(config)).values)
        if state["decision"] != CHANGE:
            return state
        given = {"iteration": 0}
