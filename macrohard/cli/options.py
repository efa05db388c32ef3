"""Options and arguments that several commands share, and how a command prints JSON."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

SandboxOption = Annotated[
    Literal["auto", "docker", "bubblewrap"] | None,
    typer.Option(help="What isolates products from this machine: auto, docker, bubblewrap.", metavar="KIND"),
]
RequireTierOption = Annotated[
    Literal["microvm", "gvisor", "runc+userns", "runc", "bubblewrap"] | None,
    typer.Option(
        help="Run nothing in weaker sandboxes: microvm, gvisor, runc+userns, runc, bubblewrap; see doctor.",
        metavar="TIER",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
FileOption = Annotated[
    Path | None, typer.Option("--file", "-f", help="Read what is asked for from a text file.", metavar="FILE")
]
ModelOption = Annotated[
    str | None, typer.Option(help="builtin, builtin:careless, MODEL or MODEL@ENDPOINT.", metavar="NAME")
]
IterationsOption = Annotated[
    int | None, typer.Option(help="How often at most it is built, verified and used.", min=1, max=50, metavar="N")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; take the defaults and say so.")]
_FOLDER = typer.Option(help="Where to put the product: a new or empty folder.", metavar="DIR")
OutOption = Annotated[Path | None, _FOLDER]
RequiredOutOption = Annotated[Path, _FOLDER]
RecordOption = Annotated[
    bool,
    typer.Option(
        " /--no-record",
        help="Keep nothing of what is said to models; the run cannot be replayed.",
        show_default=False,
    ),
]
EndpointArgument = Annotated[str, typer.Argument(help="The endpoint's name, e.g. xai.", metavar="ENDPOINT")]
ServerOption = Annotated[
    str | None,
    typer.Option(
        envvar="MACROHARD_SERVER",
        help="Ask the service at this address instead of working here; its token is MACROHARD_TOKEN.",
        metavar="URL",
    ),
]
ProjectOption = Annotated[str | None, typer.Option(help="The project that runs belong to.", metavar="PROJECT")]
TokenOption = Annotated[str | None, typer.Option(envvar="MACROHARD_TOKEN", hidden=True)]
RunArgument = Annotated[str, typer.Argument(help="A run's id, or its beginning.", metavar="RUN")]
IterationOption = Annotated[
    int | None,
    typer.Option(help="What stood at the end of that iteration, kept or not; `show` lists them.", min=1, metavar="N"),
]
WaitOption = Annotated[
    bool | None,
    typer.Option(
        "--wait/--no-wait",
        help="When its model has no room, sleep until it may have, and go on; or pause. The setting auto_resume.",
        show_default=False,
    ),
]


def print_json(value: object) -> None:
    """Nothing else goes to standard output then."""
    from macrohard.domain.printable import printable_json

    print(printable_json(value), flush=True)


def person_is_there() -> bool:
    """Whether somebody at a terminal can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def required(tier: str | None) -> dict[str, str] | None:
    """The table of settings that the option stands for; what else the table says is added from the other sources."""
    return None if tier is None else {"required": tier}
