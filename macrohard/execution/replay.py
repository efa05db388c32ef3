"""Carries a recorded run out again without a model, and says where it departs from what was recorded."""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from macrohard.agent import Catalogue, Entry
from macrohard.domain import Caps, JsonObject, RunOverview, Value
from macrohard.domain.provenance import FROM
from macrohard.errors import RequestError
from macrohard.events import Event
from macrohard.execution.carry_out import Surroundings, carry_out
from macrohard.llm.endpoint import Endpoint
from macrohard.llm.limits.limiter import Limiters
from macrohard.llm.media import MediaPlan, MediaTarget
from macrohard.llm.recording.cassette import Cassette, Departure, OnDeparture, Replaying, local_name, read_cassette
from macrohard.llm.recording.model import NOWHERE, Reading, RecordedModel, read_again
from macrohard.llm.recording.recorder import traffic_path
from macrohard.llm.redaction import Redactor
from macrohard.sandbox.pool import PooledProvider
from macrohard.store import Store
from macrohard.workspace import Repository
from macrohard.workspace.existing import LIMIT_BYTES


class Replayed(Value):
    """What came of replaying a run, or of reading its answers again."""

    original: str
    run: str | None
    """The replay's own run; None: nothing was carried out."""
    answers: int
    """How many recorded answers were read."""
    sessions: int
    cost_usd: float
    """What the answers are worth by what the endpoints said, or by the price table; nothing was paid."""
    departures: tuple[Departure, ...]
    taken_as_equal: dict[str, int]
    """What differed and was expected to, by kind: commits, times, and so on."""
    torn: int
    """Lines of the recording that were cut off when a process was killed."""


@dataclass(frozen=True)
class Replays:
    """Replays runs of one installation."""

    store: Store
    home: Path
    catalogue: Catalogue
    parallel_sessions: int

    async def carry_out(
        self, run_id: str, *, sandboxes: PooledProvider, on_departure: OnDeparture, observe: Callable[[Event], None]
    ) -> Replayed:
        """Carry the run out again, as a run of its own, with real sandboxes and recorded answers.

        Raises:
            RequestError: the run is at work, or was not recorded.
        """
        original = await self.store.overview(run_id)
        if original.summary.status in ("waiting", "running"):
            raise RequestError(f"run {run_id} is {original.summary.status}; replay it when it has ended or paused")
        cassette = self._recording(run_id)
        replaying = Replaying(cassette, redactor=Redactor(()), on_departure=on_departure)
        model = RecordedModel(cassette, replaying)
        replay_id = await self.begin(run_id, original)
        media = _what_was_ordered(cassette)
        await self._to_the_end(
            replay_id,
            original,
            model,
            replaying,
            media=media,
            visitors=visitors_of(cassette, self.catalogue),
            sandboxes=sandboxes,
            observe=observe,
        )
        departures = [*replaying.departures, *await self._departures_of_results(original, replay_id)]
        departures += [
            Departure(session=session, call=None, what=f"{count} recorded answers that nobody asked for")
            for session, count in replaying.unused().items()
        ]
        return Replayed(
            original=run_id,
            run=replay_id,
            answers=model.answers,
            sessions=len(cassette.that_counted()),
            cost_usd=model.cost_usd,
            departures=tuple(departures),
            taken_as_equal=dict(replaying.likeness.taken_as_equal),
            torn=cassette.torn,
        )

    def _recording(self, run_id: str) -> Cassette:
        path = traffic_path(self.home, run_id)
        if not path.exists():
            raise RequestError(f"run {run_id} was not recorded, so it cannot be replayed")
        return read_cassette(path)

    async def begin(self, run_id: str, original: RunOverview) -> str:
        """A run of its own that stands where the original stood when it began; gives its id."""
        options = {**await self.store.options(run_id), "budget_usd": None, "replay_of": original.summary.id}
        began = original.provenance
        if began is not None:
            # What a replay makes is nobody's: it goes back to no repository.
            options[FROM] = began.model_copy(update={"publish": False}).model_dump(mode="json")
        replay_id = await self.store.create_run(
            original.summary.requirement,
            options=options,
            model=original.summary.model,
            project=original.summary.project,
        )
        if began is not None:
            first = await Repository.create(self.home / "runs" / original.summary.id / "repository.git")
            own = await Repository.create(self.home / "runs" / replay_id / "repository.git")
            await own.fetch(await first.bundle(began.base), ref="base", limit_bytes=LIMIT_BYTES)
        await self.store.budget(replay_id).open(Caps())
        return replay_id

    async def _to_the_end(
        self,
        replay_id: str,
        original: RunOverview,
        model: RecordedModel,
        replaying: Replaying,
        *,
        media: MediaPlan | None,
        visitors: tuple[str, ...],
        sandboxes: PooledProvider,
        observe: Callable[[Event], None],
    ) -> None:
        """As far as the original went, through its question if it asked one."""
        options = await self.store.options(replay_id)
        await asyncio.to_thread(self._copy_orders, original.summary.id, replay_id)
        surroundings = Surroundings(
            store=self.store,
            home=self.home,
            catalogue=self.catalogue,
            sandboxes=sandboxes,
            endpoints={
                role: [Endpoint(target, replaying) for target in given] for role, given in model.targets.items()
            },
            limiters=Limiters(),
            notices=(f"A replay of {original.summary.id}: the answers were recorded, and nothing was paid.",),
            parallel_sessions=self.parallel_sessions,
            patience_seconds=0.0,
            media=media,
        )

        async def go_on(*, ask: bool) -> RunOverview:
            await carry_out(
                replay_id,
                surroundings,
                ask=ask,
                iterations=int(str(options["iterations"])),
                place=lambda title: self.home / "runs" / replay_id / "product",
                observe=observe,
                recorded=model,
                visitors=visitors,
            )
            return await self.store.overview(replay_id)

        reached = await go_on(ask=bool(options["ask"]))
        waits = reached.summary.status == "paused" and reached.specification is not None and reached.design is None
        if not waits or reached.specification is None or reached.specification.decision != "ask":
            return
        if answers := await self.store.answers(original.summary.id):
            await self.store.save_answers(replay_id, answers)
            await go_on(ask=True)
        elif original.design is not None:
            await go_on(ask=False)

    def _copy_orders(self, run_id: str, replay_id: str) -> None:
        orders = self.home / "runs" / run_id / "media"
        if orders.is_dir():
            shutil.copytree(orders, self.home / "runs" / replay_id / "media")

    async def _departures_of_results(self, original: RunOverview, replay_id: str) -> list[Departure]:
        now = await self.store.overview(replay_id)
        facts: list[tuple[str, str, str]] = []
        if original.summary.status != now.summary.status:
            facts = [("the outcome", original.summary.status, f"{now.summary.status}: {now.problem}")]
        facts += _paired("session", _sessions(original), _sessions(now))
        facts += _paired("check", _verdicts(original), _verdicts(now))
        if original.product_commit is not None and now.product_commit is not None:
            files = await self._files(original.summary.id, original.product_commit)
            facts += _paired("file", files, await self._files(replay_id, now.product_commit))
        return [
            Departure(session="", call=None, what=what, recorded=recorded, now=found)
            for what, recorded, found in facts
            if recorded != found
        ]

    async def _files(self, run_id: str, commit: str) -> Mapping[str, str]:
        repository = await Repository.create(self.home / "runs" / run_id / "repository.git")
        return await repository.hashes(commit)

    async def check(self, run_id: str) -> Replayed:
        """Read every recorded answer again and compare it with what the run's transcripts hold; no sandbox is needed.

        Raises:
            RequestError: the run was not recorded.
        """
        await self.store.overview(run_id)
        cassette = self._recording(run_id)

        async def transcript(session: str) -> list[JsonObject]:
            entries = [
                Entry.model_validate(row) for row in await self.store.transcripts.load(f"{run_id}/{session}")
            ]  # fmt: skip
            return [message for entry in entries for message in entry.messages if message["role"] == "assistant"]

        sessions = {session: await transcript(session) for session in cassette.that_counted()}
        return _checked(run_id, cassette, await read_again(cassette, sessions, redactor=Redactor(())))


async def check_cassette(path: Path) -> Replayed:
    """Read every answer of a cassette again and compare it with the reply that is written beside it.

    Raises:
        RequestError: there is no such file, or it is no recording.
    """
    cassette = read_cassette(path)
    expected = {
        session: [attempt.exchange.reply for attempt in attempts if attempt.exchange.reply is not None]
        for session, attempts in cassette.that_counted().items()
    }
    return _checked(str(path), cassette, await read_again(cassette, expected, redactor=Redactor(())))


def _checked(original: str, cassette: Cassette, reading: Reading) -> Replayed:
    return Replayed(
        original=original,
        run=None,
        answers=reading.answers,
        sessions=len(cassette.that_counted()),
        cost_usd=reading.cost_usd,
        departures=reading.departures,
        taken_as_equal={},
        torn=cassette.torn,
    )


def visitors_of(cassette: Cassette, catalogue: Catalogue) -> tuple[str, ...]:
    """The personas that were heard of, because a later version may draw others."""
    parts = [session.split("/") for session in cassette.that_counted()]
    names = [part[2] for part in parts if len(part) == 3 and part[1] == "use"]
    return tuple(dict.fromkeys(name for name in names if name in catalogue.personas))


def _what_was_ordered(cassette: Cassette) -> MediaPlan | None:
    """The run's plan for pictures and clips, with nothing left to order and nobody to order it from."""
    given = cassette.taken_up[-1].media if cassette.taken_up else None
    if given is None:
        return None
    plan = MediaPlan.model_validate(given)

    def nowhere(target: MediaTarget | None) -> MediaTarget | None:
        if target is None:
            return None
        return target.model_copy(update={"endpoint": target.endpoint.model_copy(update={"base_url": NOWHERE})})

    return plan.model_copy(update={"image": nowhere(plan.image), "video": nowhere(plan.video), "images": 0, "clips": 0})


def _paired(kind: str, one: Mapping[str, str], other: Mapping[str, str]) -> list[tuple[str, str, str]]:
    names = [*one, *(name for name in other if name not in one)]
    return [(f"{kind} {name}", one.get(name, "missing"), other.get(name, "missing")) for name in names]


def _sessions(overview: RunOverview) -> dict[str, str]:
    return {local_name(session.id): session.outcome or "at work" for session in overview.sessions}


def _verdicts(overview: RunOverview) -> dict[str, str]:
    return {
        f"{verdict.check} of iteration {iteration.number}": verdict.status
        for iteration in overview.iterations
        for verdict in iteration.verdicts
    }
