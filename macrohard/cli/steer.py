"""Commands by which a person steers runs: approve, say what is to be different, go another way."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from macrohard.cli import limits
from macrohard.cli.options import JsonOption, ModelOption, RunArgument, print_json

if TYPE_CHECKING:
    from macrohard.domain import RunSummary
    from macrohard.domain.feedback import Feedback

Text = Annotated[str, typer.Argument(help="In plain words.", metavar="TEXT")]


def approve(
    run: RunArgument,
    change: Annotated[
        str, typer.Option("--change", help="Do not approve; say what is to be different.", metavar="TEXT")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Approve what a run waits with, its plan or its release; `resume` goes on with it."""
    from macrohard.assembly import open_factory
    from macrohard.domain.approval import Ruling
    from macrohard.errors import Conflict
    from macrohard.settings import load_settings

    async def ruled() -> "RunSummary":
        settings = load_settings()
        async with open_factory(settings, sandbox=settings.sandbox) as factory:
            overview = await factory.overview(run)
            if overview.awaited is None:
                raise Conflict(f"run {overview.summary.id} is {overview.summary.status} and waits for no approval")
            ruling = Ruling(
                point=overview.awaited.point, approved=not change, by="you", at=datetime.now(UTC), comment=change
            )
            await factory.rule(overview.summary.id, ruling)
            return overview.summary

    _told(asyncio.run(ruled()), "ruled on; go on with: macrohard resume {id}", as_json=json)


def feedback(
    run: RunArgument,
    text: Text,
    about: Annotated[
        Literal["run", "iteration", "criterion", "line"], typer.Option(help="run, iteration, criterion or line.")
    ] = "run",
    place: Annotated[
        str, typer.Option("--at", help="The iteration, the criterion, or FILE:LINE.", metavar="PLACE")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Say what should be different; the run's next iteration sees to it, and `show` tells the answer."""
    from macrohard.assembly import open_factory
    from macrohard.domain.feedback import Remark
    from macrohard.errors import RequestError
    from macrohard.settings import load_settings

    file, _, line = place.rpartition(":")
    if about == "line" and not (file and line.isdigit()):
        raise RequestError("--about line needs --at FILE:LINE")
    if about == "iteration" and not place.isdigit():
        raise RequestError("--about iteration needs --at NUMBER")
    remark = Remark(
        text=text,
        about=about,
        iteration=int(place) if about == "iteration" else None,
        criterion=place if about == "criterion" else "",
        file=file if about == "line" else "",
        line=int(line) if about == "line" else 0,
    )

    async def given() -> "Feedback":
        settings = load_settings()
        async with open_factory(settings, sandbox=settings.sandbox) as factory:
            return await factory.store.remarks.add((await factory.overview(run)).summary.id, remark, by="you")

    kept = asyncio.run(given())
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
    json: JsonOption = False,
) -> None:
    """Go another way from an iteration on, as a run of its own; `resume` carries it out."""
    from macrohard.assembly import open_factory
    from macrohard.domain import Caps
    from macrohard.domain.feedback import Remark
    from macrohard.settings import load_settings

    async def forked() -> "RunSummary":
        settings = load_settings()
        async with open_factory(settings, sandbox=settings.sandbox) as factory:
            caps = None if budget is None else Caps(usd=budget)
            run_id = await factory.fork(run, iteration=iteration, model=model, caps=caps)
            if guidance.strip():
                remark = Remark(text=guidance, about="iteration", iteration=iteration)
                await factory.store.remarks.add(run_id, remark, by="you")
            return await factory.store.summary(run_id)

    _told(asyncio.run(forked()), "forked; carry it out with: macrohard resume {id}", as_json=json)


def _told(summary: "RunSummary", words: str, *, as_json: bool) -> None:
    if as_json:
        print_json(summary.model_dump(mode="json"))
    else:
        print(f"run {summary.id}: {words.format(id=summary.id)}")
