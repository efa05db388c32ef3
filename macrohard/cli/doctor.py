"""The command `macrohard doctor`."""

from typing import Annotated, Literal

import typer

from macrohard.cli.options import JsonOption, RequireTierOption, SandboxOption, ServerOption, TokenOption, required


def doctor(
    sandbox: SandboxOption = None,
    require_tier: RequireTierOption = None,
    probe: Annotated[
        bool | None,
        typer.Option(
            "--probe/--no-probe",
            help="Ask every model again what it understands, or none; else those that were never asked.",
            show_default=False,
        ),
    ] = None,
    server: ServerOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Check this machine (or a service's), the settings and the models, and say what to do about what is missing."""
    from macrohard.cli.checkup import check_up, check_up_there
    from macrohard.settings import load_settings

    if server is not None:
        from macrohard.cli import remote

        remote.check_heeded(
            {"--sandbox": sandbox is not None, "--require-tier": require_tier is not None, "--probe": probe is True}
        )
        with remote.client(server, token) as service:
            raise typer.Exit(check_up_there(service, as_json=json))
    which: Literal["new", "all", "none"] = "new" if probe is None else "all" if probe else "none"
    settings = load_settings(sandbox=sandbox, sandboxes=required(require_tier))
    raise typer.Exit(check_up(settings, which, as_json=json))
