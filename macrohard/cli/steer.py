"""Commands by which a person steers runs: approve, say what is to be different, go another way, pause, cancel."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from macrohard.cli import limits
from macrohard.cli.options import JsonOption, ModelOption, RunArgument, ServerOption, TokenOption, print_json

if TYPE_CHECKING:
    from macrohard.assembly import Factory
    from macrohard.domain import RunOverview, RunSummary, Wish
    from macrohard.domain.approval import Awaited, Point
    from macrohard.domain.feedback import Feedback, Remark

Text = Annotated[str, typer.Argument(help="In plain words.", metavar="TEXT")]
T = TypeVar("T")


def approve(
    run: RunArgument,
    point: Annotated[
        Literal["plan", "release"] | None,
        typer.Option(help="Only if it waits with this, plan or release; else with whatever it is.", metavar="POINT"),
    ] = None,
    change: Annotated[
        str, typer.Option("--change", help="Do not approve; say what is to be different.", metavar="TEXT")
    ] = "",
    server: ServerOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Approve what a run waits with, its plan or its release; `resume` goes on with it, a service at once."""
    from macrohard.domain.approval import Ruling

    if server is not None:
        from macrohard.cli.remote import client

        with client(server, token) as service:
            overview = service.run(run)
            run_id, awaited = overview.summary.id, _awaited(overview, point)
            summary = (
                service.send_back(run_id, awaited.point, change, number=awaited.number)
                if change
                else service.approve(run_id, awaited.point, number=awaited.number)
            )
        return _told(summary, "ruled on; it goes on there: macrohard resume {id} follows it", as_json=json)

    async def ruled(factory: "Factory") -> "RunSummary":
        overview = await factory.overview(run)
        awaited = _awaited(overview, point)
        ruling = Ruling(point=awaited.point, approved=not change, by="you", at=datetime.now(UTC), comment=change)
        await factory.rule(overview.summary.id, ruling, seen=awaited.number)
        return overview.summary

    return _told(_here(ruled), "ruled on; go on with: macrohard resume {id}", as_json=json)


def feedback(
    run: RunArgument,
    text: Text,
    about: Annotated[
        Literal["run", "iteration", "criterion", "finding", "line"],
        typer.Option(help="run, iteration, criterion, finding or line."),
    ] = "run",
    place: Annotated[
        str, typer.Option("--at", help="The iteration, the criterion, the finding, or FILE:LINE.", metavar="PLACE")
    ] = "",
    server: ServerOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Say what should be different; the run's next iteration sees to it, and `show` tells the answer."""
    remark = _remark(text, about, place)
    if server is not None:
        from macrohard.cli.remote import client

        with client(server, token) as service:
            kept = service.feedback(run, remark)
    else:

        async def given(factory: "Factory") -> "Feedback":
            run_id = (await factory.store.summary(run)).id
            return await factory.store.remarks.add(run_id, remark, by="you")

        kept = _here(given)
    if json:
        print_json(kept.model_dump(mode="json"))
    else:
        print(f"{kept.id}: the next iteration sees to it")


def fork(
    run: RunArgument,
    iteration: Annotated[int, typer.Option(help="Go on from what stood at the end of this one.", min=1, metavar="N")],
    guidance: Annotated[
        str, typer.Option("--guidance", help="What is to be different from there on.", metavar="TEXT")
    ] = "",
    model: ModelOption = None,
    budget: limits.Budget = None,
    server: ServerOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Go another way from an iteration on, as a run of its own; `resume` carries it out, a service does at once."""
    from macrohard.domain import Caps
    from macrohard.domain.feedback import Remark

    caps = None if budget is None else Caps(usd=budget)
    if server is not None:
        from macrohard.cli.remote import client

        with client(server, token) as service:
            summary = service.fork(run, iteration=iteration, guidance=guidance, model=model, caps=caps)
        return _told(summary, "forked; it begins there: macrohard resume {id} follows it", as_json=json)

    async def forked(factory: "Factory") -> "RunSummary":
        run_id = await factory.fork(run, iteration=iteration, model=model, caps=caps)
        if guidance.strip():
            remark = Remark(text=guidance, about="iteration", iteration=iteration)
            await factory.store.remarks.add(run_id, remark, by="you")
        return await factory.store.summary(run_id)

    return _told(_here(forked), "forked; carry it out with: macrohard resume {id}", as_json=json)


def pause(run: RunArgument, server: ServerOption = None, token: TokenOption = None, json: JsonOption = False) -> None:
    """Have a service, or a worker, stop a run where it stands; nothing is lost, and `resume` goes on with it.

    What `build` carries out at a terminal is paused there, by Ctrl-C.
    """
    _wish(run, "pause", "is to pause; go on with: macrohard resume {id}", server=server, token=token, as_json=json)


def cancel(run: RunArgument, server: ServerOption = None, token: TokenOption = None, json: JsonOption = False) -> None:
    """Have a service, or a worker, end a run for good; what was made by then is kept."""
    _wish(run, "cancel", "is to end; what it made is kept", server=server, token=token, as_json=json)


def _wish(run: str, wish: "Wish", words: str, *, server: str | None, token: str | None, as_json: bool) -> None:
    if server is not None:
        from macrohard.cli.remote import client

        with client(server, token) as service:
            summary = service.pause(run) if wish == "pause" else service.cancel(run)
        return _told(summary, words, as_json=as_json)

    async def wished(factory: "Factory") -> "RunSummary":
        run_id = (await factory.store.summary(run)).id
        await factory.store.queue.wish(run_id, wish)
        return await factory.store.summary(run_id)

    return _told(_here(wished), words, as_json=as_json)


def _here(work: "Callable[[Factory], Awaitable[T]]") -> T:
    """What comes of it in the store of this machine's settings."""
    from macrohard.assembly import open_factory
    from macrohard.settings import load_settings

    async def done() -> T:
        settings = load_settings()
        async with open_factory(settings, sandbox=settings.sandbox) as factory:
            return await work(factory)

    return asyncio.run(done())


def _awaited(overview: "RunOverview", point: "Point | None") -> "Awaited":
    """What the run waits with.

    Raises:
        Conflict: with nothing, or with something else than this.
    """
    from macrohard.errors import Conflict

    run = overview.summary
    if overview.awaited is None:
        raise Conflict(f"run {run.id} is {run.status} and waits for no approval")
    if point is not None and overview.awaited.point != point:
        raise Conflict(f"run {run.id} waits for an approval of its {overview.awaited.point}, not of its {point}")
    return overview.awaited


def _remark(text: str, about: Literal["run", "iteration", "criterion", "finding", "line"], place: str) -> "Remark":
    from macrohard.domain.feedback import Remark
    from macrohard.errors import RequestError

    file, _, line = place.rpartition(":")
    if about == "line" and not (file and line.isdigit()):
        raise RequestError("--about line needs --at FILE:LINE")
    if about == "iteration" and not place.isdigit():
        raise RequestError("--about iteration needs --at NUMBER")
    if about in ("criterion", "finding") and not place:
        raise RequestError(f"--about {about} needs --at with its id; `macrohard show` lists them")
    return Remark(
        text=text,
        about=about,
        iteration=int(place) if about == "iteration" else None,
        criterion=place if about == "criterion" else "",
        finding=place if about == "finding" else "",
        file=file if about == "line" else "",
        line=int(line) if about == "line" else 0,
    )


def _told(summary: "RunSummary", words: str, *, as_json: bool) -> None:
    if as_json:
        print_json(summary.model_dump(mode="json"))
    else:
        print(f"run {summary.id}: {words.format(id=summary.id)}")
