"""`macrohard improve`: go on with what an earlier run delivered."""

from pathlib import Path
from typing import Annotated

import typer

from macrohard.cli import limits
from macrohard.cli.options import (
    JsonOption,
    RequireTierOption,
    RunArgument,
    SandboxOption,
    WaitOption,
    person_is_there,
    required,
)


def improve(
    run: RunArgument,
    text: Annotated[
        str | None,
        typer.Argument(help="What to change or add, in plain words; - reads it from standard input.", metavar="TEXT"),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Read the change from a text file.", metavar="FILE")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="builtin, builtin:careless, MODEL or MODEL@ENDPOINT.", metavar="NAME"),
    ] = None,
    budget: limits.Budget = None,
    max_tokens: limits.MaxTokens = None,
    max_calls: limits.MaxCalls = None,
    max_time: limits.MaxTime = None,
    max_sessions: limits.MaxSessions = None,
    max_fan_out: limits.MaxFanOut = None,
    max_depth: limits.MaxDepth = None,
    iterations: Annotated[
        int | None, typer.Option(help="How often at most it is built, verified and used.", min=1, max=50, metavar="N")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; take the defaults and say so.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Where to put the product: a new or empty folder.", metavar="DIR")
    ] = None,
    sandbox: SandboxOption = None,
    require_tier: RequireTierOption = None,
    wait: WaitOption = None,
    record: Annotated[
        bool,
        typer.Option(
            " /--no-record",
            help="Keep nothing of what is said to models; the run cannot be replayed.",
            show_default=False,
        ),
    ] = True,
    json: JsonOption = False,
) -> None:
    """Change or extend what a run delivered, as a new run.

    What was agreed before keeps its numbers and is checked again; what the change takes the place of is said. The
    earlier run and its product stay as they are.
    """
    from macrohard.cli import drive, intake
    from macrohard.cli.choice import chosen_model
    from macrohard.settings import load_settings

    change = intake.requirement(text, file)
    settings = load_settings(
        budget_usd=budget, max_tokens=max_tokens, max_calls=max_calls, max_time=max_time, max_sessions=max_sessions,
        max_fan_out=max_fan_out, max_depth=max_depth, iterations=iterations, sandbox=sandbox, auto_resume=wait,
        record=None if record else False, sandboxes=required(require_tier),
    )  # fmt: skip
    wish = drive.Wish(
        out=out and out.absolute(), ask=not yes, prompt=not yes and person_is_there(), json=json,
        wait=settings.auto_resume,
    )  # fmt: skip
    code = drive.improve(
        settings,
        run,
        change,
        wish,
        model=chosen_model(settings, model, ask=wish.prompt),
        caps=settings.caps,
        iterations=settings.iterations,
    )
    raise typer.Exit(code)
