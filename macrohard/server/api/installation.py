"""What this installation has and can do: agents, models, doctor."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query

from macrohard.assembly import catalogue
from macrohard.domain import Diagnosis, JsonObject, Value
from macrohard.errors import NotFound
from macrohard.server.access import Administrating, Asking
from macrohard.server.service import Serving
from macrohard.store.usage import UsageOfDay

router = APIRouter(tags=["installation"])


class AgentLine(Value):
    """A specialist."""

    name: str
    description: str
    model: str
    """The role whose model it works with."""
    tools: tuple[str, ...]
    hash: str


@router.get("/agents")
async def agents(service: Serving, principal: Asking) -> tuple[AgentLine, ...]:
    """Every specialist that runs can have at work."""
    found = catalogue(service.settings)
    return tuple(
        AgentLine(
            name=agent.name, description=agent.description, model=agent.model, tools=tuple(agent.tools), hash=agent.hash
        )
        for _, agent in sorted(found.agents.items())
    )


@router.get("/agents/{name}")
async def agent(name: str, service: Serving, principal: Asking) -> JsonObject:
    """One specialist with all that it is told."""
    found = catalogue(service.settings).agents.get(name)
    if found is None:
        raise NotFound(f"there is no agent {name!r}; GET /api/v1/agents lists them")
    return found.model_dump(mode="json")


@router.get("/usage")
async def usage(
    service: Serving,
    principal: Asking,
    since: Annotated[date | None, Query(description="The first day, in UTC.")] = None,
    until: Annotated[date | None, Query(description="The last day, in UTC.")] = None,
) -> tuple[UsageOfDay, ...]:
    """Runs, calls, tokens and dollars by day and model, the latest day first; of deleted runs too."""
    return await service.factory.store.usage.by_day(since=since, until=until)


@router.get("/doctor")
async def doctor(service: Serving, principal: Administrating) -> tuple[Diagnosis, ...]:
    """What works on this machine, and what to do about what does not."""
    return await service.factory.installation.diagnose()
