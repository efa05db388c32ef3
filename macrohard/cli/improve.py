"""`macrohard improve`: go on with what an earlier run delivered."""

from typing import Annotated

import typer

from macrohard.cli import limits
from macrohard.cli.options import (
    FileOption,
    IterationsOption,
    JsonOption,
    ModelOption,
    OutOption,
    RecordOption,
    RequireTierOption,
    RunArgument,
    SandboxOption,
    WaitOption,
    YesOption,
)


def improve(
    run: RunArgument,
    text: Annotated[
        str | None,
        typer.Argument(help="What to change or add, in plain words; - reads it from standard input.", metavar="TEXT"),
    ] = None,
    file: FileOption = None,
    model: ModelOption = None,
    budget: limits.Budget = None,
    max_tokens: limits.MaxTokens = None,
    max_calls: limits.MaxCalls = None,
    max_time: limits.MaxTime = None,
    max_sessions: limits.MaxSessions = None,
    max_fan_out: limits.MaxFanOut = None,
    max_depth: limits.MaxDepth = None,
    iterations: IterationsOption = None,
    yes: YesOption = False,
    out: OutOption = None,
    sandbox: SandboxOption = None,
    require_tier: RequireTierOption = None,
    wait: WaitOption = None,
    record: RecordOption = True,
    json: JsonOption = False,
) -> None:
    """Change or extend what a run delivered, as a new run.

    What was agreed before keeps its numbers and is checked again; what the change takes the place of is said. The
    earlier run and its product stay as they are.
    """
    from macrohard.cli import drive, intake
    from macrohard.cli.choice import chosen_model

    change = intake.requirement(text, file)
    settings, wish = drive.asked(
        out=out, yes=yes, json=json, record=record, require_tier=require_tier,
        budget_usd=budget, max_tokens=max_tokens, max_calls=max_calls, max_time=max_time, max_sessions=max_sessions,
        max_fan_out=max_fan_out, max_depth=max_depth, iterations=iterations, sandbox=sandbox, auto_resume=wait,
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
