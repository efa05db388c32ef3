"""The factory: takes requirements and gives products."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from macrohard.assembly.installation import catalogue
from macrohard.assembly.intake import Intake
from macrohard.assembly.notices import notices
from macrohard.assembly.rooms import Rooms
from macrohard.domain import (
    Artifacts,
    BudgetState,
    Caps,
    Forecast,
    JsonObject,
    Plan,
    RunOutcome,
    RunOverview,
    RunSummary,
    SessionResult,
    Value,
    Wish,
)
from macrohard.domain.approval import Ruling
from macrohard.domain.feedback import Remark
from macrohard.domain.overview import TRIAL
from macrohard.domain.provenance import FORKED_FROM
from macrohard.errors import Conflict, NotFound, RequestError
from macrohard.events import Event, Progress, RunEnded, SandboxAwaited, waiting_in_words
from macrohard.llm.limits.limiter import Limiters
from macrohard.report import pull_request, render
from macrohard.settings import SandboxChoice, Settings
from macrohard.store import OVER, Store
from macrohard.telemetry import Telemetry
from macrohard.workspace import Publication, leave_beside

if TYPE_CHECKING:
    from macrohard.domain.environment import Environment
    from macrohard.execution.replay import Replayed, Replays
    from macrohard.llm.recording.cassette import OnDeparture
    from macrohard.product import Preview

FILM_IMAGE = "media"
"""Made when the first film is."""
REPORT, FILM = "report.html", "demo.mp4"
PULL_REQUEST, PATCH = "pull-request.md", "changes.patch"
"""Beside what was made of a person's repository."""


class Trial(Value):
    """One agent's work on one assignment."""

    run: str
    """Under which its transcript and costs are kept."""
    result: SessionResult
    out: str = ""
    """Where what it left was put."""


class Factory(Intake):
    """What the command line and the service ask for."""

    def __init__(self, settings: Settings, store: Store, *, sandbox: SandboxChoice, stack: AsyncExitStack) -> None:
        super().__init__(settings, store)
        self._limiters = Limiters()
        self.rooms = Rooms(settings, sandbox=sandbox, stack=stack)
        self.telemetry = Telemetry(os.environ)
        stack.push_async_callback(self.telemetry.close)

    @property
    def artifacts(self) -> Artifacts:
        """All blobs of all runs."""
        return self.store.artifacts

    async def carry_out(
        self,
        run_id: str,
        *,
        out: Path | None,
        otherwise: Path | None = None,
        observe: Callable[[Event], None],
        ask: bool | None = None,
        wished: Callable[[], Wish | None] = lambda: None,
    ) -> RunOverview:
        """Take the run as far as it goes; `ask` False takes defaults for questions that are still open.

        `out`: where the product is put; None: where it was to be put when the run was carried out before, else in
        `otherwise`, or a new folder below `products` of the working directory.
        `wished`: see `macrohard.execution.carry_out`.

        Raises:
            SandboxUnavailable: there is no sandbox on this machine; the text says how to get one.
            LeaseLost: another process carries the run out.
        """
        # LangGraph and the model's client take two seconds to import, which a look at old runs need not wait for.
        from macrohard.execution import Surroundings, carry_out
        from macrohard.execution.endpoints import open_endpoints
        from macrohard.llm.recording.recorder import traffic_path

        overview = await self.overview(run_id)
        if overview.summary.status in OVER:
            return overview
        run_id, room = overview.summary.id, self._settings.home / "runs" / overview.summary.id
        options = await self.store.options(run_id)
        if "replay_of" in options:
            raise Conflict(f"run {run_id} is a replay; replay run {options['replay_of']} again instead")
        if TRIAL in options:
            raise Conflict(f"run {run_id} was a trial of {options[TRIAL]}; try it again instead")
        if FORKED_FROM in options and not overview.iterations:
            raise Conflict(f"run {run_id} was cut off while it was forked from {options[FORKED_FROM]}; fork that again")
        named = room / "named-folder"
        if out is not None:
            room.mkdir(parents=True, exist_ok=True)
            named.write_text(str(out), encoding="utf-8")
        elif named.is_file():
            out = Path(named.read_text(encoding="utf-8"))
        targets = await self.installation.targets(overview.summary.model)
        ask = bool(options["ask"]) if ask is None else ask
        nobody_in_time = (until := overview.summary.wake_at) is not None and until <= datetime.now(UTC)
        if overview.open_questions and nobody_in_time:
            ask = False

        async def film_image() -> None:
            await self.rooms.build(FILM_IMAGE, tell=lambda text: observe(Progress(text=text)))

        def place(title: str) -> Path:
            return out or otherwise or _free_folder(Path.cwd() / "products", title, run_id)

        record_to = traffic_path(self._settings.home, run_id) if options.get("record") else None
        media = self._settings.media_plan(overview.summary.model)
        async with (
            self.rooms.open(lambda text: observe(Progress(text=text)), product_image=_image_of(options)) as pool,
            open_endpoints(targets, record_to=record_to, media=media) as endpoints,
        ):
            surroundings = Surroundings(
                store=self.store,
                home=self._settings.home,
                catalogue=await self._catalogue_with(await self.repository(run_id), overview.provenance, room=room),
                sandboxes=pool,
                endpoints=endpoints,
                limiters=self._limiters,
                notices=(*filter(None, (pool.notice,)), *notices(targets, self._settings, overview.summary.model)),
                parallel_sessions=self._settings.parallel_sessions,
                patience_seconds=self._settings.patience_seconds,
                test_quality=self._settings.test_quality,
                media=media,
                prepare_film=film_image if self._settings.media.film else None,
                telemetry=self.telemetry,
            )
            await carry_out(
                run_id,
                surroundings,
                ask=ask,
                may_get_more=not (overview.cap is not None and nobody_in_time),
                iterations=int(str(options["iterations"])),
                place=place,
                observe=observe,
                wished=wished,
            )
        finished = await self.overview(run_id)
        if finished.product_path:
            await self._write_report(finished, Path(finished.product_path))
        return finished

    async def carry_out_again(
        self, run_id: str, *, on_departure: "OnDeparture", observe: Callable[[Event], None]
    ) -> "Replayed":
        """Carry a recorded run out again, with real sandboxes and without a model, as a run of its own.

        Raises:
            RequestError: the run is at work, or was not recorded.
            SandboxUnavailable: there is no sandbox on this machine.
        """
        original = await self.overview(run_id)
        room = self._settings.home / "runs" / original.summary.id
        repository = await self.repository(original.summary.id)
        found = await self._catalogue_with(repository, original.provenance, room=room)
        replays = replace(self.replays(), catalogue=found)
        image = _image_of(await self.store.options(run_id))
        async with self.rooms.open(lambda text: observe(Progress(text=text)), product_image=image) as pool:
            return await replays.carry_out(run_id, sandboxes=pool, on_departure=on_departure, observe=observe)

    async def try_agent(
        self,
        name: str,
        assignment: str,
        *,
        model: str,
        usd: float,
        folder: Path | None,
        material: Path | None,
        out: Path | None,
        persona: str | None,
        environment: Mapping[str, str],
        repository: Path | None,
        observe: Callable[[Event], None],
    ) -> Trial:
        """Have one agent work on an assignment in a sandbox that holds the files of `folder`; costs are booked.

        A product in that folder is started and tested with `environment`. The JSON object in `material` is what the
        agent is given beside the assignment.

        Raises:
            RequestError: there is no such agent or persona, it needs files that are not given, a file is not what it
                should be, or nobody plays it.
            LimitExceeded: `usd` is used up.
            Unavailable: model or sandbox.
        """
        from macrohard.execution import Surroundings
        from macrohard.execution.endpoints import open_endpoints
        from macrohard.execution.trial import cast, files_of, material_of, try_agent

        found = catalogue(self._settings, repository=repository)
        targets = await self.installation.targets(model)
        builtin = any(target.endpoint.base_url is None for target in chain(*targets.values()))
        agent, behaving = cast(found, name, persona=persona, has_files=folder is not None, builtin=builtin)
        given = await asyncio.to_thread(files_of, folder) if folder is not None else {}
        told = await asyncio.to_thread(material_of, material) if material is not None else {}
        image = self._settings.sandboxes.products or await self._product_image(model)
        options: JsonObject = {TRIAL: name, "product_image": image}
        run_id = await self.store.create_run(
            f"Trial of {name}: {assignment}", options=options, model=model, caps=Caps(usd=usd)
        )
        media = self._settings.media_plan(model)
        async with (
            self.rooms.open(lambda text: observe(Progress(text=text)), product_image=image) as pool,
            open_endpoints(targets, record_to=None, media=media) as endpoints,
        ):
            surroundings = Surroundings(
                store=self.store,
                home=self._settings.home,
                catalogue=found,
                sandboxes=pool,
                endpoints=endpoints,
                limiters=self._limiters,
                notices=notices(targets, self._settings, model),
                parallel_sessions=1,
                patience_seconds=self._settings.patience_seconds,
                media=media,
            )
            result, placed = await try_agent(
                run_id,
                surroundings,
                agent=agent,
                persona=behaving,
                assignment=assignment,
                given=given,
                material=told,
                environment=environment,
                out=out,
                observe=observe,
            )
        return Trial(run=run_id, result=result, out=str(out) if placed else "")

    def recording(self, run_id: str) -> Path | None:
        """Where the traffic of a run with its models is kept; None: it was not recorded."""
        from macrohard.llm.recording.recorder import traffic_path

        path = traffic_path(self._settings.home, run_id)
        return path if path.exists() else None

    def replays(self) -> "Replays":
        """What replays runs and reads their answers again."""
        from macrohard.execution.replay import Replays

        return Replays(
            store=self.store,
            home=self._settings.home,
            catalogue=catalogue(self._settings),
            parallel_sessions=self._settings.parallel_sessions,
        )

    async def answer(self, run_id: str, answers: Mapping[str, str]) -> None:
        """Keep what the person said to the run's questions."""
        await self.store.save_answers(run_id, answers)

    def place_of(self, run_id: str) -> Path:
        """Where a worker puts the product of a run."""
        return self._settings.home / "runs" / run_id / "product"

    async def close(self, run_id: str, outcome: RunOutcome, problem: str) -> None:
        """Record that the run ended like this, where nobody could begin to carry it out.

        Raises:
            RequestError: another process that is alive has it.
        """
        async with self.store.hold(run_id) as lease:
            path = (await self.store.overview(run_id)).product_path
            log = await self.store.log(lease)
            await log(RunEnded(outcome=outcome, problem=problem, commit=None, product_path=path))

    async def rule(self, run_id: str, ruling: Ruling, *, seen: int | None = None) -> None:
        """Keep what a person says where the run waits for a yes; it goes on when it is carried out again.

        `seen`: the number of what they were shown; None: it is not known, and they rule on whatever is there now.

        Raises:
            Conflict: the run waits for no such ruling, or somebody was faster.
            RequestError: what was changed cannot be worked with; says why.
        """
        overview = await self.overview(run_id)
        if overview.awaited is None or overview.awaited.point != ruling.point:
            raise Conflict(f"run {run_id} is {overview.summary.status} and waits for no approval of a {ruling.point}")
        if seen not in (None, overview.awaited.number):
            raise Conflict(f"the {ruling.point} of run {run_id} is another by now; look at it again")
        if not ruling.approved and not ruling.comment.strip():
            raise RequestError("say in the comment what is to be different")
        if ruling.specification is not None or ruling.plan is not None:
            await self._check_changes(ruling, overview)
        if ruling.point == "release" and not ruling.approved:
            # What is wrong with the product is what the next iteration is for.
            await self.store.remarks.add(run_id, Remark(text=ruling.comment), by=ruling.by)
        await self.store.rule(run_id, ruling.model_copy(update={"number": overview.awaited.number}))

    async def agreed_before(self, overview: RunOverview) -> frozenset[str]:
        """The criteria of the product that a run changes, which are checked as they were; empty where it is new."""
        from macrohard.execution.earlier import earlier
        from macrohard.factory.improving import agreed_before

        return agreed_before(await earlier(self.store, overview.provenance)) if overview.provenance else frozenset()

    async def _check_changes(self, ruling: Ruling, overview: RunOverview) -> None:
        from macrohard.execution.earlier import earlier
        from macrohard.factory.approval import check_ruling

        if ruling.point != "plan" or not ruling.approved:
            raise RequestError("specification and plan can be changed where a plan is approved, and nowhere else")
        assert overview.specification is not None, "it is there when a plan waits"
        repository = await self.repository(overview.summary.id)
        with TemporaryDirectory(prefix="ruling-", dir=self._settings.home) as room:
            found = await self._catalogue_with(repository, overview.provenance, room=Path(room))
        check_ruling(
            ruling,
            overview.specification,
            Plan(tasks=overview.iterations[0].tasks),
            assignable=found.assignable,
            earlier=await earlier(self.store, overview.provenance),
        )

    async def delete(self, run_id: str) -> None:
        """Delete the run, its history and its folder; a product that was put elsewhere stays there.

        Raises:
            RunHeld: a process carries it out.
            Conflict: another run builds on it.
        """
        await self.store.delete(run_id, folder=self._settings.home / "runs" / run_id)

    async def raise_caps(self, run_id: str, more: Caps) -> None:
        """Allow the run so much more of each."""
        await self.store.budget(run_id).raise_caps(more)

    async def spending(self, run_id: str) -> tuple[BudgetState, Forecast | None]:
        """Where the run's budget stands right now, and what it is expected to take in all."""
        return await self.store.spending(run_id)

    async def runs(self, limit: int, *, project: str | None = None) -> tuple[RunSummary, ...]:
        """The latest runs first, of a project or of all."""
        within = None if project is None else ((await self.store.projects.one(project)).name,)
        return await self.store.runs(limit=limit, within=within)

    async def due(self) -> tuple[str, ...]:
        """The parked runs whose hour has come, the longest waiting first."""
        return await self.store.runs_due(datetime.now(UTC))

    async def report(self, run_id: str) -> str:
        """The run's report as one HTML file."""
        return await render(await self.overview(run_id), self.store.artifacts)

    async def publication(self, run_id: str, *, iteration: int | None = None) -> Publication:
        """The run's product, or what stood at the end of an iteration, to be cloned and packed up.

        Raises:
            NotFound: the run has no product, or no such iteration.
        """
        overview = await self.overview(run_id)
        commit = commit_of(overview, iteration)
        folder = self._settings.home / "runs" / overview.summary.id / "published"
        return await Publication.of(await self.repository(overview.summary.id), commit, folder=folder)

    async def export(self, run_id: str, out: Path, *, iteration: int | None) -> Path:
        """Put product, report and film into a new or empty folder.

        With `iteration`, what stood at its end, whether it was kept or not.

        Raises:
            RequestError: the run has no product, or no such iteration, or the folder is taken.
        """
        overview = await self.overview(run_id)
        commit = commit_of(overview, iteration)
        await (await self.repository(overview.summary.id)).checkout(commit, out)
        await self._write_report(overview, out)
        return out

    @asynccontextmanager
    async def open_product(
        self,
        run_id: str,
        *,
        iteration: int | None,
        port: int,
        tell: Callable[[str], None],
        environment: "Environment | None" = None,
    ) -> AsyncIterator["Preview"]:
        """Start the product in its sandbox and give the address on this machine that leads to it.

        With `iteration`, what stood at its end, whether it was kept or not. `tell` gets lines about what takes long.
        `environment` is what it is started with besides the design's own.

        Raises:
            RequestError: the run has no product that can be opened, or no such iteration.
            SandboxUnavailable: there is no sandbox on this machine.
        """
        from macrohard.product import preview

        overview = await self.overview(run_id)
        commit = commit_of(overview, iteration)
        bundle = await (await self.repository(overview.summary.id)).bundle(commit)
        image = _image_of(await self.store.options(overview.summary.id))

        async def wait(event: Event) -> None:
            if isinstance(event, SandboxAwaited) and event.turn:
                tell(waiting_in_words(event))

        async with (
            self.rooms.open(tell, product_image=image) as pool,
            pool.share(f"preview of {overview.summary.id}", tell=wait, ahead=False, product_image=image) as sandboxes,
            preview(
                sandboxes, bundle=bundle, commit=commit, port=port, design=overview.design, environment=environment
            ) as opened,
        ):
            yield opened

    async def _write_report(self, overview: RunOverview, product: Path) -> None:
        files = {REPORT: (await render(overview, self.store.artifacts)).encode()}
        if overview.returned is not None:
            files[PULL_REQUEST] = pull_request(overview).encode()
            files[PATCH] = await self.store.artifacts.get(overview.returned.patch)
        if overview.film is not None and overview.film.artifact is not None:
            files[FILM] = await self.store.artifacts.get(overview.film.artifact)
        leave_beside(product, files)


@asynccontextmanager
async def open_factory(settings: Settings, *, sandbox: SandboxChoice) -> AsyncIterator[Factory]:
    """The factory of these settings; sandboxes are looked for when something needs one.

    Raises:
        StoreUnavailable: the database did not answer.
        RequestError: the database's address is not understood, or its schema is newer than this program.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        store = await Store.open(settings.database_url or None, home=settings.home)
        stack.push_async_callback(store.close)
        yield Factory(settings, store, sandbox=sandbox, stack=stack)


def commit_of(overview: RunOverview, iteration: int | None) -> str:
    """That of the product, or of an iteration.

    Raises:
        NotFound: there is none yet, or no such iteration.
    """
    run_id = overview.summary.id
    if iteration is None:
        if overview.product_commit is None:
            raise NotFound(f"run {run_id} is {overview.summary.status} and has no product")
        return overview.product_commit
    commits = {each.number: each.commit for each in overview.iterations}
    if commit := commits.get(iteration):
        return commit
    problem = "has no commit" if iteration in commits else "does not exist"
    there = ", ".join(str(number) for number, commit in commits.items() if commit)
    others = f"those that can be had: {there}" if there else "none has a commit so far"
    raise NotFound(f"iteration {iteration} of run {run_id} {problem}; {others} (`macrohard show {run_id}`)")


def _image_of(options: JsonObject) -> str:
    return str(options.get("product_image", "base"))


def _free_folder(parent: Path, title: str, run_id: str) -> Path:
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40].rstrip("-") or "product"
    plain = parent / slug
    return plain if not plain.exists() else parent / f"{slug}-{run_id.removeprefix('r-')}"
