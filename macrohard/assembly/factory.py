"""The factory: takes requirements and gives products."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from macrohard.agent import PROJECT_FOLDER, Catalogue
from macrohard.assembly.installation import Installation, catalogue
from macrohard.assembly.notices import notices
from macrohard.assembly.rooms import Rooms
from macrohard.domain import (
    Artifacts,
    BudgetState,
    Caps,
    Forecast,
    JsonObject,
    RunOverview,
    RunSummary,
    SessionResult,
    Value,
)
from macrohard.domain.overview import TRIAL
from macrohard.domain.provenance import FROM, Provenance
from macrohard.errors import RequestError
from macrohard.events import Event, Progress, SandboxAwaited, waiting_in_words
from macrohard.llm.limits.limiter import Limiters
from macrohard.report import pull_request, render
from macrohard.settings import SandboxChoice, Settings
from macrohard.store import Store
from macrohard.workspace import Existing, Repository, leave_beside

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
"""The option of a run that is no build, but one agent's trial."""


class Trial(Value):
    """One agent's work on one assignment."""

    run: str
    """Under which its transcript and costs are kept."""
    result: SessionResult
    out: str = ""
    """Where what it left was put."""


class Factory:
    """What the command line, and later the service, asks for."""

    def __init__(self, settings: Settings, store: Store, *, sandbox: SandboxChoice, stack: AsyncExitStack) -> None:
        self._settings, self._store = settings, store
        self._limiters = Limiters()
        self._rooms = Rooms(settings, sandbox=sandbox, stack=stack)
        self.installation = Installation(settings, store)

    @property
    def artifacts(self) -> Artifacts:
        """All blobs of all runs."""
        return self._store.artifacts

    async def submit(
        self,
        requirement: str,
        *,
        model: str,
        caps: Caps,
        iterations: int,
        ask: bool,
        existing: Existing | None = None,
    ) -> str:
        """Record a run with a forecast of what it will take, and give its id; nothing is carried out yet.

        With `existing`, its repository begins with what the person has.

        Raises:
            RequestError: that cannot be taken in, or the model cannot work on it; there is no run.
        """
        if existing is not None and existing.refusal and await self._builtin_takes_part(model):
            raise RequestError(existing.refusal)
        options: JsonObject = {
            "iterations": iterations,
            "ask": ask,
            "record": self._settings.record,
            "product_image": self._settings.sandboxes.products or await self._product_image(model),
        }
        async with self._begun_from(existing) as (repository, provenance):
            if provenance is not None:
                options[FROM] = provenance.model_dump(mode="json")
            run_id = await self._store.create_run(requirement, options=options, model=model)
            if repository is not None:
                folder = self._settings.home / "runs" / run_id
                folder.mkdir(parents=True, exist_ok=True)
                repository.path.rename(folder / "repository.git")
        await self._store.budget(run_id).open(caps)
        await self._store.forecast(run_id)
        return run_id

    @asynccontextmanager
    async def _begun_from(
        self, existing: Existing | None
    ) -> AsyncIterator[tuple[Repository | None, Provenance | None]]:
        """A repository for a run that has no name yet, with what exists in it."""
        if existing is None:
            yield None, None
            return
        # Beside the runs, because it becomes part of one by being renamed.
        self._settings.home.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="begin-", dir=self._settings.home) as room:
            repository = await Repository.create(Path(room) / "repository.git")
            provenance = await existing.take_in(repository)
            # A file that is not understood is told before there is a run.
            await self._catalogue_with(repository, provenance, room=Path(room))
            yield repository, provenance

    async def _catalogue_with(self, repository: Repository, provenance: Provenance | None, *, room: Path) -> Catalogue:
        """Every agent of a run: those of its repository as they were when it began, laid out in `room`, are the last.

        Raises:
            DefinitionError: a file is not understood; names it and the field.
        """
        if provenance is None:
            return catalogue(self._settings)
        await repository.lay_out(provenance.base, PROJECT_FOLDER, room / "project")
        return catalogue(self._settings, project=room / "project" / PROJECT_FOLDER)

    async def _builtin_takes_part(self, model: str) -> bool:
        return any(
            target.endpoint.base_url is None for target in chain(*(await self.installation.targets(model)).values())
        )

    async def delivered(self, run: str) -> Existing:
        """The product of an earlier run, to begin from.

        Raises:
            RequestError: there is no such run, or it has nothing to go on with; says what to do.
        """
        from macrohard.execution.earlier import delivered

        return await delivered(self._store, run, home=self._settings.home)

    async def submit_solo(self, measure: str, *, model: str, caps: Caps) -> str:
        """Record a run that has one agent make what a team's run was asked for, graded by that run's scenarios.

        Raises:
            RequestError: there is no such run, it has no scenarios, or it did not begin from nothing.
        """
        overview = await self.overview(measure)
        if overview.provenance is not None:
            raise RequestError(
                f"run {overview.summary.id} changed what was there before; only one that began from nothing can be "
                "done again by one agent alone"
            )
        if overview.design is None or not any(row.scenarios for row in overview.criteria):
            raise RequestError(f"run {overview.summary.id} has no scenarios that one agent alone could be graded by")
        options: JsonObject = {
            "iterations": 1,
            "ask": False,
            "record": self._settings.record,
            "product_image": str((await self._store.options(overview.summary.id)).get("product_image", "base")),
            "solo": overview.summary.id,
        }
        run_id = await self._store.create_run(overview.summary.requirement, options=options, model=model)
        await self._store.budget(run_id).open(caps)
        await self._store.forecast(run_id)
        return run_id

    async def _product_image(self, model: str) -> str:
        targets = chain(*(await self.installation.targets(model)).values())
        return "base" if all(target.endpoint.base_url is None for target in targets) else "web"

    async def carry_out(
        self, run_id: str, *, out: Path | None, observe: Callable[[Event], None], ask: bool | None = None
    ) -> RunOverview:
        """Take the run as far as it goes; `ask` False takes defaults for questions that are still open.

        Raises:
            SandboxUnavailable: there is no sandbox on this machine; the text says how to get one.
            LeaseLost: another process carries the run out.
        """
        # LangGraph and the model's client take two seconds to import, which a look at old runs need not wait for.
        from macrohard.execution import Surroundings, carry_out
        from macrohard.execution.endpoints import open_endpoints
        from macrohard.llm.recording.recorder import traffic_path

        overview = await self.overview(run_id)
        if overview.summary.status in ("delivered", "partial", "refused"):
            return overview
        run_id, room = overview.summary.id, self._settings.home / "runs" / overview.summary.id
        options = await self._store.options(run_id)
        if "replay_of" in options:
            raise RequestError(f"run {run_id} is a replay; replay run {options['replay_of']} again instead")
        if TRIAL in options:
            raise RequestError(f"run {run_id} was a trial of {options[TRIAL]}; try it again instead")
        targets = await self.installation.targets(overview.summary.model)

        async def film_image() -> None:
            await self._rooms.build(FILM_IMAGE, tell=lambda text: observe(Progress(text=text)))

        def place(title: str) -> Path:
            return out or _free_folder(Path.cwd() / "products", title, run_id)

        record_to = traffic_path(self._settings.home, run_id) if options.get("record") else None
        media = self._settings.media_plan(overview.summary.model)
        async with (
            self._rooms.open(lambda text: observe(Progress(text=text)), product_image=_image_of(options)) as pool,
            open_endpoints(targets, record_to=record_to, media=media) as endpoints,
        ):
            surroundings = Surroundings(
                store=self._store,
                home=self._settings.home,
                catalogue=await self._catalogue_with(await self._repository(run_id), overview.provenance, room=room),
                sandboxes=pool,
                endpoints=endpoints,
                limiters=self._limiters,
                notices=(*filter(None, (pool.notice,)), *notices(targets, self._settings, overview.summary.model)),
                parallel_sessions=self._settings.parallel_sessions,
                patience_seconds=self._settings.patience_seconds,
                test_quality=self._settings.test_quality,
                media=media,
                prepare_film=film_image if self._settings.media.film else None,
            )
            await carry_out(
                run_id,
                surroundings,
                ask=bool(options["ask"]) if ask is None else ask,
                iterations=int(str(options["iterations"])),
                place=place,
                observe=observe,
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
        repository = await self._repository(original.summary.id)
        found = await self._catalogue_with(repository, original.provenance, room=room)
        replays = replace(self.replays(), catalogue=found)
        image = _image_of(await self._store.options(run_id))
        async with self._rooms.open(lambda text: observe(Progress(text=text)), product_image=image) as pool:
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
        project: Path | None,
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

        found = catalogue(self._settings, project=project)
        targets = await self.installation.targets(model)
        builtin = any(target.endpoint.base_url is None for target in chain(*targets.values()))
        agent, behaving = cast(found, name, persona=persona, has_files=folder is not None, builtin=builtin)
        given = await asyncio.to_thread(files_of, folder) if folder is not None else {}
        told = await asyncio.to_thread(material_of, material) if material is not None else {}
        image = self._settings.sandboxes.products or await self._product_image(model)
        options: JsonObject = {TRIAL: name, "product_image": image}
        run_id = await self._store.create_run(f"Trial of {name}: {assignment}", options=options, model=model)
        await self._store.budget(run_id).open(Caps(usd=usd))
        media = self._settings.media_plan(model)
        async with (
            self._rooms.open(lambda text: observe(Progress(text=text)), product_image=image) as pool,
            open_endpoints(targets, record_to=None, media=media) as endpoints,
        ):
            surroundings = Surroundings(
                store=self._store,
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
            store=self._store,
            home=self._settings.home,
            catalogue=catalogue(self._settings),
            parallel_sessions=self._settings.parallel_sessions,
        )

    async def answer(self, run_id: str, answers: Mapping[str, str]) -> None:
        """Keep what the person said to the run's questions."""
        await self._store.save_answers(run_id, answers)

    async def raise_caps(self, run_id: str, more: Caps) -> None:
        """Allow the run so much more of each."""
        await self._store.budget(run_id).raise_caps(more)

    async def spending(self, run_id: str) -> tuple[BudgetState, Forecast | None]:
        """Where the run's budget stands right now, and what it is expected to take in all."""
        return await self._store.spending(run_id)

    async def overview(self, run_id: str) -> RunOverview:
        """All of one run, by its id or a beginning of it that only one run has.

        Raises:
            RequestError: there is none, or more than one.
        """
        return await self._store.overview(run_id)

    async def runs(self, limit: int) -> tuple[RunSummary, ...]:
        """The latest runs first."""
        return await self._store.runs(limit=limit)

    async def due(self) -> tuple[str, ...]:
        """The parked runs whose hour has come, the longest waiting first."""
        return await self._store.runs_due(datetime.now(UTC))

    async def report(self, run_id: str) -> str:
        """The run's report as one HTML file."""
        return await render(await self.overview(run_id), self._store.artifacts)

    async def export(self, run_id: str, out: Path, *, iteration: int | None) -> Path:
        """Put product, report and film into a new or empty folder.

        With `iteration`, what stood at its end, whether it was kept or not.

        Raises:
            RequestError: the run has no product, or no such iteration, or the folder is taken.
        """
        overview = await self.overview(run_id)
        commit = _commit(overview, iteration)
        await (await self._repository(overview.summary.id)).checkout(commit, out)
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
        commit = _commit(overview, iteration)
        bundle = await (await self._repository(overview.summary.id)).bundle(commit)
        image = _image_of(await self._store.options(overview.summary.id))

        async def wait(event: Event) -> None:
            if isinstance(event, SandboxAwaited) and event.turn:
                tell(waiting_in_words(event))

        async with (
            self._rooms.open(tell, product_image=image) as pool,
            pool.share(f"preview of {overview.summary.id}", tell=wait, ahead=False, product_image=image) as sandboxes,
            preview(
                sandboxes, bundle=bundle, commit=commit, port=port, design=overview.design, environment=environment
            ) as opened,
        ):
            yield opened

    async def _repository(self, run_id: str) -> Repository:
        return await Repository.create(self._settings.home / "runs" / run_id / "repository.git")

    async def _write_report(self, overview: RunOverview, product: Path) -> None:
        files = {REPORT: (await render(overview, self._store.artifacts)).encode()}
        if overview.returned is not None:
            files[PULL_REQUEST] = pull_request(overview).encode()
            files[PATCH] = await self._store.artifacts.get(overview.returned.patch)
        if overview.film is not None and overview.film.artifact is not None:
            files[FILM] = await self._store.artifacts.get(overview.film.artifact)
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


def _commit(overview: RunOverview, iteration: int | None) -> str:
    """That of the product, or of an iteration."""
    run_id = overview.summary.id
    if iteration is None:
        if overview.product_commit is None:
            raise RequestError(f"run {run_id} is {overview.summary.status} and has no product")
        return overview.product_commit
    commits = {each.number: each.commit for each in overview.iterations}
    if commit := commits.get(iteration):
        return commit
    problem = "has no commit" if iteration in commits else "does not exist"
    there = ", ".join(str(number) for number, commit in commits.items() if commit)
    others = f"those that can be had: {there}" if there else "none has a commit so far"
    raise RequestError(f"iteration {iteration} of run {run_id} {problem}; {others} (`macrohard show {run_id}`)")


def _image_of(options: JsonObject) -> str:
    return str(options.get("product_image", "base"))


def _free_folder(parent: Path, title: str, run_id: str) -> Path:
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40].rstrip("-") or "product"
    plain = parent / slug
    return plain if not plain.exists() else parent / f"{slug}-{run_id.removeprefix('r-')}"
