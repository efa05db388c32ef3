"""What was said in a session, append-only: the only memory a session has."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol

from macrohard.domain import JsonObject, SessionResult, Value
from macrohard.llm import ModelRole

Nudge = Literal["goes on", "repeats", "taken over", "turns", "cost", "seconds", "resumed", "person"]
"""Why a session said something to its agent: no tool was called; something repeats; a stronger model goes on from here;
a limit is near; the process ended in between; a person wrote to it."""


class Note(Value):
    """What a person says to a session that is at work."""

    by: str
    text: str
    stop: bool = False
    """Whether the session is to end; the text says why."""


Inbox = Callable[[str], Awaitable[Sequence[Note]]]
"""By a session's id: all that people said to it, in order."""


class Output(Value):
    """An answer that is kept whole as an artifact; through the session they are called output-1, output-2 and so on."""

    message: int | None
    """Its place among the entry's messages, or among the parts of its compaction; None: it is in neither any more."""
    digest: str


class Compaction(Value):
    """From here on the model is shown a shorter conversation; what was said before stays in the entries before."""

    parts: tuple[int | JsonObject, ...]
    """All of the shorter conversation: a number is the place of a message in the conversation before, which stays as it
    is; a message stands for what is not there any more."""
    head: int
    """So many of the parts open the conversation: system message, assignment, and notes if there are any."""
    by: Literal["stubs", "notes"]
    """Stubs: old answers and file contents became single lines. Notes: the model wrote down what it needs."""
    replaced: int
    """How many messages are not there as they were."""
    tokens_before: int
    tokens_after: int
    """Both estimated."""
    ceiling: int | None = None
    """What the session keeps below from here on, in estimated tokens, because the model refused more."""


class Entry(Value):
    """One step: messages that were recorded together, and the state they left."""

    messages: tuple[JsonObject, ...] = ()
    """In wire form, but for pictures: {"type": "image", "artifact": digest, "media_type", "width", "height"}."""
    outputs: tuple[Output, ...] = ()
    compaction: Compaction | None = None
    """Alone in its entry, but for what it cost."""
    snapshot: str | None = None
    """The commit that the workspace was saved as after these messages, no snapshot of a sandbox; None: unchanged."""
    cost_usd: float = 0.0
    calls: int = 0
    input_tokens: int = 0
    """What the endpoint counted of the conversation before these messages."""
    cut_off_tokens: int = 0
    """So many the model's answer had when it was cut off; 0: it is whole."""
    refused: bool = False
    """The model declined to answer; its message says why."""
    nudge: Nudge | None = None
    """Why the entry's message was said to the agent; alone in its entry."""
    role: ModelRole | None = None
    """The model that the session goes on with from here; None: the one before."""
    folder: str | None = None
    """Where the agent's shell stood after these messages; None: where it stood before."""
    result: SessionResult | None = None
    """Set in the last entry of a session that ended."""


class TranscriptLog(Protocol):
    """Where entries are kept; an entry is there whole or not at all."""

    async def append(self, session_id: str, entry: Entry) -> None:
        """Add an entry at the end; durable when this returns."""

    async def load(self, session_id: str) -> Sequence[Entry]:
        """All entries of the session in order; empty if it never began."""
