"""Agents at work: who did what, and every word of it."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field

from macrohard.domain import JsonObject, SessionSummary, Value
from macrohard.errors import Conflict, NotFound, RequestError
from macrohard.server.access import Asking, Operating
from macrohard.server.service import Service, Serving

router = APIRouter(prefix="/runs/{run}/sessions", tags=["sessions"])

MAX_PAGE = 500

SessionName = Annotated[
    str, Path(description="The session's id without that of its run.", examples=["1/implement/app"], max_length=400)
]


class TranscriptEntry(Value):
    """One step of a session."""

    number: int
    at: datetime
    entry: JsonObject
    """Messages as the model had them, what they cost, what the workspace was saved as, and how the session ended."""


class Transcript(Value):
    """Some steps of a session, in order."""

    entries: tuple[TranscriptEntry, ...]
    after: int | None
    """Give this as `after` for the next page; null: there is none so far."""


class Message(Value):
    """What a person says to an agent at work."""

    text: str = Field(default="", max_length=10_000, examples=["The date is day first"])
    stop: bool = False
    """Whether it is to end; what it did by then is kept and checked like anybody's work."""


@router.get("")
async def list_sessions(run: str, service: Serving, principal: Asking) -> tuple[SessionSummary, ...]:
    """Every session with its sums, as they began."""
    return (await service.factory.overview(run)).sessions


@router.get("/{session:path}/transcript")
async def transcript(
    run: str,
    session: SessionName,
    service: Serving,
    principal: Asking,
    after: Annotated[int, Query(ge=-1, le=2**53)] = -1,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> Transcript:
    """What was said in a session, tool calls and their answers included."""
    found = await session_of(service, run, session)
    rows = await service.factory.store.transcripts.page(found.id, after=after, limit=limit + 1)
    entries = tuple(TranscriptEntry(number=number, at=at, entry=body) for number, at, body in rows[:limit])
    return Transcript(entries=entries, after=entries[-1].number if len(rows) > limit else None)


@router.post("/{session:path}/messages", status_code=202)
async def write_to_session(
    run: str, session: SessionName, message: Message, service: Serving, principal: Operating
) -> SessionSummary:
    """Say something to an agent at work, or have it end; it hears it before the next call of its model."""
    found = await session_of(service, run, session)
    if found.outcome is not None:
        raise Conflict(f"the session is over: {found.outcome}")
    if not message.stop and not message.text.strip():
        raise RequestError("text: say something, or stop the session")
    await service.factory.store.transcripts.write_to(found.id, by=principal.name, text=message.text, stop=message.stop)
    return found


@router.get("/{session:path}")
async def show_session(run: str, session: SessionName, service: Serving, principal: Asking) -> SessionSummary:
    """One session."""
    return await session_of(service, run, session)


async def session_of(service: Service, run: str, session: str) -> SessionSummary:
    """The session of a run.

    Raises:
        NotFound: there is no such run, or it has no such session.
    """
    overview = await service.factory.overview(run)
    wanted = f"{overview.summary.id}/{session}"
    for each in overview.sessions:
        if each.id == wanted:
            return each
    raise NotFound(f"run {overview.summary.id} has no session {session!r}")
