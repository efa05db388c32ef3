"""What happens in a run, as a stream that can be taken up again."""

from collections.abc import AsyncIterable
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from macrohard.server.access import Asking
from macrohard.server.service import Serving

router = APIRouter(prefix="/runs", tags=["events"])


@router.get("/{run}/events", response_class=EventSourceResponse)
async def events(
    run: str,
    service: Serving,
    principal: Asking,
    after: Annotated[int, Query(ge=0, description="The number of the last event that is known.")] = 0,
    last_event_id: Annotated[int | None, Header(ge=0)] = None,
) -> AsyncIterable[ServerSentEvent]:
    """The run's events, those of before and those to come, as server-sent events; the id is the event's number."""
    run_id = (await service.factory.store.summary(run)).id
    async for recorded in service.feed.events(run_id, after=after if last_event_id is None else last_event_id):
        yield ServerSentEvent(
            id=str(recorded.number),
            event=recorded.event.type.replace(" ", "-"),
            data={"at": recorded.at.isoformat(), **recorded.event.model_dump(mode="json")},
        )
