"""Carrying a run out in front of a person: display, questions, Ctrl-C, and what is said in the end."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console

from macrohard.cli.gates import Gates, ruling_on
from macrohard.cli.options import person_is_there, print_json, required
from macrohard.cli.parking import wait_until
from macrohard.cli.result import as_json, print_result
from macrohard.cli.terminal import printable
from macrohard.domain import EXIT_CODES, Caps, Question, RunOverview, RunStatus
from macrohard.domain.project import DEFAULT
from macrohard.errors import LimitExceeded, MacrohardError, RequestError, StoreUnavailable
from macrohard.settings import Settings, load_settings

if TYPE_CHECKING:
    from macrohard.assembly import Factory
    from macrohard.cli.display import Display
    from macrohard.domain.approval import Ruling
    from macrohard.events import Event
    from macrohard.workspace import Existing

LOOK_SECONDS = 1.0
"""Between two looks at where the budget stands."""

OPEN = Gates()
"""A run that waits for nobody's yes."""

T = TypeVar("T")


class Interrupted(Exception):
    """The person, or the system, asked the command to stop, and it cleaned up; the text says how to go on."""


@dataclass(frozen=True)
class Wish:
    """What a command that carries a run out was told."""

    out: Path | None
    ask: bool
    """Whether the run waits for answers, or takes defaults."""
    prompt: bool
    """Whether there is a person here and now who can be asked for them."""
    json: bool
    wait: bool
    """Whether to sleep until a parked run can go on, and go on."""


def asked(
    *, out: Path | None, yes: bool, json: bool, record: bool, require_tier: str | None, **flags: object
) -> tuple[Settings, Wish]:
    """What the options of a command that carries a run out say, together with the other sources of settings.

    Flags have the names of settings; those that are None were not given.

    Raises:
        RequestError: something cannot be understood.
    """
    settings = load_settings(record=None if record else False, sandboxes=required(require_tier), **flags)
    wish = Wish(
        out=out and out.absolute(),
        ask=not yes,
        prompt=not yes and person_is_there(),
        json=json,
        wait=settings.auto_resume,
    )
    return settings, wish


def until_interrupted(work: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine; SIGINT and SIGTERM cancel it, so that it cleans up, and a second one kills.

    Raises:
        Interrupted: it was cancelled by a signal.
    """

    async def guarded() -> T:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        received: list[signal.Signals] = []

        def stop(number: signal.Signals) -> None:
            received.append(number)
            loop.remove_signal_handler(number)
            task.cancel()

        # A shell that started us in the background has set SIGINT to be ignored, and that is kept.
        heeded = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
        for number in heeded:
            loop.add_signal_handler(number, stop, number)
        try:
            return await work
        except asyncio.CancelledError as error:
            if received:
                raise Interrupted(*getattr(error, "__notes__", ())) from None
            raise
        finally:
            for number in heeded:
                loop.remove_signal_handler(number)

    return asyncio.run(guarded())


def build(
    settings: Settings,
    requirement: str,
    wish: Wish,
    *,
    model: str,
    caps: Caps,
    iterations: int,
    existing: "Existing | None" = None,
    gates: Gates = OPEN,
    project: str | None = None,
) -> int:
    """Make a run of the requirement and carry it out; the exit code.

    Raises:
        RequestError: it cannot be begun like this; no run was made.
    """
    _refuse_what_cannot_begin(settings, wish, model)

    async def submit(factory: "Factory") -> str:
        return await factory.submit(
            requirement, model=model, caps=caps, iterations=iterations, ask=wish.ask, existing=existing,
            approvals=gates.approvals, answer_seconds=gates.answer_seconds, budget_seconds=gates.budget_seconds,
            project=project or DEFAULT,
        )  # fmt: skip

    return _conduct(settings, submit, wish, answered=frozenset())


def improve(
    settings: Settings,
    run: str,
    change: str,
    wish: Wish,
    *,
    model: str,
    caps: Caps,
    iterations: int,
    gates: Gates = OPEN,
) -> int:
    """Make a run that changes the product of another one and carry it out; the exit code.

    Raises:
        RequestError: that run has nothing to go on with, or it cannot be begun like this; no run was made.
    """
    _refuse_what_cannot_begin(settings, wish, model)

    async def submit(factory: "Factory") -> str:
        return await factory.submit(
            change, model=model, caps=caps, iterations=iterations, ask=wish.ask, existing=await factory.delivered(run),
            approvals=gates.approvals, answer_seconds=gates.answer_seconds, budget_seconds=gates.budget_seconds,
            project=(await factory.overview(run)).summary.project,
        )  # fmt: skip

    return _conduct(settings, submit, wish, answered=frozenset())


def _refuse_what_cannot_begin(settings: Settings, wish: Wish, model: str) -> None:
    settings.targets(model)  # A model without a key or a price is the person's to mend before a run exists.
    check_free(wish.out)


def check_free(out: Path | None) -> None:
    """Make sure that a product can be put there without anything being overwritten.

    Raises:
        RequestError: it exists and is not an empty folder.
    """
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RequestError(f"--out {str(out)!r} exists and is not an empty folder; name another one")


def build_solo(settings: Settings, measure: str, wish: Wish, *, model: str, caps: Caps) -> int:
    """Have one agent make what that run was asked for, graded by its scenarios; the exit code.

    Raises:
        RequestError: that run cannot be a measure; no run was made.
    """
    settings.targets(model)

    async def submit(factory: "Factory") -> str:
        return await factory.submit_solo(measure, model=model, caps=caps)

    return _conduct(settings, submit, wish, answered=frozenset())


def resume(
    settings: Settings,
    run: str,
    wish: Wish,
    *,
    requirement: str | None,
    add: Caps,
    answers: Mapping[str, str],
) -> int:
    """Take a run up again where it stands; the exit code.

    Raises:
        RequestError: there is no such run, it asks no such question, or `requirement` is given and not the run's own.
    """

    async def take_up(factory: "Factory") -> str:
        overview = await factory.overview(run)
        run_id = overview.summary.id
        if requirement is not None and requirement.strip() != overview.summary.requirement.strip():
            raise RequestError(
                f"run {run_id} is of another requirement; leave the text out to go on with it, "
                "or leave --run out to begin anew"
            )
        if answers:
            asked = overview.specification.questions if overview.specification else ()
            if unknown := set(answers) - {question.id for question in asked}:
                known = ", ".join(question.id for question in asked) or "none"
                raise RequestError(f"run {run_id} asks no {', '.join(sorted(unknown))}; its questions: {known}")
            await factory.answer(run_id, answers)
        if add != Caps():
            await factory.raise_caps(run_id, add)
        return run_id

    return _conduct(settings, take_up, wish, answered=frozenset(answers))


def resume_due(settings: Settings, wish: Wish) -> int:
    """Go on with every parked run whose hour has come, one after the other; the first exit code that is not 0.

    A run that another process has taken up meanwhile is left to it, and one that parks again is not waited for.
    """
    wish = replace(wish, wait=False)

    async def due() -> tuple[str, ...]:
        from macrohard.assembly import open_factory

        async with open_factory(settings, sandbox=settings.sandbox) as factory:
            return await factory.due()

    runs = until_interrupted(due())
    if not runs:
        print("no parked run's hour has come", file=sys.stderr)
    codes = []
    for run in runs:
        try:
            codes.append(resume(settings, run, wish, requirement=None, add=Caps(), answers={}))
        except RequestError as error:
            print(f"run {run}: {printable(str(error))}", file=sys.stderr)
            codes.append(EXIT_CODES["failed"])
    return next((code for code in codes if code != 0), 0)


def _conduct(
    settings: Settings, prepare: Callable[["Factory"], Awaitable[str]], wish: Wish, *, answered: frozenset[str]
) -> int:
    while True:
        overview = until_interrupted(_carry_out(settings, prepare, wish))
        run_id, wake_at, answers = overview.summary.id, overview.summary.wake_at, dict[str, str]()
        ruling: Ruling | None = None
        # Asked outside the event loop, so that Ctrl-C at the prompt is an ordinary one.
        if wish.prompt and (questions := _open_questions(overview, answered)):
            answered |= {question.id for question in questions}
            answers = asked_for(run_id, questions)
        elif wish.prompt and overview.awaited is not None and (ruling := asked_to_rule(overview)) is not None:
            pass
        elif wish.wait and wake_at is not None:
            try:
                until_interrupted(wait_until(wake_at, run_id))
            except Interrupted:
                if wish.json:
                    tell(overview, as_object=True)
                raise
        else:
            tell(overview, as_object=wish.json)
            return exit_code(overview.summary.status)

        async def prepare(
            factory: "Factory",
            run_id: str = run_id,
            answers: Mapping[str, str] = answers,
            ruling: "Ruling | None" = ruling,
        ) -> str:
            if answers:
                await factory.answer(run_id, answers)
            if ruling is not None:
                await factory.rule(run_id, ruling, seen=ruling.number)
            return run_id


def exit_code(status: RunStatus) -> int:
    """What the command exits with."""
    match status:
        case "waiting" | "running":
            return 1  # Carried out, and still not at an end: ours.
        case _:
            return EXIT_CODES[status]


async def _carry_out(settings: Settings, prepare: Callable[["Factory"], Awaitable[str]], wish: Wish) -> RunOverview:
    from macrohard.assembly import open_factory
    from macrohard.cli.display import display

    async with open_factory(settings, sandbox=settings.sandbox) as factory:
        run_id = await prepare(factory)
        print(f"run {run_id}", file=sys.stderr, flush=True)
        if (forecast := (await factory.spending(run_id))[1]) is not None:
            print(f"forecast: {forecast.words}", file=sys.stderr, flush=True)
        known = await factory.overview(run_id)
        try:
            with display(run_id, title=known.summary.title if known.specification else "") as shown:
                async with _spending_shown(factory, run_id, shown) as observe:
                    return await factory.carry_out(run_id, out=wish.out, observe=observe, ask=wish.ask)
        except (Exception, asyncio.CancelledError) as error:
            error.add_note(f"go on with: macrohard resume {run_id}")
            if wish.json:
                paused = isinstance(error, LimitExceeded | asyncio.CancelledError)
                await _tell_in_spite(factory, run_id, "paused" if paused else "failed")
            raise


@asynccontextmanager
async def _spending_shown(
    factory: "Factory", run_id: str, shown: "Display"
) -> AsyncIterator[Callable[["Event"], None]]:
    """Tell the display where the budget stands: from the start on, again and again, and at once when it was spent from.

    What it gives tells the display what happens.
    """
    spent = asyncio.Event()

    def observe(event: "Event") -> None:
        shown.observe(event)
        if event.type in ("model called", "phase ended"):
            spent.set()

    async def look() -> None:
        budget, forecast = await factory.spending(run_id)
        shown.spending(budget, forecast)

    async def follow() -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(spent.wait(), LOOK_SECONDS)
            spent.clear()
            with suppress(StoreUnavailable):  # Whoever works for the run meets that as well, and says it.
                await look()

    await look()
    following = asyncio.create_task(follow())
    try:
        yield observe
    finally:
        following.cancel()
        await asyncio.wait([following])
        with suppress(StoreUnavailable):
            await look()


async def _tell_in_spite(factory: "Factory", run_id: str, status: RunStatus) -> None:
    """Print the object that was promised, unless that too cannot be had."""
    with suppress(MacrohardError):
        overview = await factory.overview(run_id)
        summary = overview.summary.model_copy(update={"status": status})
        tell(overview.model_copy(update={"summary": summary}), as_object=True)


def _open_questions(overview: RunOverview, answered: frozenset[str]) -> tuple[Question, ...]:
    return tuple(question for question in overview.open_questions if question.id not in answered)


def asked_for(run_id: str, questions: tuple[Question, ...]) -> dict[str, str]:
    """What the person at the terminal says to questions."""
    import typer

    typer.echo("Before it goes on (Enter takes what stands in brackets):", err=True)
    try:
        return {
            question.id: typer.prompt(
                f"{question.id}  {printable(question.text)}", default=printable(question.default), err=True
            )
            for question in questions
        }
    except typer.Abort:
        raise Interrupted(f"go on with: macrohard resume {run_id}") from None


def asked_to_rule(overview: RunOverview) -> "Ruling | None":
    """What the person at the terminal says to what the run waits with; None: it is to go on waiting."""
    import typer

    try:
        return ruling_on(overview)
    except typer.Abort:
        raise Interrupted(f"go on with: macrohard approve {overview.summary.id}") from None


def tell(overview: RunOverview, *, as_object: bool) -> None:
    """Print the result on standard output."""
    if as_object:
        print_json(as_json(overview))
        return
    print_result(overview, output())


def output() -> Console:
    """Standard output, with nothing from outside taken as markup and no line broken where a program may read it."""
    width = None if sys.stdout.isatty() else 160
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True, width=width)
