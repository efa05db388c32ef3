"""One agent on one assignment, outside of any build: to see what its file is worth before a run depends on it."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

import orjson

from macrohard.agent import (
    ALL_FILES,
    PRODUCT,
    PRODUCT_ROOT,
    VISITING,
    AgentDefinition,
    Bench,
    Catalogue,
    OpenBench,
    Persona,
    open_workshop,
)
from macrohard.domain import (
    Design,
    JsonObject,
    Phase,
    ProductKind,
    ScenarioSet,
    SessionResult,
    Specification,
    UserReport,
    Value,
)
from macrohard.errors import LimitExceeded, RequestError, SandboxUnavailable, ToolError, Unavailable
from macrohard.events import Event, RunEnded, RunStarted
from macrohard.execution.carry_out import Surroundings, Transcripts
from macrohard.factory.reports import NextVersion, ReviewReport, TeamPlan, TesterReport, WorkReport
from macrohard.factory.review import quoting
from macrohard.factory.sessions import Sessions
from macrohard.llm.budget import Budget
from macrohard.llm.media import FolderOrders, MediaPlan
from macrohard.llm.media.studio import Studio
from macrohard.product import DrawingTable, Easel, View, open_visit
from macrohard.product.manifest import FILE as MANIFEST
from macrohard.product.manifest import read_manifest
from macrohard.sandbox import SandboxProvider
from macrohard.workspace import Repository

FILES_AT_MOST: Final = 2_000
BYTES_AT_MOST: Final = 16 << 20
MODE_SECONDS: Final = 60.0
USUAL_PERSONAS: Final = {"simulated-user": "wrong-input-first", "simulated-developer": "first-steps"}
"""Simulated users, and whom they play if nobody says."""
HANDS_IN: Final[Mapping[str, tuple[Phase, type[Value]]]] = {
    "analyst": ("analyse", Specification),
    "designer": ("design", Design),
    "planner": ("plan", TeamPlan),
    "scenario-writer": ("scenarios", ScenarioSet),
    "product-tester": ("use", TesterReport),
    "product-manager": ("triage", NextVersion),
    **dict.fromkeys(USUAL_PERSONAS, ("use", UserReport)),
}
"""Where it is another document than what was done and what is open."""
READ_THE_REQUIREMENT: Final = frozenset({"analyst", "reader", "change-analyst", "designer"})
"""In runs these are given it as material; to all others it is their task."""
TRIED = "one agent was tried on its own; nothing was verified"


PLAYED: Final = frozenset({"analyst", *(name for name in HANDS_IN if HANDS_IN[name][0] == "use")})
"""By the built-in model, without a specification and a design of its own."""


class GivenFile(NamedTuple):
    """A file of a person's folder."""

    content: bytes
    executable: bool


def cast(
    catalogue: Catalogue, name: str, *, persona: str | None, has_files: bool, builtin: bool
) -> tuple[AgentDefinition, Persona | None]:
    """Who is tried, and as whom.

    Raises:
        RequestError: there is no such agent or persona, or it cannot be tried like this; the text says what to do.
    """
    if (agent := catalogue.agents.get(name)) is None:
        near = ", ".join(get_close_matches(name, catalogue.agents)) or "`macrohard agents list` shows them"
        raise RequestError(f"there is no agent {name!r}: {near}")
    if builtin and name not in PLAYED:
        raise RequestError(
            f"the built-in model plays {name} only inside a build, where specification and design are its own; alone "
            f"it plays {', '.join(sorted(PLAYED))}. Name a real model with --model, or set one"
        )
    if VISITING & set(agent.tools) and agent.sandbox is None and not has_files:
        raise RequestError(f"{name} uses a running product: give its folder, with product.toml, by --folder")
    if name not in USUAL_PERSONAS:
        if persona is not None:
            raise RequestError(f"--as is for {' and '.join(USUAL_PERSONAS)}, not for {name}")
        return agent, None
    chosen = persona or USUAL_PERSONAS[name]
    if chosen not in catalogue.personas:
        raise RequestError(f"there is no persona {chosen!r}; there are {', '.join(catalogue.personas)}")
    return agent, catalogue.personas[chosen]


async def try_agent(
    run_id: str,
    surroundings: Surroundings,
    *,
    agent: AgentDefinition,
    persona: Persona | None,
    assignment: str,
    given: Mapping[PurePosixPath, GivenFile],
    material: JsonObject,
    environment: Mapping[str, str],
    out: Path | None,
    observe: Callable[[Event], None],
) -> tuple[SessionResult, bool]:
    """Have the agent work on the assignment, with the given files in its sandbox; what it costs is the run's.

    `material` is what the agent is given beside its task, e.g. specification and design.
    A product among the files is started and tested with `environment`; the agent has the tools for its kind.

    With `out`, a new or empty folder, what it left there is put into it, and True comes back; without files, nothing.

    Raises:
        RequestError: the agent needs a running product, and the files are none; or the product does not start.
        LimitExceeded: the run's budget.
        Unavailable: model or sandbox.
    """
    store = surroundings.store
    async with store.hold(run_id) as lease, AsyncExitStack() as stack:
        log, budget = await store.log(lease), Budget(store.budget(run_id))

        async def emit(event: Event) -> None:
            await log(event)
            observe(event)

        model = (await store.overview(run_id)).summary.model
        await emit(RunStarted(model=model, sandbox_tier=surroundings.sandboxes.tier, notices=surroundings.notices))
        folder = surroundings.home / "runs" / run_id
        repository = await Repository.create(folder / "repository.git")
        image = str((await store.options(run_id))["product_image"])
        sandboxes = await stack.enter_async_context(
            surroundings.sandboxes.share(run_id, tell=emit, ahead=False, product_image=image)
        )
        media, orders = surroundings.media or MediaPlan(), FolderOrders(folder / "media")
        studio = Studio(media, ledger=budget, orders=orders, artifacts=store.artifacts, emit=emit)
        stack.push_async_callback(studio.close)
        usual: tuple[Phase, type[Value]] = ("review", ReviewReport) if agent.reviews else ("implement", WorkReport)
        phase, report = HANDS_IN.get(agent.name, usual)
        kind = _kind_of(given)
        agent = agent.working_on(kind) if kind else agent
        base = await _taken_in(sandboxes, repository, given)
        gateway = surroundings.gateway(run_id, budget, emit)
        sessions = Sessions(
            run_id=run_id,
            catalogue=surroundings.catalogue,
            model=gateway,
            budget=budget,
            transcripts=Transcripts(store, lease),
            artifacts=store.artifacts,
            emit=emit,
        )
        id = sessions.session_id(1, phase, agent.name)
        bench = _bench(
            agent, persona, surroundings, sandboxes, repository, studio, base=base, id=id, environment=environment
        )
        problem, commit, placed = "it was interrupted", base, False
        try:
            result = await sessions.session(
                agent,
                iteration=1,
                phase=phase,
                name=agent.name,
                task=assignment,
                material={**_material(agent, assignment, persona, kind, environment), **material},
                report=report,
                open_bench=bench,
                check=quoting(repository, base) if agent.reviews else None,
                files=ALL_FILES if agent.sandbox else None,
                base=base,
                persona=persona.name if persona else None,
            )
            problem = TRIED if result.outcome == "finished" else f"{result.outcome}: {result.problem}"
            commit = result.commit or base
            if out is not None and (placed := bool(result.commit or given)):
                await repository.checkout(commit, out)
        except (LimitExceeded, Unavailable) as error:
            problem = str(error)
            raise
        finally:
            # Never delivered: that word is for what was verified. And never paused: a trial is not gone on with.
            ended = RunEnded(
                outcome="failed", problem=problem, commit=commit, product_path=str(out) if placed else None
            )
            if problem == TRIED:
                ended = ended.model_copy(update={"outcome": "partial"})
            await asyncio.shield(emit(ended))
        return result, placed


def material_of(file: Path) -> JsonObject:
    """What a person's file gives an agent beside its task.

    Raises:
        RequestError: there is no such file, or it holds no JSON object.
    """
    try:
        material = orjson.loads(file.read_bytes())
    except OSError as error:
        raise RequestError(f"--material {str(file)!r}: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise RequestError(f"--material {str(file)!r} is no JSON: {error}") from error
    if not isinstance(material, dict):
        raise RequestError(f'--material {str(file)!r} is not an object such as {{"specification": …, "design": …}}')
    return material


def files_of(folder: Path) -> dict[PurePosixPath, GivenFile]:
    """The files of a person's folder by their paths in it, without what git keeps for itself.

    Raises:
        RequestError: there is no such folder, it holds a link or something that is no file, or it is too large.
    """
    if not folder.is_dir():
        raise RequestError(f"--folder {str(folder)!r} is not a folder")
    found: dict[PurePosixPath, GivenFile] = {}
    size = 0
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(names) + [each for each in folders if (Path(place) / each).is_symlink()]:
            path = Path(place) / name
            if path.is_symlink() or not path.is_file():
                raise RequestError(f"{path} is a link or no ordinary file; take it out, or copy the folder without it")
            size += path.stat().st_size
            if len(found) >= FILES_AT_MOST or size > BYTES_AT_MOST:
                raise RequestError(
                    f"--folder {str(folder)!r} holds more than {FILES_AT_MOST:,} files or {BYTES_AT_MOST >> 20} MiB; "
                    "copy what the agent needs into a smaller one"
                )
            given = GivenFile(path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR))
            found[PurePosixPath(path.relative_to(folder).as_posix())] = given
    return found


async def _taken_in(
    sandboxes: SandboxProvider, repository: Repository, given: Mapping[PurePosixPath, GivenFile]
) -> str:
    """The commit that holds the given files."""
    initial = await repository.initial_commit()
    if not given:
        return initial
    async with open_workshop(
        sandboxes,
        repository,
        image=sandboxes.product_image,
        base=initial,
        saved=None,
        ref="refs/sessions/0/given",
        author="person",
        message="What was given",
        files=ALL_FILES,
    ) as (sandbox, workshop):
        await sandbox.write({PRODUCT_ROOT / path: file.content for path, file in given.items()})
        paths = "".join(f"{path}\0" for path, file in given.items() if file.executable).encode()
        allowed = await sandbox.run(
            ("xargs", "-0r", "chmod", "+x", "--"), timeout_seconds=MODE_SECONDS, directory=PRODUCT_ROOT, input=paths
        )
        if allowed.exit_code != 0:
            raise SandboxUnavailable(f"the given files could not be made executable: {allowed.stderr.strip()}")
        return await workshop.save() or initial


def _kind_of(given: Mapping[PurePosixPath, GivenFile]) -> ProductKind | None:
    """The kind of product that the files are; None: they are none, or it is for the agent to make them one."""
    manifest = given.get(PurePosixPath(MANIFEST))
    if manifest is None:
        return None
    try:
        return read_manifest(manifest.content).kind
    except ToolError:
        return None


def _material(
    agent: AgentDefinition,
    assignment: str,
    persona: Persona | None,
    kind: ProductKind | None,
    environment: Mapping[str, str],
) -> JsonObject:
    if persona is None:
        wanted: JsonObject = {"requirement": assignment} if agent.name in READ_THE_REQUIREMENT else {}
        return {**wanted, **({"environment": dict(environment)} if environment else {})}
    return {
        "persona": {"name": persona.name, "description": persona.description, "behaviour": persona.behaviour},
        "product": {
            "title": "the product",
            "summary": assignment,
            **({"address": "/"} if kind in (None, "web") else {"kind": kind}),
            "environment": dict(environment),
        },
        "stories": [assignment],
    }


def _bench(
    agent: AgentDefinition,
    persona: Persona | None,
    surroundings: Surroundings,
    sandboxes: SandboxProvider,
    repository: Repository,
    studio: Studio,
    *,
    base: str,
    id: str,
    environment: Mapping[str, str],
) -> OpenBench:
    @asynccontextmanager
    async def open_bench(saved: str | None) -> AsyncIterator[Bench]:
        if VISITING & set(agent.tools) and agent.sandbox is None:
            async with open_visit(
                sandboxes,
                bundle=await repository.bundle(base),
                commit=base,
                artifacts=surroundings.store.artifacts,
                visitor=persona.name if persona else agent.name,
                view=persona.view if persona else View(),
                keyboard_only=persona.keyboard_only if persona else False,
                patience=persona.patience if persona else None,
                design=Design(summary="", environment=dict(environment)),
            ) as visit:
                yield Bench(visit=visit)
        elif agent.sandbox is None:
            yield Bench()
        else:
            image = sandboxes.product_image if agent.sandbox == PRODUCT else agent.sandbox
            async with (
                open_workshop(
                    sandboxes,
                    repository,
                    image=image,
                    base=base,
                    saved=saved,
                    ref="refs/sessions/1/trial",
                    author=agent.name,
                    message=f"Trial of {agent.name}",
                    files=ALL_FILES,
                ) as (sandbox, workshop),
                DrawingTable(sandboxes) as table,
            ):
                easel = Easel(studio, table, session_id=id)
                yield Bench(sandbox=sandbox, workspace=workshop, easel=easel, files=ALL_FILES, environment=environment)

    return open_bench
