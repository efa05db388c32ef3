"""Options and arguments that several commands share, and how a command prints JSON."""

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
EndpointArgument = Annotated[str, typer.Argument(help="The endpoint's name, e.g. xai.", metavar="ENDPOINT")]
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
