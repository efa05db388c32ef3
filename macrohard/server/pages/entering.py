"""How a browser is let in."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from macrohard.server.access import COOKIE, COOKIE_SECONDS
from macrohard.server.pages.rendering import page
from macrohard.server.problems import problem_of
from macrohard.server.service import Serving

router = APIRouter()


@router.get("/enter")
async def enter(request: Request, link: str, service: Serving) -> Response:
    """Let in the browser that follows a link."""
    if service.access.team:
        return RedirectResponse("/login", status_code=303)
    cookie = await service.access.enter(link)
    if cookie is None:
        problem = problem_of(403, "this link was followed before, or is too old; `macrohard serve link` prints another")
        return page(request, "problem.html.jinja", status=403, problem=problem)
    response = RedirectResponse("/", status_code=303, headers={"Cache-Control": "no-store"})
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, cookie, max_age=COOKIE_SECONDS, httponly=True, samesite="lax", secure=secure)
    return response
