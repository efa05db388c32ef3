"""What nodes work with: handed in with each run, never part of the graph's state."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from macrohard.agent import PRODUCT, AgentDefinition
from macrohard.agent.guidance import guides_for
from macrohard.domain import JsonObject, Phase, Value
from macrohard.domain.approval import Approvals, Ruling
from macrohard.domain.feedback import Feedback
from macrohard.domain.ground import Earlier, Ground
from macrohard.domain.provenance import Provenance
from macrohard.domain.team import Contract
from macrohard.errors import AgentGaveUp
from macrohard.factory.sessions import Sessions, desk
from macrohard.llm.media.studio import Studio
from macrohard.sandbox import LIBRARIES, SandboxProvider, SandboxSpec
from macrohard.sandbox.packages import INSTALLING
from macrohard.workspace import Repository

V = TypeVar("V", bound=Value)


JSON = "application/json"
STANDARD_IMAGE = "base"
LIBRARIES_LIMIT_BYTES = 64 << 10
TOLD_OF_THE_GROUND: Final[frozenset[Phase]] = frozenset(
    {"analyse", "design", "plan", "implement", "integrate", "review", "triage"}
)
"""Phases whose agents are told what the existing product is; scenarios are written and tried without knowing code."""


async def nobody_says() -> Sequence[Feedback]:
    """No feedback, where there is nobody who could give any."""
    return ()


@dataclass(frozen=True)
class FactoryContext(Sessions):
    """One run's surroundings."""

    requirement: str
    answers: Mapping[str, str]
    """To the questions of the specification, by their ids."""
    ask: bool
    """Whether to wait for answers when the requirement is too vague; else defaults are taken."""
    iterations: int
    seed: str
    """Of what is left to chance: a run that is replayed draws the same."""
    sandboxes: SandboxProvider
    repository: Repository
    slots: asyncio.Semaphore
    """How many sessions with a sandbox may be at work at once."""
    studio: Studio
    """Makes pictures and clips, where somebody offers it."""
    prepare_film: Callable[[], Awaitable[None]] | None
    """Makes the sandbox image for films, if it is not there yet; None: no film is wanted."""
    deliver: Callable[[str, str], Awaitable[str]]
    """(commit, title) → where the product was put."""
    probes_tests: bool = True
    """Whether lines are broken on purpose to see if the product's own tests notice."""
    visitors: tuple[str, ...] = ()
    """Of a run that is replayed: the personas that were heard of when it was recorded."""
    contract: Contract | None = None
    """One agent alone makes the product, graded by this; None: a team does."""
    provenance: Provenance | None = None
    """What the run begins from; None: from nothing."""
    ground: Ground | None = None
    """The same, once it is understood."""
    feedback: Callable[[], Awaitable[Sequence[Feedback]]] = nobody_says
    """What people said of the run and nobody answered yet, as it stands at that moment."""
    approvals: Approvals = field(default_factory=dict)
    """Where the run waits for a person's yes."""
    rulings: Sequence[Ruling] = ()
    """What people said there, in order."""
    earlier: Earlier | None = None
    """What was agreed about it, where it is the product of an earlier run."""

    def image_for(self, agent: AgentDefinition) -> str:
        """The image of the agent's sandbox."""
        return self.sandboxes.product_image if agent.sandbox in (None, PRODUCT) else agent.sandbox

    async def libraries(self) -> JsonObject:
        """What is installed for products in their sandboxes, and what else can be, as material.

        Empty if it is the standard libraries only.

        Raises:
            SandboxUnavailable: there is no sandbox to look into.
        """
        can_fetch: JsonObject = {"packages": INSTALLING} if self.sandboxes.installs else {}
        if self.sandboxes.product_image == STANDARD_IMAGE:
            return can_fetch
        async with self.sandboxes.open(SandboxSpec(image=self.sandboxes.product_image)) as sandbox:
            found = await sandbox.read(LIBRARIES, limit_bytes=LIBRARIES_LIMIT_BYTES)
        return {"libraries": found.decode(errors="replace"), **can_fetch}

    async def first_commit(self) -> str:
        """What the work starts from."""
        return self.ground.commit if self.ground else await self.repository.initial_commit()

    async def told(self, phase: Phase, files: tuple[str, ...] | None) -> JsonObject:
        """Of the existing product: its map, and the guides for the files that the session works on."""
        if self.ground is None or phase not in TOLD_OF_THE_GROUND:
            return {}
        base = self.ground.commit
        guides = guides_for(files or ("README.md",), tracked=self.ground.guides)
        texts = {path: (await self.repository.read(base, path)).decode(errors="replace") for path in guides}
        failing: JsonObject = {"failed_before": list(self.ground.baseline.failed)}
        return {"repository": {**self.ground.about, **failing, "guides": {**texts}}}

    async def keep(self, document: Value) -> str:
        """Store a document and give its digest."""
        return await self.artifacts.put(document.model_dump_json().encode(), media_type=JSON)

    async def load(self, kind: type[V], digest: str) -> V:
        """The document of that digest."""
        return kind.model_validate_json(await self.artifacts.get(digest))

    async def document(
        self,
        kind: type[V],
        *,
        agent: str,
        iteration: int,
        phase: Phase,
        task: str,
        material: JsonObject,
        check: Callable[[V], None],
        name: str = "",
    ) -> V:
        """Have an agent that only thinks write a document; `check` raises a ToolError about wrong content.

        Raises:
            AgentGaveUp: it did not hand it in.
        """
        result = await self.session(
            self.catalogue.agent(agent),
            iteration=iteration,
            phase=phase,
            name=name or agent,
            task=task,
            material=material,
            report=kind,
            open_bench=desk,
            check=lambda report: check(kind.model_validate(report)),
        )
        if result.outcome != "finished":
            raise AgentGaveUp(f"{agent} did not hand in its {kind.__name__.lower()}: {result.problem}")
        return kind.model_validate(result.report)
