"""How a run comes to be: from a requirement, from a product, from another run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from macrohard.agent import REPOSITORY_FOLDER, Catalogue
from macrohard.assembly.installation import Installation, catalogue
from macrohard.domain import Caps, JsonObject, RunOverview
from macrohard.domain.approval import Approvals
from macrohard.domain.project import DEFAULT
from macrohard.domain.provenance import FORKED_FROM, FROM, Provenance
from macrohard.errors import Conflict, RequestError
from macrohard.settings import Settings
from macrohard.store import Store
from macrohard.store.submissions import Claim
from macrohard.workspace import Existing, Repository


class Intake:
    """Records runs; nothing is carried out here."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self.store = settings, store
        self.installation = Installation(settings, store)

    async def overview(self, run_id: str) -> RunOverview:
        """All of one run, by its id or a beginning of it that only one run has.

        Raises:
            RequestError: there is none, or more than one.
        """
        return await self.store.overview(run_id)

    async def repository(self, run_id: str) -> Repository:
        """The product's history, and all that agents committed on the way."""
        return await Repository.create(self._settings.home / "runs" / run_id / "repository.git")

    async def submit(
        self,
        requirement: str,
        *,
        model: str,
        caps: Caps,
        iterations: int,
        ask: bool,
        existing: Existing | None = None,
        approvals: Approvals | None = None,
        answer_seconds: float | None = None,
        budget_seconds: float | None = None,
        claim: Claim | None = None,
        project: str = DEFAULT,
    ) -> str:
        """Record a run with a forecast of what it will take, and give its id; nothing is carried out yet.

        `approvals`: where it waits for a person's yes; None: nowhere. `answer_seconds`: how long it waits for answers
        to its questions before it takes the defaults; `budget_seconds`: how long, at a cap that is reached, for more
        before it puts out what was kept by then; None: as long as it takes.
        With `existing`, its repository begins with what the person has. With a `claim`, its key stands for the run as
        soon as there is the run.

        Raises:
            RequestError: that cannot be taken in, or the model cannot work on it; there is no run.
            Conflict: somebody else has the claim by now; there is no run.
            QuotaExceeded: the project may take no more.
        """
        if existing is not None and existing.refusal and await self.builtin_takes_part(model):
            raise RequestError(existing.refusal)
        options: JsonObject = {
            "iterations": iterations,
            "ask": ask,
            "record": self._settings.record,
            "product_image": self._settings.sandboxes.products or await self._product_image(model),
        }
        if answer_seconds is not None:
            options["answer_seconds"] = answer_seconds
        if budget_seconds is not None:
            options["budget_seconds"] = budget_seconds
        if approvals:
            options["approvals"] = {str(point): seconds for point, seconds in approvals.items()}
        async with self._begun_from(existing) as (repository, provenance):
            if provenance is not None:
                options[FROM] = provenance.model_dump(mode="json")

            def prepare(run_id: str) -> None:
                if repository is not None:
                    folder = self._settings.home / "runs" / run_id
                    folder.mkdir(parents=True, exist_ok=True)
                    repository.path.rename(folder / "repository.git")

            run_id = await self.store.create_run(
                requirement,
                options=options,
                model=model,
                project=project,
                caps=caps,
                claim=claim,
                prepare=prepare,
            )
        await self.store.forecast(run_id)
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
        await repository.lay_out(provenance.base, REPOSITORY_FOLDER, room / "agents")
        return catalogue(self._settings, repository=room / "agents" / REPOSITORY_FOLDER)

    async def builtin_takes_part(self, model: str) -> bool:
        """Whether the model that comes with Macrohard plays a role, which takes no sentences in but a requirement's."""
        return any(
            target.endpoint.base_url is None for target in chain(*(await self.installation.targets(model)).values())
        )

    async def delivered(self, run: str) -> Existing:
        """The product of an earlier run, to begin from.

        Raises:
            RequestError: there is no such run, or it has nothing to go on with; says what to do.
        """
        from macrohard.execution.earlier import delivered

        return await delivered(self.store, run, home=self._settings.home)

    async def fork(
        self,
        run: str,
        *,
        iteration: int,
        model: str | None = None,
        caps: Caps | None = None,
        iterations: int | None = None,
    ) -> str:
        """Record a run that goes on from where another one stood when this iteration was to be judged.

        It has the other's past and project, but its own future, product and budget; what is not given is as in the
        other. The other run is left as it is.

        Raises:
            RequestError: there is no such run, it has not come that far, it is a replay, or the model cannot work on
                it; there is no fork.
        """
        from macrohard.factory.forking import begin_from, state_at

        original = (await self.overview(run)).summary
        given = await self.store.options(original.id)
        if "replay_of" in given:
            raise Conflict(f"run {original.id} is a replay; fork run {given['replay_of']} instead")
        room = self._settings.home / "runs" / original.id
        state = await state_at(room / "checkpoints.db", original.id, iteration)
        options = {**given, FORKED_FROM: f"{original.id}@{iteration}", "record": False}
        options["iterations"] = iterations or max(int(str(options["iterations"])), iteration + 1)
        chosen = model or original.model
        self._settings.targets(chosen)
        ledger = await self.store.spending(original.id)
        later = "|".join(str(number) for number in range(iteration + 1, int(str(options["iterations"])) + 100))
        with TemporaryDirectory(prefix="fork-", dir=self._settings.home) as copies:
            copy = await (await self.repository(original.id)).copied(
                Path(copies) / "repository.git", without=f"refs/sessions/({later})/.*"
            )
            await copy.set_branch("main", state["base"])
            run_id = await self.store.create_run(
                original.requirement,
                options=options,
                model=chosen,
                project=original.project,
                caps=caps or ledger[0].caps,
            )
            place = self._settings.home / "runs" / run_id
            try:
                place.mkdir(parents=True)
                copy.path.rename(place / "repository.git")
                await begin_from(place / "checkpoints.db", run_id, state)
                await self.store.copy_past(original.id, run_id, iteration=iteration)
                await self.store.forecast(run_id)
            except BaseException:
                await asyncio.shield(self.store.delete(run_id, folder=place))
                raise
        return run_id

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
            "product_image": str((await self.store.options(overview.summary.id)).get("product_image", "base")),
            "solo": overview.summary.id,
        }
        summary = overview.summary
        run_id = await self.store.create_run(
            summary.requirement, options=options, model=model, project=summary.project, caps=caps
        )
        await self.store.forecast(run_id)
        return run_id

    async def _product_image(self, model: str) -> str:
        targets = chain(*(await self.installation.targets(model)).values())
        return "base" if all(target.endpoint.base_url is None for target in targets) else "web"
