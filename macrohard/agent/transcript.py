"""What was said in a session, append-only: the only memory a session has."""

from collections.abc import Sequence
from typing import Protocol

from macrohard.domain import JsonObject, SessionResult, Value


class Entry(Value):
    """One step: messages that were recorded together, and the state they left."""

    messages: tuple[JsonObject, ...] = ()
    """In wire form."""
    snapshot: str | None = None
    """The commit that holds the workspace after these messages; None: unchanged."""
    cost_usd: float = 0.0
    calls: int = 0
    result: SessionResult | None = None
    """Set in the last entry of a session that ended."""


class TranscriptLog(Protocol):
    """Where entries are kept; an entry is there whole or not at all."""

    async def append(self, session_id: str, entry: Entry) -> None:
        """Add an entry at the end; durable when this returns."""

    async def load(self, session_id: str) -> Sequence[Entry]:
        """All entries of the session in order; empty if it never began."""
