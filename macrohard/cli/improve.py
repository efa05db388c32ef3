"""`macrohard improve`: go on with what an earlier run delivered."""

from typing import Annotated

import typer

from macrohard.cli import gates as waiting
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
    ServerOption,
    TokenOption,
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
    approve: waiting.Approve = None,
    answer_within: waiting.AnswerWithin = None,
    budget_within: waiting.BudgetWithin = None,
    yes: YesOption = False,
    out: OutOption = None,
    sandbox: SandboxOption = None,
    require_tier: RequireTierOption = None,
    wait: WaitOption = None,
    record: RecordOption = True,
    server: ServerOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Change or extend what a run delivered, as a new run.

    What was agreed before keeps its numbers and is checked again; what the change takes the place of is said. The
    earlier run and its product stay as they are.
    """
    from macrohard.cli import drive, intake
    from macrohard.cli.choice import chosen_model
    from macrohard.domain import Caps

    gates = waiting.gates(approve, answer_within, budget_within)
    change = intake.requirement(text, file)
    settings, wish = drive.asked(
        out=out, yes=yes, json=json, record=record, require_tier=require_tier,
        budget_usd=budget, max_tokens=max_tokens, max_calls=max_calls, max_time=max_time, max_sessions=max_sessions,
        max_fan_out=max_fan_out, max_depth=max_depth, iterations=iterations, sandbox=sandbox, auto_resume=wait,
    )  # fmt: skip
    if server is not None:
        from macrohard.cli import remote

        remote.check_heeded(
            {"--sandbox": sandbox is not None, "--require-tier": require_tier is not None, "--no-record": not record}
        )
        given_caps = limits.added(
            usd=budget, tokens=max_tokens, calls=max_calls, time=max_time, sessions=max_sessions,
            fan_out=max_fan_out, depth=max_depth,
        )  # fmt: skip
        with remote.client(server, token) as service:
            code = remote.build(
                service,
                change,
                wish,
                model=model,
                caps=None if given_caps == Caps() else given_caps,
                iterations=iterations,
                gates=gates,
                improves=run,
            )
        raise typer.Exit(code)
    code = drive.improve(
        settings,
        run,
        change,
        wish,
        model=chosen_model(settings, model, ask=wish.prompt),
        caps=settings.caps,
        iterations=settings.iterations,
        gates=gates,
    )
    raise typer.Exit(code)
