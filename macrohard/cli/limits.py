"""The options that limit a run and raise its limits: one family, said once."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from macrohard.domain import Caps

Budget = Annotated[
    float | None, typer.Option("--budget", help="US dollars this run may spend on models.", min=0.01, metavar="USD")
]
MaxTokens = Annotated[
    int | None,
    typer.Option("--max-tokens", help="Tokens it may use, input and output of all calls.", min=1, metavar="N"),
]
MaxCalls = Annotated[int | None, typer.Option("--max-calls", help="Calls of models it may make.", min=1, metavar="N")]
MaxTime = Annotated[
    str | None, typer.Option("--max-time", help="Time it may be at work, pauses left out, e.g. 2h.", metavar="TIME")
]
MaxSessions = Annotated[
    int | None, typer.Option("--max-sessions", help="Assignments of agents, in all.", min=1, metavar="N")
]
MaxFanOut = Annotated[
    int | None,
    typer.Option("--max-fan-out", help="Assignments of one phase in one iteration.", min=1, metavar="N"),
]
MaxDepth = Annotated[
    int | None,
    typer.Option("--max-depth", help="How far agents may pass work on; 1: not at all.", min=1, metavar="N"),
]

AddBudget = Annotated[
    float | None, typer.Option("--add-budget", help="US dollars to add to its budget.", min=0.01, metavar="USD")
]
AddTokens = Annotated[
    int | None, typer.Option("--add-tokens", help="Tokens to add to what it may use.", min=1, metavar="N")
]
AddCalls = Annotated[
    int | None, typer.Option("--add-calls", help="Calls of models to add to what it may make.", min=1, metavar="N")
]
AddTime = Annotated[
    str | None, typer.Option("--add-time", help="Time to add to what it may be at work, e.g. 30m.", metavar="TIME")
]
AddSessions = Annotated[
    int | None, typer.Option("--add-sessions", help="Assignments to add to what it may give.", min=1, metavar="N")
]
AddFanOut = Annotated[
    int | None, typer.Option("--add-fan-out", help="Assignments to add to those of one phase.", min=1, metavar="N")
]
AddDepth = Annotated[
    int | None, typer.Option("--add-depth", help="Levels to add to how far work is passed on.", min=1, metavar="N")
]


def added(
    *,
    usd: float | None,
    tokens: int | None,
    calls: int | None,
    time: str | None,
    sessions: int | None,
    fan_out: int | None,
    depth: int | None,
) -> "Caps":
    """What the options of `macrohard resume` add.

    Raises:
        RequestError: the time is not understood.
    """
    from macrohard.domain import Caps
    from macrohard.errors import RequestError
    from macrohard.settings.spans import seconds_of

    try:
        seconds = None if time is None else seconds_of(time)
    except ValueError as error:
        raise RequestError(f"--add-time: {error}") from error
    return Caps(usd=usd, tokens=tokens, calls=calls, seconds=seconds, sessions=sessions, fan_out=fan_out, depth=depth)
