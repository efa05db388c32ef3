"""Runs that are told, not built, for pages to show; what they say is hostile."""

from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext

from macrohard.assembly import Factory
from macrohard.domain import Caps, JsonObject, Plan, RunOverview, UserSession
from macrohard.domain.approval import Awaited
from macrohard.domain.design import Design
from macrohard.events import (
    ApprovalAwaited,
    Designed,
    Event,
    Found,
    IterationEnded,
    ModelCalled,
    Planned,
    RunEnded,
    RunStarted,
    ScenariosWritten,
    SessionEnded,
    SessionStarted,
    Specified,
    Used,
    Verified,
)
from macrohard.server.access import local_link
from macrohard.store import Store
from tests.report.sample import FIRST, HOSTILE, SECOND, overview
from tests.server.served import Served

AXE = Path(str(distribution("axe-playwright-python").locate_file("axe_playwright_python/axe.min.js"))).read_text()
STARTED = RunStarted(model="builtin", sandbox_tier="bubblewrap", notices=())
BEFORE = b"def add(title):\n    return save(title)\n"
AFTER = (
    b'def add(title):\n    # <script>document.title = "owned"</script>\n    if not title:\n        raise Refused()\n'
)


async def told(factory: Factory, shots: dict[str, bytes]) -> dict[str, str]:
    store = factory.store
    digests = {name: await store.artifacts.put(content, media_type="image/jpeg") for name, content in shots.items()}
    log = await store.artifacts.put(f"it failed {HOSTILE}".encode(), media_type="text/plain")
    run = overview(digests, words=HOSTILE, log=log)
    ids = {}
    for name in ("over", "under way", "refused", "budget", "waiting", "release"):
        ids[name] = await store.create_run(run.summary.requirement, options={}, model="builtin")
        await store.budget(ids[name]).open(Caps(usd=5.0))
    first, second = await commits(factory, ids["over"])
    await say(store, ids["over"], *events(run, ids["over"], commits={FIRST: first, SECOND: second}))
    started, *rest = events(run, ids["under way"], commits={FIRST: first, SECOND: second})
    begun = [each for each in rest if isinstance(each, SessionStarted)]
    await say(store, ids["under way"], started, *begun[:5])
    await say(store, ids["refused"], started, ended("refused", f"It is no product. {HOSTILE}"))
    asked = ApprovalAwaited(awaited=Awaited(point="release", number=0, until=None))
    began, ended_with = await commits(factory, ids["release"])
    *done, _ = events(run, ids["release"], commits={FIRST: began, SECOND: ended_with})
    await say(store, ids["release"], *done, asked, ended("paused", "it waits"))
    remedy = f"It may take no more. How much more may it take? macrohard resume {ids['budget']} --add-budget 5"
    await say(store, ids["budget"], started, ended("paused", remedy))
    await store.transcripts.append(
        f"{ids['over']}/1/implement/5",
        {
            "messages": [
                {"role": "system", "content": f"You write code. {HOSTILE}\n" * 30},
                {"role": "user", "content": f"Write it. {HOSTILE}"},
            ]
        },
    )
    function: JsonObject = {"name": "run", "arguments": '{"command": "make test"}'}
    call: JsonObject = {"id": "c1", "type": "function", "function": function}
    await store.transcripts.append(
        f"{ids['over']}/1/implement/5",
        {"messages": [{"role": "assistant", "content": HOSTILE, "tool_calls": [call]}], "cost_usd": 0.02},
    )
    answer: JsonObject = {"role": "tool", "tool_call_id": "c1", "content": f"3 passed {HOSTILE}"}
    await store.transcripts.append(f"{ids['over']}/1/implement/5", {"messages": [answer]})
    return ids


async def commits(factory: Factory, run: str) -> tuple[str, str]:
    """What its two iterations left."""
    repository = await factory.repository(run)
    first = await repository.with_file(await repository.initial_commit(), "rules.py", BEFORE, message="First")
    return first, await repository.with_file(first, "rules.py", AFTER, message="Second")


async def say(store: Store, run: str, *said: Event) -> None:
    async with store.hold(run) as lease:
        log = await store.log(lease)
        for event in said:
            await log(event)


def ended(outcome: Any, problem: str, commit: str | None = None) -> RunEnded:
    return RunEnded(outcome=outcome, problem=problem, commit=commit, product_path=None)


def events(run: RunOverview, run_id: str, *, commits: dict[str, str]) -> list[Event]:
    """What such a run tells."""
    assert run.specification is not None
    said: list[Event] = [
        RunStarted(model="builtin", sandbox_tier="bubblewrap", notices=run.notices),
        Specified(specification=run.specification),
        Designed(design=Design(summary="One list.", data_model={"blueprint": {}})),
        ScenariosWritten(scenarios=tuple(each for row in run.criteria for each in row.scenarios)),
    ]
    for session in run.sessions:
        session_id = session.id.replace(run.summary.id, run_id)
        said.append(
            SessionStarted(
                session_id=session_id, iteration=session.iteration, phase=session.phase, agent=session.agent,
                agent_hash="0", persona=session.persona, task=session.task, criteria=session.criteria, resumed=False,
            )
        )  # fmt: skip
        said.append(
            ModelCalled(
                session_id=session_id, model="m", input_tokens=900, output_tokens=90, cost_usd=0.31, seconds=0.1
            )
        )
        assert session.outcome is not None
        said.append(
            SessionEnded(
                session_id=session_id, outcome=session.outcome, problem="", commit=None, seconds=session.seconds
            )
        )
    for each in run.iterations:
        assert each.commit is not None
        commit = commits[each.commit]
        said.append(Planned(iteration=each.number, plan=Plan(tasks=each.tasks[:1])))
        said += [
            Verified(iteration=each.number, verdict=verdict.model_copy(update={"commit": commit}))
            for verdict in each.verdicts
        ]
        said += [Used(iteration=each.number, session=_visit(visit, commit)) for visit in each.users]
        said += [
            Found(iteration=each.number, finding=finding.model_copy(update={"commit": commit}))
            for finding in each.findings
        ]
        said.append(
            IterationEnded(
                iteration=each.number, commit=commit, kept=True, reason=each.reason, gained=each.gained, lost=each.lost
            )
        )
    return [*said, ended("partial", run.problem, commits[SECOND])]


def _visit(visit: UserSession, commit: str) -> UserSession:
    return visit.model_copy(update={"commit": commit, "persona": visit.persona.replace(" ", "-")})


async def let_in(context: BrowserContext, service: Served) -> None:
    page = await context.new_page()
    await page.goto(local_link(service.home, service.base_url))
    await page.close()
