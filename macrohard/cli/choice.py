"""Which model a new run uses where nobody said: a server on this machine is offered, and never used unasked."""

import asyncio
import sys

from macrohard.cli.terminal import one_line
from macrohard.settings import Settings, find_key, settings_file, variable_of


def chosen_model(settings: Settings, named: str | None, *, ask: bool) -> str:
    """The model that was named or configured; else one of a local server if the person agrees; else the built-in one.

    Local servers are asked what they have when nothing at all is configured. `ask`: whether a person is there.

    Raises:
        Interrupted: the person wants neither.
    """
    if named or settings.model_is_chosen:
        return named or settings.model
    if settings.base_url:
        _advise("base_url is set and no model is named: add --model NAME")
    elif find_key("openai", variable_of("openai")):
        _advise("there is a key of OpenAI and no model is named: add --model NAME@openai")
    elif settings.endpoints:
        _advise(f"endpoints are set and no model is named: add --model NAME@{next(iter(settings.endpoints))}")
    else:
        return _of_this_machine(ask=ask) or settings.model
    return settings.model


def _of_this_machine(*, ask: bool) -> str | None:
    # It brings the HTTP client, which commands that need no model do without.
    from macrohard.llm.models.discovery import local_servers

    for server in asyncio.run(local_servers()):
        model = one_line(server.first_choice.removesuffix(f"@{server.endpoint}"))
        where = f"{model} at {server.endpoint} ({server.base_url.removesuffix('/v1')})"
        if not ask:
            _advise(f"{where} answers: to use it, add --model {one_line(server.first_choice)}")
        elif _agreed(f"use {where}?"):
            _tell(f'to make this the rule, put model = "{one_line(server.first_choice)}" into {settings_file()}')
            return server.first_choice
    return None


def _agreed(question: str) -> bool:
    import typer

    from macrohard.cli.drive import Interrupted

    try:
        return typer.confirm(question, default=False, err=True)
    except typer.Abort:
        raise Interrupted from None


def _advise(text: str) -> None:
    _tell(f"{text}; going on with the built-in model")


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
