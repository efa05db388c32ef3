"""What an installation can do: its agents, its models and what was seen of them, its sandboxes."""

import os
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from macrohard.agent import Catalogue, load_catalogue
from macrohard.bundled import folder
from macrohard.domain import Diagnosis, Value
from macrohard.errors import MacrohardError, RequestError
from macrohard.llm import FREE
from macrohard.llm.target import ProbeResult, RoleTargets, Target
from macrohard.sandbox import prune
from macrohard.settings import Settings
from macrohard.store import Store
from macrohard.telemetry import Telemetry


class Probe(Value):
    """A model of the settings, and what it was seen to understand."""

    target: Target
    result: ProbeResult | None
    """None: nobody asked it; so it is with the built-in model, which is known."""


class Installation:
    """What the settings come to on this machine."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store

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
        rows.append(Telemetry(os.environ).diagnosis())
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

        kept, done, model = await self._probed(), dict[tuple[str | None, str], Probe](), self._settings.model
        for target in chain(*(await self.targets(model)).values()):
            key = _key(target)
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
        # What was just found out is among what each is asked by from now on.
        now = tuple(chain(*(await self.targets(model)).values()))
        return tuple(
            probe.model_copy(update={"target": next(each for each in now if _key(each) == key)})
            for key, probe in done.items()
        )

    async def _probed(self) -> dict[tuple[str, str], ProbeResult]:
        found = {}
        for key, body in (await self._store.capabilities.load()).items():
            # What another version wrote may not be understood: it is as if nobody had asked.
            with suppress(ValidationError):
                found[key] = ProbeResult.model_validate(body)
        return found


def _key(target: Target) -> tuple[str | None, str]:
    return (target.endpoint.base_url, target.model)


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


def catalogue(settings: Settings, *, repository: Path | None = None) -> Catalogue:
    """Every agent, persona and skill: those of this installation, then the person's own, then those of a `repository`.

    `repository` is the folder for agents in somebody's repository, see `macrohard.agent.load_catalogue`.

    Raises:
        DefinitionError: a file is not understood; names it and the field.
        RequestError: the settings name a folder that is not there.
    """
    own = settings.agents_folder
    if "agents_folder" in settings.model_fields_set and not own.is_dir():
        raise RequestError(f"agents_folder: there is no folder {own}")
    images = frozenset(path.name for path in folder("sandboxes").iterdir() if path.is_dir())
    there = repository if repository is not None and repository.is_dir() else None
    return load_catalogue((folder("agents"), own), images=images, repository=there)
