"""`macrohard serve`: the service with its dashboard, on this machine."""

import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from macrohard.cli.options import RequireTierOption, SandboxOption, required
from macrohard.errors import RequestError

if TYPE_CHECKING:
    from macrohard.settings import Settings
    from macrohard.store.people import People

app = typer.Typer(
    help="The service: REST for programs, a dashboard for people, and a worker that carries runs out.",
    invoke_without_command=True,
)

LOOPBACK = ("127.0.0.1", "localhost", "::1")
DRAIN_SECONDS = 3
"""For answers that are under way when the service is told to end; open streams end at once."""


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="The port to listen on.", min=1, max=65_535, metavar="PORT")] = 8700,
    workers: Annotated[
        int, typer.Option(help="Runs that are carried out at once here; 0: other processes do.", min=0, metavar="N")
    ] = 4,
    team: Annotated[bool, typer.Option("--team", help="For users who log in; see `macrohard users`.")] = False,
    host: Annotated[
        str, typer.Option(help="The address to listen on; beyond this machine with --team only.", metavar="ADDRESS")
    ] = LOOPBACK[0],
    host_name: Annotated[
        list[str] | None, typer.Option(help="A name by which the service is addressed; repeatable.", metavar="NAME")
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(help="An address whose X-Forwarded-For and -Proto are believed; repeatable.", metavar="ADDRESS"),
    ] = None,
    sandbox: SandboxOption = None,
    require_tier: RequireTierOption = None,
) -> None:
    """Serve REST and the dashboard on this machine, and carry submitted runs out, until Ctrl-C."""
    if context.invoked_subcommand is not None:
        return
    import asyncio

    from macrohard.settings import load_settings

    settings = load_settings(sandbox=sandbox, sandboxes=required(require_tier))
    if host not in LOOPBACK and not team:
        raise RequestError(f"--host {host} lets others in, so it takes --team, where users log in")
    place = Place(host=host, port=port, names=tuple(host_name or ()), proxies=tuple(proxy or ()))
    asyncio.run(_serve(settings, place, team=team, slots=workers))


@app.command()
def link(
    port: Annotated[int, typer.Option(help="The service's port.", min=1, max=65_535, metavar="PORT")] = 8700,
) -> None:
    """Print an address that lets one browser in, once, within ten minutes."""
    from macrohard.server.access import local_link
    from macrohard.settings import load_settings

    print(local_link(load_settings().home, f"http://127.0.0.1:{port}"))


@app.command()
def token() -> None:
    """Print the token with which programs on this machine may ask the service."""
    from macrohard.server.access import local_token
    from macrohard.settings import load_settings

    print(local_token(load_settings().home))


@dataclass(frozen=True)
class Place:
    """Where a service listens, and as what."""

    host: str
    port: int
    names: tuple[str, ...]
    proxies: tuple[str, ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names by which it may be addressed."""
        return (*LOOPBACK, self.host, *(name.lower() for name in self.names))

    @property
    def address(self) -> str:
        """For people on this machine."""
        host = self.names[0] if self.names else LOOPBACK[0] if self.host in ("0.0.0.0", "::") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def addresses(self) -> tuple[str, ...]:
        """For everybody: the names that were given, by https where a proxy speaks it; else that of this machine."""
        if not self.names:
            return (self.address,)
        return tuple(f"https://{name}" if self.proxies else f"http://{name}:{self.port}" for name in self.names)


async def _serve(settings: "Settings", place: Place, *, team: bool, slots: int) -> None:
    import uvicorn

    from macrohard.assembly import Worker, open_factory
    from macrohard.server import create_app
    from macrohard.server.access import LocalAccess, local_link
    from macrohard.server.people.access import TeamAccess
    from macrohard.server.serving import Server

    _log_to_stderr()
    async with open_factory(settings, sandbox=settings.sandbox) as factory:
        worker = Worker(factory, slots=slots) if slots else None
        access = TeamAccess(factory.store.people) if team else LocalAccess(settings.home)
        application = create_app(factory, settings, access=access, hosts=place.hosts, worker=worker)
        config = uvicorn.Config(
            application,
            host=place.host,
            port=place.port,
            # Else whoever sends the header decides from where they come, and whether that is https.
            proxy_headers=bool(place.proxies),
            forwarded_allow_ips=list(place.proxies),
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
        if team:
            print(f"open {place.address}/login", flush=True)
            for line in await _warnings(factory.store.people, settings, place):
                print(line, file=sys.stderr)
        else:
            if settings.oidc is not None:
                print("[oidc] is for --team; nobody logs in by it here", file=sys.stderr)
            print(f"open {local_link(settings.home, place.address)}", flush=True)
            print(
                "(good once, for ten minutes; `macrohard serve link` prints another). Ctrl-C ends it.", file=sys.stderr
            )
        for number in (signal.SIGINT, signal.SIGTERM):
            # uvicorn ends by them, and sends itself the signal again when all is done; that was all it asked for.
            signal.signal(number, lambda *_: None)
        await Server(application, config).serve()


async def _warnings(people: "People", settings: "Settings", place: Place) -> tuple[str, ...]:
    """What a team should know before anybody relies on the service."""
    from macrohard.server.people.oidc import RETURN

    said = []
    if settings.oidc is not None:
        addresses = " or ".join(f"{address}{RETURN}" for address in place.addresses)
        said.append(
            f"people log in by {settings.oidc.called}, which sends them back to {addresses}: register that there"
        )
    elif not await people.all():
        said.append("nobody can log in yet: macrohard users add NAME --role admin")
    if place.host not in LOOPBACK and not place.proxies:
        said.append(
            "passwords cross the network as they are: put a proxy that speaks https before it, and name --proxy"
        )
    return tuple(said)


def worker(
    runs: Annotated[int, typer.Option(help="Runs that are carried out at once.", min=1, metavar="N")] = 4,
    sandbox: SandboxOption = None,
    require_tier: RequireTierOption = None,
) -> None:
    """Carry out the runs that were submitted to a service, beside it or on another machine, until Ctrl-C.

    Any number of workers can share one PostgreSQL database; what was at work when one ends goes on in another.
    """
    from macrohard.cli.drive import Interrupted, until_interrupted
    from macrohard.settings import load_settings

    settings = load_settings(sandbox=sandbox, sandboxes=required(require_tier))
    try:
        until_interrupted(_work(settings, slots=runs))
    except Interrupted:
        print("ended; what was at work goes on with the next worker", file=sys.stderr)


async def _work(settings: "Settings", *, slots: int) -> None:
    from macrohard.assembly import Worker, open_factory

    _log_to_stderr()
    async with open_factory(settings, sandbox=settings.sandbox) as factory:
        print("waiting for runs; Ctrl-C ends it", file=sys.stderr, flush=True)
        await Worker(factory, slots=slots).work()


def _log_to_stderr() -> None:
    import logging

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("macrohard").setLevel(logging.INFO)
