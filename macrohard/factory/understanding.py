"""Before a run that begins from an existing product: what it is, how it is run, and what its tests say."""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import PurePosixPath

from pydantic import Field, ValidationError

from macrohard.agent import Bench, open_workshop
from macrohard.agent.guidance import GUIDE
from macrohard.domain import JsonObject, ProductKind, Value
from macrohard.domain.ground import Ground
from macrohard.domain.provenance import Provenance
from macrohard.errors import AgentGaveUp, ToolError
from macrohard.events import Understood
from macrohard.factory.baseline import run_tests
from macrohard.factory.context import FactoryContext
from macrohard.factory.improving import place_of_things
from macrohard.factory.phases import phase
from macrohard.product.manifest import FILE, Manifest, read_manifest

READER = "repository-reader"
LISTED_FILES = 400
EXCERPT_BYTES = 6_000
TELLING = (
    "package.json", "pyproject.toml", "setup.cfg", "setup.py", "tox.ini", "noxfile.py", "pytest.ini",
    "requirements.txt", "Makefile", "makefile", "justfile", "go.mod", "Cargo.toml", "composer.json", "Gemfile",
    "deno.json", "Dockerfile", "docker-compose.yml", "Procfile", ".gitlab-ci.yml", ".pre-commit-config.yaml",
    "README.md", "README.rst", "CONTRIBUTING.md", GUIDE,
)  # fmt: skip
"""Files in the root that say how a product is built and tested."""
_LANGUAGES = {
    ".py": "Python", ".js": "JavaScript", ".mjs": "JavaScript", ".cjs": "JavaScript", ".jsx": "JavaScript",
    ".ts": "TypeScript", ".tsx": "TypeScript", ".vue": "Vue", ".svelte": "Svelte", ".go": "Go", ".rs": "Rust",
    ".java": "Java", ".kt": "Kotlin", ".rb": "Ruby", ".php": "PHP", ".c": "C", ".h": "C", ".cpp": "C++",
    ".cs": "C#", ".sh": "Shell", ".html": "HTML", ".css": "CSS", ".sql": "SQL",
}  # fmt: skip


class RepositoryMap(Value):
    """What a colleague must know before touching this repository: short, and tried rather than guessed."""

    summary: str = Field(min_length=1)
    """What it is and for whom, in two or three sentences."""
    kind: ProductKind
    name: str = Field(min_length=1, max_length=80)
    install: str = ""
    """The command that fetches what it needs; empty when it needs nothing."""
    test: str = Field(min_length=1)
    """The command that runs its own tests."""
    start: str = ""
    """web and api: starts it on 127.0.0.1:$PORT and keeps running."""
    run: str = ""
    """cli: starts it in the caller's folder; `{root}` stands for the repository."""
    health: str = Field(default="/", pattern=r"^/")
    """web and api: a path that answers below 400."""
    places: tuple[str, ...] = ()
    """What lies where: "src/api/: routes, one file for each resource"; entry points first."""
    conventions: tuple[str, ...] = ()
    """How code, tests, names, messages and commits are written here; as rules, with the file that shows it."""
    cautions: tuple[str, ...] = ()
    """What breaks easily, what is generated, what must not be touched."""


async def understand(context: FactoryContext, provenance: Provenance) -> Ground:
    """Read the product, settle its commands, and run its tests; safe to repeat, for sessions that are done stay done.

    Raises:
        AgentGaveUp: nobody could say how it is tested.
    """
    async with phase(context.emit, "understand", 0):
        repository, base = context.repository, provenance.base
        files = await repository.files(base)
        seen = await _survey(context, base, files)
        guides = tuple(path for path in files if PurePosixPath(path).name == GUIDE)
        if context.earlier is not None:
            # Nobody need find out what was agreed, and checked, when it was made.
            ground = Ground(
                provenance=provenance,
                commit=base,
                own_manifest=True,
                about={**place_of_things(context.earlier), "languages": seen["languages"]},
                baseline=await run_tests(context, base, environment=context.earlier.design.environment),
                guides=guides,
            )
            await context.emit(Understood(ground=ground))
            return ground
        if FILE in files:
            try:
                read_manifest(await repository.read(base, FILE))
            except ToolError as error:
                raise AgentGaveUp(f"The repository has a {FILE} that is not one of ours: {error}.") from error
        found = await _read(context, base, seen, settled=FILE in files)
        commit = base
        if FILE not in files:
            commit = await repository.with_file(
                base, FILE, _manifest_text(found).encode(), message="Say how it is installed, tested and started"
            )
        ground = Ground(
            provenance=provenance,
            commit=commit,
            own_manifest=FILE in files,
            about={**found.model_dump(mode="json"), "languages": seen["languages"]},
            baseline=await run_tests(context, commit),
            guides=guides,
        )
        await context.emit(Understood(ground=ground))
    return ground


async def _survey(context: FactoryContext, base: str, files: Sequence[str]) -> JsonObject:
    """What the files say by themselves; read on the host as text, and only looked at."""
    suffixes = Counter(PurePosixPath(path).suffix for path in files)
    languages = Counter[str]()
    for suffix, count in suffixes.items():
        if language := _LANGUAGES.get(suffix):
            languages[language] += count
    excerpts: JsonObject = {}
    telling = [path for path in files if path in TELLING or re.fullmatch(r"\.github/workflows/[^/]+\.ya?ml", path)]
    for path in telling:
        content = await context.repository.read(base, path)
        excerpts[path] = content[:EXCERPT_BYTES].decode(errors="replace")
    return {
        "languages": [f"{language}: {count} files" for language, count in languages.most_common(6)],
        "files": [
            *files[:LISTED_FILES],
            *([f"… and {len(files) - LISTED_FILES} more"] if files[LISTED_FILES:] else []),
        ],
        "excerpts": excerpts,
    }


async def _read(context: FactoryContext, base: str, seen: JsonObject, *, settled: bool) -> RepositoryMap:
    agent = context.catalogue.agent(READER)

    @asynccontextmanager
    async def open_bench(saved: str | None) -> AsyncIterator[Bench]:
        async with open_workshop(
            context.sandboxes, context.repository, image=context.image_for(agent), base=base, saved=saved,
            ref="refs/sessions/0/understand", author=agent.name, message="Look around", files=(),
        ) as (sandbox, _):  # fmt: skip
            yield Bench(sandbox=sandbox, files=())

    def check(report: Value) -> None:
        _manifest_of(RepositoryMap.model_validate(report))

    result = await context.session(
        agent,
        iteration=0,
        phase="understand",
        name=READER,
        task="Find out what this repository is, how it is installed and tested, and how one works in it.",
        material={
            **seen,
            "wanted": context.requirement,
            "commands_are_settled": settled,
            **await context.libraries(),
        },
        report=RepositoryMap,
        files=(),
        base=base,
        open_bench=open_bench,
        check=check,
    )
    if result.outcome != "finished":
        raise AgentGaveUp(f"{READER} could not say how the repository is tested: {result.problem}")
    return RepositoryMap.model_validate(result.report)


def _manifest_of(found: RepositoryMap) -> Manifest:
    commands = {"install": found.install, "test": found.test, "start": found.start, "run": found.run}
    try:
        return Manifest.model_validate(
            {"kind": found.kind, "name": found.name, "commands": commands, "service": {"health": found.health}}
        )
    except ValidationError as error:
        raise ToolError("; ".join(str(one["msg"]).removeprefix("Value error, ") for one in error.errors())) from error


def _manifest_text(found: RepositoryMap) -> str:
    """As TOML; a JSON string is a TOML string."""
    lines = [
        f"kind = {json.dumps(found.kind)}",
        f"name = {json.dumps(found.name, ensure_ascii=False)}",
        "",
        "[commands]",
    ]
    for name in ("install", "test", "start", "run"):
        if command := getattr(found, name):
            lines.append(f"{name} = {json.dumps(command, ensure_ascii=False)}")
    if found.kind in ("web", "api"):
        lines += ["", "[service]", f"health = {json.dumps(found.health)}"]
    return "\n".join(lines) + "\n"
