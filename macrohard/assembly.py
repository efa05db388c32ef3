"""Puts the parts together: settings in, a factory out that takes requirements and gives products."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from macrohard.agent import PROJECT_FOLDER, Catalogue, load_catalogue
from macrohard.bundled import folder
from macrohard.domain import (
    Artifacts,
    BudgetState,
    Caps,
    Diagnosis,
    Forecast,
    JsonObject,
    RunOverview,
    RunSummary,
    SessionResult,
    Value,
)
from macrohard.domain.provenance import FROM, Provenance
from macrohard.errors import MacrohardError, RequestError
from macrohard.events import Event, Progress, SandboxAwaited, waiting_in_words
from macrohard.llm import FREE
from macrohard.llm.limits.limiter import Limiters
from macrohard.llm.target import ProbeResult, RoleTargets, Target
from macrohard.report import pull_request, render
from macrohard.sandbox import build_images, choose_provider, clearing_away, prune
from macrohard.sandbox.packages import Packages
from macrohard.sandbox.places import places_here, warm_beside
from macrohard.sandbox.pool import PooledProvider
from macrohard.sandbox.registries import Registries
from macrohard.settings import SandboxChoice, Settings
from macrohard.settings.sandboxes import SandboxSettings
from macrohard.store import Store
from macrohard.workspace import Existing, Repository, leave_beside

if TYPE_CHECKING:
    from macrohard.domain.environment import Environment
    from macrohard.execution.replay import Replayed, Replays
    from macrohard.llm.recording.cassette import OnDeparture
    from macrohard.product import Preview

IMAGES = ("base", "browser")
FILM_IMAGE = "media"
"""Made when the first film is."""
REPORT, FILM = "report.html", "demo.mp4"
PULL_REQUEST, PATCH = "pull-request.md", "changes.patch"
"""Beside what was made of a person's repository."""
TRIAL = "trial_of"
"""The option of a run that is no build, but one agent's trial."""
MODEL_NOTICE = (
    "The built-in model was used. It follows rules, and knows record-keeping web products, services and tools only; "
    "set MACROHARD_MODEL with a key or an address for a real one."
)


ALLOWED_NOTICE = (
    "Sandboxes can send anything to {hosts}, as the settings allow it; it is encrypted, so nobody sees what it was."
)


class Probe(Value):
    """A model of the settings, and what it was seen to understand."""

    target: Target
    result: ProbeResult | None
    """None: nobody asked it; so it is with the built-in model, which is known."""


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
        self._settings, self._store, self._sandbox, self._stack = settings, store, sandbox, stack
        self._limiters = Limiters()
        self._pool: PooledProvider | None = None
        self._opening_pool = asyncio.Lock()
        self._listeners: list[Callable[[str], None]] = []
        """Who is told what happens to sandboxes; those whose own it is are told otherwise."""

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
        return any(target.endpoint.base_url is None for target in chain(*(await self.targets(model)).values()))

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
        targets = chain(*(await self.targets(model)).values())
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
        targets = await self.targets(overview.summary.model)
        notices = list[str]()
        if hosts := self._settings.sandboxes.allow:
            notices.append(ALLOWED_NOTICE.format(hosts=", ".join(hosts)))
        if any(target.endpoint.base_url is None for target in chain(*targets.values())):
            notices.append(MODEL_NOTICE)

        async def film_image() -> None:
            await build_images((FILM_IMAGE,), progress=lambda text: observe(Progress(text=text)), engine=self._sandbox)

        def place(title: str) -> Path:
            return out or _free_folder(Path.cwd() / "products", title, run_id)

        record_to = traffic_path(self._settings.home, run_id) if options.get("record") else None
        media = self._settings.media_plan(overview.summary.model)
        async with (
            self._sandboxes(lambda text: observe(Progress(text=text)), product_image=_image_of(options)) as pool,
            open_endpoints(targets, record_to=record_to, media=media) as endpoints,
        ):
            surroundings = Surroundings(
                store=self._store,
                home=self._settings.home,
                catalogue=await self._catalogue_with(await self._repository(run_id), overview.provenance, room=room),
                sandboxes=pool,
                endpoints=endpoints,
                limiters=self._limiters,
                notices=(*filter(None, (pool.notice,)), *notices),
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
        async with self._sandboxes(lambda text: observe(Progress(text=text)), product_image=image) as pool:
            return await replays.carry_out(run_id, sandboxes=pool, on_departure=on_departure, observe=observe)

    async def try_agent(
        self,
        name: str,
        assignment: str,
        *,
        model: str,
        usd: float,
        folder: Path | None,
        out: Path | None,
        persona: str | None,
        project: Path | None,
        observe: Callable[[Event], None],
    ) -> Trial:
        """Have one agent work on an assignment in a sandbox that holds the files of `folder`; costs are booked.

        Raises:
            RequestError: there is no such agent or persona, it needs files that are not given, or nobody plays it.
            LimitExceeded: `usd` is used up.
            Unavailable: model or sandbox.
        """
        from macrohard.execution import Surroundings
        from macrohard.execution.endpoints import open_endpoints
        from macrohard.execution.trial import cast, files_of, try_agent

        found = catalogue(self._settings, project=project)
        targets = await self.targets(model)
        builtin = any(target.endpoint.base_url is None for target in chain(*targets.values()))
        agent, behaving = cast(found, name, persona=persona, has_files=folder is not None, builtin=builtin)
        given = await asyncio.to_thread(files_of, folder) if folder is not None else {}
        image = self._settings.sandboxes.products or await self._product_image(model)
        options: JsonObject = {TRIAL: name, "product_image": image}
        run_id = await self._store.create_run(f"Trial of {name}: {assignment}", options=options, model=model)
        await self._store.budget(run_id).open(Caps(usd=usd))
        media = self._settings.media_plan(model)
        async with (
            self._sandboxes(lambda text: observe(Progress(text=text)), product_image=image) as pool,
            open_endpoints(targets, record_to=None, media=media) as endpoints,
        ):
            surroundings = Surroundings(
                store=self._store,
                home=self._settings.home,
                catalogue=found,
                sandboxes=pool,
                endpoints=endpoints,
                limiters=self._limiters,
                notices=(MODEL_NOTICE,) if builtin else (),
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
            self._sandboxes(tell, product_image=image) as pool,
            pool.share(f"preview of {overview.summary.id}", tell=wait, ahead=False, product_image=image) as sandboxes,
            preview(
                sandboxes, bundle=bundle, commit=commit, port=port, design=overview.design, environment=environment
            ) as opened,
        ):
            yield opened

    async def diagnose(self) -> tuple[Diagnosis, ...]:
        """What this installation can and cannot do."""
        from macrohard.sandbox import diagnose
        from macrohard.sandbox.packages import diagnose_ways_out

        rows = [Diagnosis(check="database", ok=True, detail=self._store.describe())]
        try:
            found = catalogue(self._settings)
            rows.append(
                Diagnosis(
                    check="agents", ok=True, detail=f"{len(found.agents)} agents, {len(found.personas)} simulated users"
                )
            )
        except MacrohardError as error:
            rows.append(Diagnosis(check="agents", ok=False, detail=str(error), advice="mend the file"))
        try:
            await self.targets(self._settings.model)
        except RequestError as error:
            rows.append(Diagnosis(check="models", ok=False, detail=self._settings.model, advice=str(error)))
        kept = f"what models say in a run is kept in {self._settings.home / 'runs'}"
        off = "what models say is not kept, so runs cannot be replayed"
        rows.append(Diagnosis(check="recording", ok=True, detail=kept if self._settings.record else off))
        wish = self._settings.sandboxes
        rows += await diagnose_ways_out(packages=wish.packages, allow=wish.allow)
        for row in await diagnose(home=self._settings.home, required=wish.required, runtime=wish.runtime):
            rows.append(row.model_copy(update={"needed": row.check == "a sandbox can be had"}))
        return tuple(rows)

    async def targets(self, run_model: str) -> RoleTargets:
        """Where each role's model answers for a run with this model, and how it is asked after all that is known.

        Raises:
            RequestError: see `Settings.targets`.
        """
        probed = await self._probed()
        return self._settings.targets(
            run_model, probed={key: found.capabilities for key, found in probed.items() if found.capabilities}
        )

    async def probe(self, which: Literal["new", "all", "none"], *, tell: Callable[[str], None]) -> tuple[Probe, ...]:
        """What each model of the settings was seen to understand, in the order of the roles.

        "new" asks those that were never probed, "all" every one, "none" nobody. A probe that fails is a result; one
        that succeeds is kept, and goes from then on before what is assumed. `tell` gets lines about the progress.

        Raises:
            RequestError: see `Settings.targets`.
        """
        from macrohard.llm.models.probe import most_usd, probe

        kept, done = await self._probed(), {}
        for target in chain(*(await self.targets(self._settings.model)).values()):
            key = (target.endpoint.base_url, target.model)
            found = None if target.endpoint.base_url is None else kept.get((target.endpoint.base_url, target.model))
            if key in done:
                continue
            if target.endpoint.base_url is None or which == "none" or (which == "new" and found):
                done[key] = Probe(target=target, result=found)
                continue
            cost = f"at most ${most_usd(target):.2f}" if target.price != FREE else "free of charge"
            tell(f"asking {target.model} at {target.endpoint.name} what it understands, some 20 small calls, {cost}")
            result = await probe(target, tell=tell)
            if result.capabilities is not None:
                body = result.model_dump(mode="json")
                await self._store.capabilities.save(
                    endpoint_url=target.endpoint.base_url, model=target.model, body=body
                )
            done[key] = Probe(target=target, result=result)
        return tuple(done.values())

    async def _probed(self) -> dict[tuple[str, str], ProbeResult]:
        found = {}
        for key, body in (await self._store.capabilities.load()).items():
            # What another version wrote may not be understood: it is as if nobody had asked.
            with suppress(ValidationError):
                found[key] = ProbeResult.model_validate(body)
        return found

    @asynccontextmanager
    async def _sandboxes(self, tell: Callable[[str], None], *, product_image: str) -> AsyncIterator[PooledProvider]:
        """The places and warm sandboxes that all runs of this process share; there from the first need on."""
        self._listeners.append(tell)
        try:
            async with self._opening_pool:
                if self._pool is None:
                    self._pool = await self._opened_pool()
                engine: SandboxChoice = "bubblewrap" if self._pool.tier == "bubblewrap" else "docker"
                await build_images((product_image,), progress=tell, engine=engine)
            yield self._pool
        finally:
            self._listeners.remove(tell)

    async def _opened_pool(self) -> PooledProvider:
        def tell(text: str) -> None:
            for listener in self._listeners:
                listener(text)

        wish = self._settings.sandboxes
        # What sandboxes are worth here is seen by starting one, which takes this one image.
        await build_images(("base",), progress=tell, engine=self._sandbox)
        places = wish.places or places_here()
        provider = await choose_provider(
            self._sandbox, home=self._settings.home, required=wish.required, runtime=wish.runtime
        )
        engine: SandboxChoice = "bubblewrap" if provider.tier == "bubblewrap" else "docker"
        await build_images(IMAGES, progress=tell, engine=engine)
        provider.packages = _packages(wish)
        async with AsyncExitStack() as undoing:
            warm = warm_beside(places) if wish.warm is None else wish.warm
            pool = PooledProvider(provider, size=warm, places=places, tell=tell)
            undoing.push_async_callback(pool.close)
            await undoing.enter_async_context(clearing_away(pool, tell=tell))
            self._stack.push_async_exit(undoing.pop_all())
        return pool

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


async def prune_sandboxes(settings: Settings, *, tell: Callable[[str], None]) -> tuple[str, ...]:
    """Remove images that no definition needs any more, and old snapshots; one line for each, for people.

    Raises:
        SandboxUnavailable: the engine stopped answering.
    """
    return tuple(
        f"{each.name}: {each.size_bytes / 1e6:.0f} MB, "
        + ("removed" if each.removed else "kept, because a sandbox is made from it")
        for each in await prune(home=settings.home, progress=tell)
    )


def catalogue(settings: Settings, *, project: Path | None = None) -> Catalogue:
    """Every agent, persona and skill: those of this installation, then the person's own, then those of a `project`.

    `project` is the folder for agents in somebody's repository, see `macrohard.agent.load_catalogue`.

    Raises:
        DefinitionError: a file is not understood; names it and the field.
        RequestError: the settings name a folder that is not there.
    """
    own = settings.agents_folder
    if "agents_folder" in settings.model_fields_set and not own.is_dir():
        raise RequestError(f"agents_folder: there is no folder {own}")
    images = frozenset(path.name for path in folder("sandboxes").iterdir() if path.is_dir())
    there = project if project is not None and project.is_dir() else None
    return load_catalogue((folder("agents"), own), images=images, project=there)


def _packages(wish: SandboxSettings) -> Packages | None:
    """What sandboxes of these settings may fetch; None: nothing."""
    if not wish.packages and not wish.allow:
        return None
    return Packages(None if wish.packages else Registries(pypi=(), npm=()), hosts=frozenset(wish.allow))


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
