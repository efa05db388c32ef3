"""What this installation has and can do: agents, models, doctor."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request

from macrohard.agent import Persona, Skill
from macrohard.assembly import catalogue
from macrohard.domain import Diagnosis, JsonObject, Value
from macrohard.domain.project import ProjectName
from macrohard.errors import NotFound
from macrohard.llm.chat import ModelRole
from macrohard.llm.price import ModelPrice
from macrohard.llm.target import Effort
from macrohard.server.access import Administrating, Asking
from macrohard.server.api.projects import seen
from macrohard.server.people.oidc import RETURN
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


class Named(Value):
    """A simulated user, or a skill."""

    name: str
    description: str


class RoleModel(Value):
    """A model as it is asked for a role."""

    model: str
    endpoint: str
    price: ModelPrice
    context_tokens: int
    context_is_assumed: bool
    """Nobody says how much it reads at once."""
    effort: Effort | None
    known_by: Literal["assumed", "known", "probed"]
    """Whether what it understands was tried, stands in its documentation, or is what every server understands."""
    vision: bool


class Role(Value):
    """What calls are made for, and who is asked; the next one while those before are not well."""

    role: ModelRole
    models: tuple[RoleModel, ...]


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


@router.get("/personas")
async def personas(service: Serving, principal: Asking) -> tuple[Named, ...]:
    """Every simulated user that products can be given to."""
    return _named(catalogue(service.settings).personas.values())


@router.get("/skills")
async def skills(service: Serving, principal: Asking) -> tuple[Named, ...]:
    """Every text that agents can read up on."""
    return _named(catalogue(service.settings).skills.values())


def _named(found: Iterable[Persona | Skill]) -> tuple[Named, ...]:
    return tuple(
        Named(name=each.name, description=each.description) for each in sorted(found, key=lambda each: each.name)
    )


@router.get("/models")
async def models(service: Serving, principal: Asking) -> tuple[Role, ...]:
    """For each role the models that are asked, the first one first; keys are not among it."""
    targets = await service.factory.installation.targets(service.settings.model)
    return tuple(
        Role(
            role=role,
            models=tuple(
                RoleModel(
                    model=each.model,
                    endpoint=each.endpoint.name,
                    price=each.price,
                    context_tokens=each.context_tokens,
                    context_is_assumed=each.context_is_assumed,
                    effort=each.effort,
                    known_by=each.capabilities.source,
                    vision=each.capabilities.vision,
                )
                for each in given
            ),
        )
        for role, given in targets.items()
    )


@router.get("/usage")
async def usage(
    service: Serving,
    principal: Asking,
    since: Annotated[date | None, Query(description="The first day, in UTC.")] = None,
    until: Annotated[date | None, Query(description="The last day, in UTC.")] = None,
    project: Annotated[ProjectName | None, Query(description="Of its runs only.")] = None,
) -> tuple[UsageOfDay, ...]:
    """Runs, calls, tokens and dollars by day and model, the latest day first; of deleted runs too."""
    within = await seen(service, principal, project)
    return await service.factory.store.usage.by_day(since=since, until=until, within=within)


@router.get("/doctor")
async def doctor(request: Request, service: Serving, principal: Administrating) -> tuple[Diagnosis, ...]:
    """What works on this machine, and what to do about what does not."""
    rows = await service.factory.installation.diagnose()
    if service.provider is None:
        return rows
    return (*rows, await service.provider.diagnose(f"{str(request.base_url).rstrip('/')}{RETURN}"))
