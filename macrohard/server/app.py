"""The service as one ASGI application."""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path

from fastapi import Depends, FastAPI
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from macrohard import __version__
from macrohard.assembly import Factory, Worker
from macrohard.server import api, cloning, pages, problems, watching
from macrohard.server.access import Access
from macrohard.server.contract import describe, operation_id
from macrohard.server.courier import Courier
from macrohard.server.feed import Feed
from macrohard.server.gate import Gate
from macrohard.server.people import api as people_api
from macrohard.server.people import arriving
from macrohard.server.people import pages as people_pages
from macrohard.server.people.oidc import provider_of
from macrohard.server.people.recording import Recorder
from macrohard.server.people.throttle import Throttle
from macrohard.server.previews import Previews
from macrohard.server.service import Service
from macrohard.server.vital import Vital
from macrohard.settings import Settings

STATIC = Path(__file__).parent / "static"


def create_app(
    factory: Factory, settings: Settings, *, access: Access, hosts: Collection[str], worker: Worker | None
) -> FastAPI:
    """The service, ready to be served; while it is, `worker` carries runs out.

    `hosts` are the names by which it may be addressed.

    Raises:
        RequestError: a team's provider is set, and what it takes is missing.
    """
    service = Service(
        factory=factory,
        settings=settings,
        access=access,
        feed=Feed(factory.store),
        previews=Previews(factory),
        vital=Vital(),
        worker=worker,
        throttle=Throttle() if access.team else None,
        recorder=Recorder(factory.store.audit) if access.team else None,
        provider=provider_of(settings) if access.team else None,
    )

    @asynccontextmanager
    async def living(app: FastAPI) -> AsyncIterator[None]:
        async with (
            service.vital.work("what wakes streams", service.feed.look()),
            service.previews,
            Courier(factory.store, inside=settings.webhooks_inside),
            nullcontext() if worker is None else service.vital.work("the worker", worker.work()),
        ):
            yield
            service.feed.close()

    app = _Guarded(
        title="Macrohard",
        version=__version__,
        summary="A software factory: requirements in, verified products out.",
        lifespan=living,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        generate_unique_id_function=operation_id,
    )
    app.state.service = service
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # how FastAPI wants it
    app.include_router(api.router, prefix="/api/v1")
    app.include_router(watching.router)
    app.include_router(cloning.router, include_in_schema=False)
    app.include_router(
        people_api.router, prefix="/api/v1", responses=problems.RESPONSES, dependencies=[Depends(api.TOKEN)]
    )
    app.include_router(people_pages.router, include_in_schema=False)
    app.include_router(arriving.router, include_in_schema=False)
    app.include_router(pages.router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    problems.install(app, page=pages.problem_page)
    app.gate = partial(Gate, access=access, hosts=hosts, throttle=service.throttle, recorder=service.recorder)
    return app


class _Guarded(FastAPI):
    """An application whose every answer passes the gate, also that to a request which ended in a mistake of ours."""

    gate: Callable[[ASGIApp], ASGIApp]

    def build_middleware_stack(self) -> ASGIApp:
        return self.gate(super().build_middleware_stack())
