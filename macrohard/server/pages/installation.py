"""What this installation has: agents, models, and what works on this machine."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from macrohard.assembly import catalogue
from macrohard.errors import NotFound
from macrohard.llm import FREE
from macrohard.server.access import Administrating, Asking
from macrohard.server.api import installation as api
from macrohard.server.pages.diffs import colours
from macrohard.server.pages.rendering import page
from macrohard.server.service import Serving

router = APIRouter()


@router.get("/agents")
async def agents(request: Request, service: Serving, principal: Asking, q: str = "") -> Response:
    """The specialists, the simulated users and the skills; `q`: those whose name or description has these words."""
    found = catalogue(service.settings)
    words = q.casefold().split()

    def fits(*texts: str) -> bool:
        said = " ".join(texts).casefold()
        return all(word in said for word in words)

    return page(
        request, "agents.html.jinja", q=q,
        agents=[each for _, each in sorted(found.agents.items()) if fits(each.name, each.description)],
        personas=[each for _, each in sorted(found.personas.items()) if fits(each.name, each.description)],
        skills=[each for _, each in sorted(found.skills.items()) if fits(each.name, each.description)],
    )  # fmt: skip


@router.get("/agents/{name}")
async def agent(request: Request, name: str, service: Serving, principal: Asking) -> Response:
    """One specialist, simulated user or skill with all that it is told."""
    found = catalogue(service.settings)
    for kind, every in (("specialist", found.agents), ("simulated user", found.personas), ("skill", found.skills)):
        if name in every:
            return page(request, "agent.html.jinja", kind=kind, agent=every[name])
    raise NotFound(f"there is no agent {name!r}")


@router.get("/settings")
async def settings(request: Request, service: Serving, principal: Administrating) -> Response:
    """Models and what works on this machine."""
    targets = await service.factory.installation.targets(service.settings.model)
    return page(request, "settings.html.jinja", settings=service.settings, targets=targets, free=FREE)


@router.get("/settings/doctor")
async def doctor(request: Request, service: Serving, principal: Administrating) -> Response:
    """What works on this machine; a part of a page, for looking takes a while."""
    template = "doctor.html.jinja" if "hx-request" in request.headers else "doctor_page.html.jinja"
    return page(request, template, rows=await api.doctor(request, service, principal))


@router.get("/code.css")
async def code_colours() -> Response:
    """The colours of code."""
    return Response(colours(), media_type="text/css", headers={"Cache-Control": "max-age=86400"})
