"""`macrohard runs`: the list of runs, here or of a service."""

from typing import TYPE_CHECKING, Annotated

import typer

from macrohard.cli.options import JsonOption, ProjectOption, ServerOption, TokenOption, print_json

if TYPE_CHECKING:
    from macrohard.settings import Settings


def runs(
    limit: Annotated[
        int, typer.Option(help="How many at most, the latest first.", min=1, max=10_000, metavar="N")
    ] = 20,
    project: ProjectOption = None,
    server: ServerOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """List the runs."""
    import asyncio

    from macrohard.assembly import open_factory
    from macrohard.cli.drive import output
    from macrohard.cli.result import print_runs
    from macrohard.domain import RunSummary
    from macrohard.settings import load_settings

    async def listed(settings: "Settings") -> tuple[RunSummary, ...]:
        async with open_factory(settings, sandbox=settings.sandbox) as factory:
            return await factory.runs(limit, project=project)

    if server is not None:
        from macrohard.cli.remote import client

        with client(server, token) as service:
            found = tuple(service.runs(limit=limit, project=project))
    else:
        found = asyncio.run(listed(load_settings()))
    if json:
        print_json([run.model_dump(mode="json") for run in found])
        return
    print_runs(found, output())
