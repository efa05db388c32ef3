"""Takes a run as far as it goes, and records how it ended."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

from pydantic import JsonValue, TypeAdapter

from macrohard.agent import Catalogue, Entry, Note
from macrohard.domain import TIERS, JsonObject, RunOutcome, Tier, Wish, at_least
from macrohard.domain.approval import Approvals, Ruling
from macrohard.domain.run import ended_by
from macrohard.domain.team import DESIGNING, Contract
from macrohard.errors import (
    AgentGaveUp,
    Cap,
    LeaseLost,
    LimitExceeded,
    ModelUnavailable,
    RequestError,
    StoreUnavailable,
    Unavailable,
    Undeliverable,
)
from macrohard.events import Emit, Event, ModelCalled, Planned, Progress, RunEnded, RunStarted
from macrohard.execution.earlier import earlier
from macrohard.execution.question import at_the_cap
from macrohard.factory.approval import APPROVE
from macrohard.factory.context import FactoryContext
from macrohard.factory.graph import advance, open_graph, release_what_was_kept
from macrohard.factory.triage import STUCK
from macrohard.llm import ChatModel, ModelRole
from macrohard.llm.budget import Budget
from macrohard.llm.endpoint import Endpoint
from macrohard.llm.gateway import Gateway, Persistence
from macrohard.llm.limits.limiter import Limiters
from macrohard.llm.media import FolderOrders, MediaPlan
from macrohard.llm.media.studio import Studio
from macrohard.sandbox.pool import PooledProvider
from macrohard.store import Lease, Store
from macrohard.telemetry import Listener, Telemetry
from macrohard.workspace import Repository

_APPROVALS: TypeAdapter[Approvals] = TypeAdapter(Approvals)


@dataclass(frozen=True)
class Surroundings:
    """What the installation offers every run."""

    store: Store
    home: Path
    catalogue: Catalogue
    sandboxes: PooledProvider
    """Shared by all runs of the process."""
    endpoints: Mapping[ModelRole, Sequence[Endpoint]]
    limiters: Limiters
    notices: tuple[str, ...]
    parallel_sessions: int
    patience_seconds: float
    test_quality: bool = True
    """Whether lines of products are broken on purpose, to see if their own tests notice."""
    media: MediaPlan | None = None
    """Who makes pictures and clips; None: nobody."""
    prepare_film: Callable[[], Awaitable[None]] | None = None
    """Makes the sandbox image for films, if it is not there yet; None: no film is wanted."""
    telemetry: Telemetry | None = None
    """None: nobody is told of these runs, whatever the environment says."""

    def gateway(self, run_id: str, budget: Budget, emit: Emit) -> Gateway:
        """The way to the models for one run, which pays for it."""
        return Gateway(
            self.endpoints,
            run_id=run_id,
            ledger=budget,
            limiters=self.limiters,
            tell=emit,
            persistence=Persistence(patience_seconds=self.patience_seconds),
        )


class Transcripts:
    """The store's rows as a session's entries; with a lease, written only as long as it is held."""

    def __init__(self, store: Store, lease: Lease | None = None) -> None:
        self._rows, self._lease = store.transcripts, lease

    async def append(self, session_id: str, entry: Entry) -> None:
        row = entry.model_dump(mode="json", exclude_defaults=True)
        await self._rows.append(session_id, row, lease=self._lease)

    async def load(self, session_id: str) -> Sequence[Entry]:
        return [Entry.model_validate(row) for row in await self._rows.load(session_id)]


async def carry_out(
    run_id: str,
    surroundings: Surroundings,
    *,
    ask: bool,
    iterations: int,
    place: Callable[[str], Path],
    observe: Callable[[Event], None],
    recorded: ChatModel | None = None,
    may_get_more: bool = True,
    wished: Callable[[], Wish | None] = lambda: None,
    visitors: tuple[str, ...] = (),
) -> None:
    """Go on with the run until it ends or pauses; `place` names the folder for a product of this title.

    `may_get_more`: whether the run waits at a cap for somebody to allow more; else, nobody having done so in time, it
    puts out what was kept.
    `wished` says, of a call that is cancelled, what a person asked for; None: its process has to end.
    `recorded`: answers in the place of the endpoints, and nothing is booked for what it says. `visitors`: the personas
    that were heard of then.
    However it stops, the run can be taken up again: its state is in the store, the repository and the checkpoints.

    Raises:
        LeaseLost: another process carries the run out.
    """
    store = surroundings.store
    async with store.hold(run_id, at_work=True) as lease:
        log = await store.log(lease)
        budget = Budget(store.budget(run_id))
        await store.budget(run_id).release_all()
        await store.release_abandoned()
        folder = surroundings.home / "runs" / run_id
        folder.mkdir(parents=True, exist_ok=True)
        repository = await Repository.create(folder / "repository.git")
        chosen, placed = folder / "product-folder", dict[str, str]()
        listener = await _listener(run_id, surroundings)

        async def emit(event: Event) -> None:
            if recorded is not None and isinstance(event, ModelCalled):
                event = event.model_copy(update={"cost_usd": 0.0})
            await log(event)
            observe(event)
            if listener is not None:
                listener.observe(event)
            if isinstance(event, Planned) and event.iteration == 1:
                await emit(Progress(text=f"forecast: {(await store.forecast(run_id)).words}"))

        async def inbox(session_id: str) -> Sequence[Note]:
            said = await store.transcripts.notes(session_id)
            return [Note(by=by, text=text, stop=stop) for by, text, stop in said]

        async def put(commit: str, title: str) -> str:
            # Chosen once: a release that was cut off goes on in the same folder.
            if not chosen.exists():
                chosen.write_text(str(place(title)), encoding="utf-8")
            path = Path(chosen.read_text(encoding="utf-8"))
            try:
                await repository.checkout(commit, path)
            except RequestError as error:
                # Else no other folder could be named any more.
                chosen.unlink()
                raise Undeliverable(f"{error}.") from error
            placed["path"] = str(path)
            return str(path)

        async def end(
            outcome: RunOutcome,
            problem: str,
            commit: str | None = None,
            *,
            wake_at: datetime | None = None,
            interrupted: bool = False,
            cap: Cap | None = None,
        ) -> None:
            path = placed.get("path") or None
            await emit(
                RunEnded(
                    outcome=outcome, problem=problem, commit=commit, product_path=path, wake_at=wake_at,
                    interrupted=interrupted, cap=cap,
                )
            )  # fmt: skip

        overview = await store.overview(run_id)
        summary, tier = overview.summary, surroundings.sandboxes.tier
        await emit(
            RunStarted(
                # As the run was begun with: a model's own name does not say where it is to be asked when it goes on.
                model=summary.model,
                sandbox_tier=tier,
                notices=(*_weakened(overview.sandbox_tiers, tier), *surroundings.notices),
            )
        )
        studio = Studio(
            surroundings.media or MediaPlan(),
            ledger=budget,
            orders=FolderOrders(folder / "media"),
            artifacts=store.artifacts,
            emit=emit,
        )
        # Chosen when the run began, so that what was built in an image is checked in it, and a replay has the same.
        options = await store.options(run_id)
        image = str(options.get("product_image", "base"))
        rulings = await store.rulings(run_id)
        gateway = surroundings.gateway(run_id, budget, emit)
        async with surroundings.sandboxes.share(run_id, tell=emit, ahead=True, product_image=image) as sandboxes:
            context = FactoryContext(
                run_id=run_id,
                requirement=summary.requirement,
                answers={**await store.answers(run_id), **changes_wanted(rulings)},
                rulings=rulings,
                inbox=inbox,
                feedback=lambda: store.remarks.open(run_id),
                approvals=approvals_of(options),
                ask=ask,
                iterations=iterations,
                seed=str(options.get("replay_of", run_id)),
                visitors=visitors,
                catalogue=surroundings.catalogue,
                model=recorded or (gateway if listener is None else listener.overhears(gateway)),
                budget=budget,
                sandboxes=sandboxes,
                repository=repository,
                transcripts=Transcripts(store, lease),
                artifacts=store.artifacts,
                emit=emit,
                slots=asyncio.Semaphore(surroundings.parallel_sessions),
                studio=studio,
                prepare_film=surroundings.prepare_film,
                deliver=put,
                # The built-in model's tests are as good for each product, and are tested where it is.
                probes_tests=surroundings.test_quality and not summary.model.startswith("builtin"),
                contract=await _contract(store, options.get("solo")),
                provenance=overview.provenance,
                ground=overview.ground,
                earlier=await earlier(store, overview.provenance),
            )
            try:
                async with open_graph(folder / "checkpoints.db", fence=lease.check) as graph:
                    try:
                        state = await advance(graph, context)
                    except LimitExceeded as error:
                        why = f"{error.problem}, and nobody allowed more in time"
                        if error.cap is None or may_get_more:
                            raise
                        if (released := await release_what_was_kept(graph, context, why)) is None:
                            raise
                        state = released
            except LimitExceeded as error:
                until = _patience_ends(options.get("budget_seconds")) if error.cap and may_get_more else None
                problem = at_the_cap(error, await store.overview(run_id), until=until)
                await end("paused", problem, wake_at=until, cap=error.cap)
            except LeaseLost:
                raise
            except ModelUnavailable as error:
                await end("paused", _parked(error, run_id), wake_at=error.wake_at)
            except Unavailable as error:
                # The database does not wait for a person: if it is back already, the run goes on by itself.
                is_back = isinstance(error, StoreUnavailable)
                await end("paused", f"{error} Go on with: macrohard resume {run_id}", interrupted=is_back)
            except Undeliverable as error:
                await end("paused", f"{error} Name another folder: macrohard resume {run_id} --out DIR")
            except AgentGaveUp as error:
                await end("failed", f"{error} A stronger model, or a clearer requirement, may help.")
            except asyncio.CancelledError:
                await asyncio.shield(end(*ended_by(wished(), run_id), interrupted=wished() is None))
                raise
            else:
                placed.setdefault("path", state.get("product", ""))
                told = state.get("until") if state["decision"] == APPROVE else None
                until = datetime.fromisoformat(told) if told else None
                if state["decision"] in ("ask", STUCK):
                    until = _patience_ends(options.get("answer_seconds"))
                await end(
                    state.get("outcome", "failed"), state.get("problem", ""), state.get("good"), wake_at=until
                )  # fmt: skip
            finally:
                await studio.close()


async def _listener(run_id: str, surroundings: Surroundings) -> Listener | None:
    """Who tells a collector of the run."""
    if surroundings.telemetry is None:
        return None
    store = surroundings.store

    async def past() -> AsyncIterator[tuple[Event, datetime]]:
        after = 0
        while told := await store.events(run_id, after=after):
            for each in told:
                yield each.event, each.at
            after = told[-1].number

    return await surroundings.telemetry.listener(
        run_id,
        created_at=(await store.summary(run_id)).created_at,
        past=past(),
        targets=[endpoint.target for endpoint in chain(*surroundings.endpoints.values())],
    )


async def _contract(store: Store, run_id: JsonValue) -> Contract | None:
    """What a run left that one agent alone is to be measured by."""
    if run_id is None:
        return None
    measure = await store.overview(str(run_id))
    assert measure.specification is not None, "checked when the run was submitted"
    assert measure.design is not None, "checked when the run was submitted"
    designed = sum(share.cost_usd for share in measure.costs.by_phase if share.name in DESIGNING)
    return Contract(
        run=measure.summary.id,
        specification=measure.specification,
        design=measure.design,
        design_usd=designed,
        scenarios=tuple(scenario for row in measure.criteria for scenario in row.scenarios),
    )


def _weakened(before: Sequence[Tier], now: Tier) -> tuple[str, ...]:
    """What is to be said of a run that goes on in weaker sandboxes than it had."""
    strongest = min(before, key=TIERS.index, default=now)
    if at_least(now, strongest):
        return ()
    return (
        f"The run was at work in {strongest} sandboxes before, and goes on in weaker ones ({now}), the strongest that "
        "work here; --require-tier refuses that.",
    )


def _patience_ends(seconds: JsonValue) -> datetime | None:
    """When nobody is waited for any more, by an option of the run; None: never."""
    return datetime.now(UTC) + timedelta(seconds=float(str(seconds))) if seconds else None


def approvals_of(options: JsonObject) -> Approvals:
    """Where a run with these options waits for a person's yes."""
    return _APPROVALS.validate_python(options.get("approvals", {}))


def changes_wanted(rulings: Sequence[Ruling]) -> dict[str, str]:
    """What people want otherwise before anything is built; whoever reads the requirement again is told."""
    said = [ruling.comment for ruling in rulings if ruling.point == "plan" and not ruling.approved]
    return {f"What is to be different, {number}": comment for number, comment in enumerate(said, 1)}


def _parked(error: ModelUnavailable, run_id: str) -> str:
    if error.wake_at is None:
        return f"{error} Go on with: macrohard resume {run_id}"
    return (
        f"{error} It can go on from {error.wake_at:%Y-%m-%d %H:%M} UTC: macrohard resume {run_id}, "
        "or macrohard resume --due for all runs that wait"
    )
