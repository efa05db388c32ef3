"""What happens in a run: as a stream that can be taken up again, or page by page."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from macrohard.domain import JsonObject, Value
from macrohard.server.access import Asking
from macrohard.server.service import Serving

router = APIRouter(prefix="/runs", tags=["events"])

STREAM = "text/event-stream"
LONGEST_WAIT_SECONDS = 60.0
LATEST = 2**53
"""A number that no event has."""


class ToldEvent(Value):
    """Something that happened in a run."""

    number: int
    """Its place in the run, from 1."""
    at: datetime
    event: JsonObject
    """Its `type` says what else it has."""


class EventPage(Value):
    """Some events of a run, in order."""

    events: tuple[ToldEvent, ...]
    after: int
    """Give this as `after` for those that follow."""


class _WhereStreamed(APIRoute):
    """Answers those who say that they take a stream; others are answered by the route behind it."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = super().matches(scope)
        if match is Match.NONE or STREAM in Headers(scope=scope).get("accept", ""):
            return match, found
        return Match.NONE, {}


async def _known(run: str, service: Serving, principal: Asking) -> str:
    """The run's whole id; asked for before a stream begins, which could not say any more that there is none."""
    return (await service.factory.store.summary(run)).id


async def _types(
    wanted: Annotated[
        tuple[str, ...],
        Query(
            alias="type",
            max_length=50,
            description="Only events of this type, such as `iteration-ended`; may be repeated.",
        ),
    ] = (),
) -> tuple[str, ...]:
    return tuple(each.replace("-", " ") for each in wanted)


Run = Annotated[str, Depends(_known, scope="function")]
Types = Annotated[tuple[str, ...], Depends(_types)]
After = Annotated[int, Query(ge=0, le=LATEST, description="The number of the last event that is known.")]


async def stream(
    run_id: Run,
    service: Serving,
    types: Types,
    after: After = 0,
    last_event_id: Annotated[int | None, Header(ge=0, le=LATEST)] = None,
) -> Response:
    """The events of before and those to come; the id is the event's number."""
    known = after if last_event_id is None else last_event_id
    told = service.feed.stream(run_id, after=known, types=types)
    return EventSourceResponse(told, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})


router.add_api_route(
    "/{run}/events",
    stream,
    route_class_override=_WhereStreamed,
    include_in_schema=False,
)

_STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            STREAM: {
                "schema": {"type": "string"},
                "example": 'event: run-started\ndata: {"at": "…", "type": "run started", …}\nid: 1\n\n',
            }
        }
    }
}


@router.get("/{run}/events", responses=_STREAMED)
async def events(
    run_id: Run,
    service: Serving,
    types: Types,
    after: After = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    wait: Annotated[
        float, Query(ge=0, le=LONGEST_WAIT_SECONDS, description="So many seconds for one, where there is none yet.")
    ] = 0,
) -> EventPage:
    """The run's events behind `after`, and the first to come.

    With `Accept: text/event-stream` a stream that goes on; the id is the event's number, to be sent as `Last-Event-ID`
    when the connection broke.
    """
    found = await service.feed.batch(run_id, after=after, types=types, limit=limit, wait_seconds=wait)
    told = tuple(ToldEvent(number=each.number, at=each.at, event=each.event.model_dump(mode="json")) for each in found)
    return EventPage(events=told, after=told[-1].number if told else after)
