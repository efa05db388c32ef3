"""Errors as `application/problem+json` (RFC 9457) for machines, as a page for people, in a line for git."""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response

from macrohard.domain import JsonObject, Value
from macrohard.errors import (
    Conflict,
    LimitExceeded,
    MacrohardError,
    NotFound,
    QuotaExceeded,
    RequestError,
    Unavailable,
    UnderWay,
)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
"""When something that did not answer is worth asking again."""

log = logging.getLogger("macrohard.server")


class FieldProblem(Value):
    """What is wrong with one field of a request."""

    field: str
    """Such as `body.caps.usd`."""
    problem: str


class Problem(Value):
    """What went wrong, in the fields of RFC 9457."""

    type: str = "about:blank"
    title: str
    """The status in words."""
    status: int
    detail: str
    """What is wrong with this request, and what to do about it."""
    errors: tuple[FieldProblem, ...] = ()


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, description in {
        400: "The request is not understood.",
        401: "Nobody said who asks.",
        403: "Who asks may not do that.",
        404: "There is no such thing.",
        409: "It does not go with how things stand; `detail` says how they do.",
        413: "The request is too large.",
        422: "Something in the request is wrong; `detail` and `errors` say what.",
        429: "Too many requests, or submissions today; `Retry-After` says when to ask again.",
        503: "Something the service needs does not answer.",
    }.items()
}
"""What any operation may answer besides what it is for."""

Page = Callable[[Request, Problem], Awaitable[Response]]


def status_of(error: MacrohardError) -> int:
    """The HTTP status of an error that was raised on purpose."""
    match error:
        case QuotaExceeded() if error.retry_seconds is not None:
            return 429
        case NotFound():
            return 404
        case Conflict() | LimitExceeded():
            return 409
        case RequestError():
            return 422
        case Unavailable():
            return 503
        case _:
            return 500


def install(app: FastAPI, *, page: Page) -> None:
    """Answer every error as a problem; `page` shows one to people."""

    async def answer(request: Request, problem: Problem, headers: dict[str, str] | None = None) -> Response:
        if wants_page(request):
            response = await page(request, problem)
            response.headers.update(headers or {})
            return response
        if request.url.path.startswith("/git/"):
            # What git shows to who types the command; of JSON it would say the status only.
            return PlainTextResponse(problem.detail, status_code=problem.status, headers=headers)
        return as_json(problem, headers)

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, MacrohardError)
        status = status_of(error)
        again = status == 503 or isinstance(error, UnderWay)
        seconds = error.retry_seconds if isinstance(error, QuotaExceeded) else RETRY_SECONDS if again else None
        headers = None if seconds is None else {"Retry-After": str(seconds)}
        return await answer(request, problem_of(status, str(error)), headers)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        fields = tuple(FieldProblem(field=_path(each["loc"]), problem=str(each["msg"])) for each in error.errors())
        detail = "; ".join(f"{each.field}: {each.problem}" for each in fields)
        return await answer(request, problem_of(422, detail, errors=fields))

    async def raised(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers) if error.headers else None
        return await answer(request, problem_of(error.status_code, str(error.detail)), headers)

    async def bug(request: Request, error: Exception) -> Response:
        log.error("%s %s", request.method, request.url.path, exc_info=error)
        return await answer(request, problem_of(500, "a mistake of ours; the service's log says more"))

    app.add_exception_handler(MacrohardError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, raised)
    app.add_exception_handler(Exception, bug)


def problem_of(status: int, detail: str, *, errors: tuple[FieldProblem, ...] = ()) -> Problem:
    """A problem of this status."""
    return Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=errors)


def as_json(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """The problem for a machine."""
    body: JsonObject = problem.model_dump(mode="json")
    return JSONResponse(body, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def wants_page(request: Request) -> bool:
    """Whether a person's browser asks."""
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)
