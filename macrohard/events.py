"""What can happen in a run, as a discriminated union, and how it is told."""

from datetime import datetime
from typing import Annotated, Literal, Protocol

from pydantic import Field

from macrohard.domain import (
    Checked,
    DemoFilm,
    Design,
    Fetched,
    Finding,
    Looks,
    Phase,
    Plan,
    RunOutcome,
    Scenario,
    SessionOutcome,
    Specification,
    Tier,
    Unclear,
    UserSession,
    Value,
    Verdict,
)
from macrohard.domain.approval import Awaited, Changed, Point
from macrohard.domain.candidate import Comparison
from macrohard.domain.ground import Ground, HandedBack, Work
from macrohard.domain.review import Disputed, Mended
from macrohard.domain.run import Assumed
from macrohard.domain.team import Team
from macrohard.domain.verdict import Contradiction
from macrohard.errors import Cap


class RunStarted(Value):
    """A process took the run up, for the first time or again."""

    type: Literal["run started"] = "run started"
    model: str
    sandbox_tier: Tier
    notices: tuple[str, ...]


class RunEnded(Value):
    """The run came to an end, or to a pause."""

    type: Literal["run ended"] = "run ended"
    outcome: RunOutcome
    problem: str
    commit: str | None
    product_path: str | None
    wake_at: datetime | None = None
    """Of a pause that a person need not end: from then on the run can be resumed as it is."""
    interrupted: bool = False
    """Whether only the process has to end: the next worker goes on with the run."""
    cap: Cap | None = None
    """Of a pause at a cap of the run: that."""


class PhaseStarted(Value):
    """A phase of an iteration begins; the iteration is 0 before the first implementation."""

    type: Literal["phase started"] = "phase started"
    phase: Phase
    iteration: int


class PhaseEnded(Value):
    """A phase of an iteration is over."""

    type: Literal["phase ended"] = "phase ended"
    phase: Phase
    iteration: int
    seconds: float


class Understood(Value):
    """The existing product that the run begins from."""

    type: Literal["understood"] = "understood"
    ground: Ground


class ReturnedHome(Value):
    """What the person got back, in their own history."""

    type: Literal["returned home"] = "returned home"
    returned: HandedBack


class Reworked(Value):
    """What the tasks of the run changed of the existing product; the last word counts."""

    type: Literal["reworked"] = "reworked"
    works: tuple[Work, ...]


class Specified(Value):
    """The analyst's reading, or its final form after the questions were settled; the last one counts."""

    type: Literal["specified"] = "specified"
    specification: Specification


class Staffed(Value):
    """How many work on the run, and why; the last word counts."""

    type: Literal["staffed"] = "staffed"
    team: Team


class Designed(Value):
    """The interface contract."""

    type: Literal["designed"] = "designed"
    design: Design


class Planned(Value):
    """The tasks of an iteration."""

    type: Literal["planned"] = "planned"
    iteration: int
    plan: Plan


class ApprovalAwaited(Value):
    """The run waits for a person's yes."""

    type: Literal["approval awaited"] = "approval awaited"
    awaited: Awaited


class Ruled(Value):
    """A person said yes or no, or nobody did in time."""

    type: Literal["ruled"] = "ruled"
    point: Point
    number: int
    approved: bool
    by: str
    """Who; empty: nobody, in time."""
    comment: str = ""
    changes: tuple[Changed, ...] = ()
    """What they made different in a plan that they approved."""


class FeedbackTaken(Value):
    """An iteration is to see to remarks of a person."""

    type: Literal["feedback taken"] = "feedback taken"
    ids: tuple[str, ...]
    iteration: int


class FeedbackAnswered(Value):
    """What became of remarks of a person."""

    type: Literal["feedback answered"] = "feedback answered"
    ids: tuple[str, ...]
    iteration: int
    text: str


class ScenariosWritten(Value):
    """The hidden acceptance scenarios; the last set counts."""

    type: Literal["scenarios written"] = "scenarios written"
    scenarios: tuple[Scenario, ...]
    """Those that count."""
    disputed: tuple[Disputed, ...] = ()
    unreviewed: str = ""
    """Why they count without a second opinion; empty if they have one."""
    mended: tuple[Mended, ...] = ()
    """Those of an earlier run that the change made impossible to pass as they were."""


class SessionStarted(Value):
    """An agent begins an assignment, or goes on with it after a crash."""

    type: Literal["session started"] = "session started"
    session_id: str
    iteration: int
    phase: Phase
    agent: str
    agent_hash: str
    persona: str | None
    task: str
    criteria: tuple[str, ...]
    resumed: bool


class ModelCalled(Value):
    """One answer of a model was received and recorded."""

    type: Literal["model called"] = "model called"
    session_id: str
    endpoint: str = ""
    model: str
    """What it calls itself."""
    asked: str = ""
    """What it was asked for by; empty: by the same name."""
    finish: Literal["stop", "tool_calls", "length", "refused", ""] = ""
    """Why its answer ended; empty: it was no answer in words, but e.g. a picture."""
    input_tokens: int
    cached_tokens: int = 0
    output_tokens: int
    reasoning_tokens: int = 0
    cost_usd: float
    seconds: float


class ModelTroubled(Value):
    """An endpoint did not answer as it should, and the gateway does something about it."""

    type: Literal["model troubled"] = "model troubled"
    endpoint: str
    problem: str
    reaction: Literal["waits", "asks again", "asks another", "gives up", "well again"]
    seconds: float = 0.0
    """How long it waits."""
    instead: str | None = None
    """The endpoint that is asked instead."""
    cost_usd: float = 0.0
    """What the failed attempt is taken to have cost; it is in the budget, and in no session."""


class ToolUsed(Value):
    """A tool answered an agent."""

    type: Literal["tool used"] = "tool used"
    session_id: str
    tool: str
    summary: str
    """One line for people, e.g. "wrote app/storage.py (142 lines)"."""
    ok: bool
    began_at: datetime | None = None
    """A round's calls are told when the last of them is over. None: it was not noted yet."""
    seconds: float = 0.0


class SessionEnded(Value):
    """An agent is done with its assignment."""

    type: Literal["session ended"] = "session ended"
    session_id: str
    outcome: SessionOutcome
    problem: str
    commit: str | None
    seconds: float
    assumed: tuple[Assumed, ...] = ()
    """In the person's place."""


class Reported(Value):
    """What an agent that changed the product said of its work when it was done; decides nothing."""

    type: Literal["reported"] = "reported"
    session_id: str
    summary: str
    open_points: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()


class PackagesFetched(Value):
    """What one command in a sandbox asked of package registries and listed hosts, each request in it."""

    type: Literal["packages fetched"] = "packages fetched"
    iteration: int
    phase: Phase
    session_id: str | None
    """The agent's; None: it was our own checks."""
    fetched: Fetched


class CandidatesCompared(Value):
    """A task was carried out more than once, and one outcome was chosen; the last word counts."""

    type: Literal["candidates compared"] = "candidates compared"
    iteration: int
    comparison: Comparison


class Integrated(Value):
    """The tasks' commits are one commit now."""

    type: Literal["integrated"] = "integrated"
    iteration: int
    commit: str


class Verified(Value):
    """One check's verdict."""

    type: Literal["verified"] = "verified"
    iteration: int
    verdict: Verdict


class ClaimsChecked(Value):
    """What a session's report says was held against its log; the last word counts."""

    type: Literal["claims checked"] = "claims checked"
    session_id: str
    contradictions: tuple[Contradiction, ...]


class Used(Value):
    """One simulated user's whole visit."""

    type: Literal["used"] = "used"
    iteration: int
    session: UserSession


class Doubted(Value):
    """What the product tester saw of the criteria at one commit, and left open; its opinion."""

    type: Literal["doubted"] = "doubted"
    iteration: int
    commit: str
    unclear: tuple[Unclear, ...]
    checklist: tuple[Checked, ...] = ()


class Found(Value):
    """Somebody noticed something."""

    type: Literal["found"] = "found"
    iteration: int
    finding: Finding


class Filmed(Value):
    """A film was made of the visits to the released commit, or could not be made; the last word counts."""

    type: Literal["filmed"] = "filmed"
    film: DemoFilm


class Pictured(Value):
    """The product of one commit was seen in light and in dark colours, and looked different."""

    type: Literal["pictured"] = "pictured"
    iteration: int
    looks: Looks


class IterationEnded(Value):
    """Triage decided about an iteration's commit."""

    type: Literal["iteration ended"] = "iteration ended"
    iteration: int
    commit: str
    kept: bool
    reason: str
    gained: tuple[str, ...]
    lost: tuple[str, ...]


class SandboxAwaited(Value):
    """An opening of a sandbox waits because all places are taken, or has waited; of each wait the last word counts."""

    type: Literal["sandbox awaited"] = "sandbox awaited"
    id: str
    """Of the wait."""
    image: str
    seconds: float
    """So far."""
    turn: int
    """How soon it gets a place: the next is number 1's. 0: it has got one."""
    places: int
    """How many there are in all."""


class Progress(Value):
    """Something on the way that is worth a line, e.g. building an image."""

    type: Literal["progress"] = "progress"
    text: str


def waiting_in_words(event: SandboxAwaited) -> str:
    """One line for people about an opening that waits, or has waited."""
    if event.turn == 0:
        return f"waited {event.seconds:.0f} s for a sandbox"
    return f"waits for a sandbox: {line_in_words(event)}"


def line_in_words(event: SandboxAwaited) -> str:
    """Why an opening waits, and for how many others."""
    taken = "the only place is" if event.places == 1 else f"all {event.places} places are"
    return f"{taken} taken, number {event.turn} in line"


Event = Annotated[
    RunStarted | RunEnded | PhaseStarted | PhaseEnded | Understood | ReturnedHome | Reworked
    | Specified | Staffed | Designed | Planned | ApprovalAwaited | Ruled | FeedbackTaken | FeedbackAnswered
    | ScenariosWritten
    | SessionStarted | ModelCalled | ModelTroubled | ToolUsed | PackagesFetched | SessionEnded | Reported
    | CandidatesCompared | Integrated | Verified | ClaimsChecked | Used | Doubted | Pictured | Found
    | IterationEnded | Filmed | SandboxAwaited | Progress,
    Field(discriminator="type"),
]  # fmt: skip


class Emit(Protocol):
    """Where facts go: durable when the call returns.

    Telling the same fact twice (a node that runs again after a crash) must leave every view of the run as if told once.
    """

    async def __call__(self, event: Event) -> None:
        """Record the event.

        Raises:
            LeaseLost: another process took the run over.
        """
