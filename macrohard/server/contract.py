"""The description of REST for programs: what FastAPI knows, and what it does not."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from macrohard.server.problems import Problem

REFERENCE = "#/components/schemas/{model}"


def operation_id(route: APIRoute) -> str:
    """Such as `runs.submit`: what clients made from the description call it."""
    return f"{route.tags[0]}.{route.name}" if route.tags else route.name


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, made once."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        problem = Problem.model_json_schema(ref_template=REFERENCE)
        schemas = found["components"]["schemas"]
        schemas.update(problem.pop("$defs"))
        schemas["Problem"] = problem
        app.openapi_schema = found
    return app.openapi_schema
