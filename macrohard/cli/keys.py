"""Keys of endpoints: into the system's keyring and out of it, and where each one comes from; never what they are."""

import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from macrohard.domain import Value
from macrohard.errors import RequestError
from macrohard.llm.models.known import BUILTIN, KNOWN_ENDPOINTS
from macrohard.settings import Settings, find_key, forget, keep, variable_of


class KeyState(Value):
    """Whether an endpoint has a key."""

    endpoint: str
    source: str | None
    """None: there is none."""
    variable: str
    """The environment variable that is looked at first."""


def set_key(settings: Settings, endpoint: str) -> None:
    """Keep a key in the system's keyring; it is read from a hidden prompt, or from standard input.

    Raises:
        RequestError: there is no such endpoint or keyring, or what was read is no key.
    """
    import typer

    _checked(settings, endpoint)
    if sys.stdin.isatty():
        try:
            secret = str(typer.prompt(f"key of {endpoint} (not shown)", hide_input=True, err=True))
        except typer.Abort:
            raise RequestError("no key was given; nothing is changed") from None
    else:
        secret = sys.stdin.readline()
    secret = secret.strip()
    if not secret or any(letter.isspace() or not letter.isprintable() for letter in secret):
        raise RequestError("that is no key: it is empty, or has spaces or control characters in it")
    print(f"the key of {endpoint} is kept in the keyring {keep(endpoint, secret)}")
    found = find_key(endpoint, _variable(settings, endpoint))
    if found and not found.source.startswith("keyring"):
        print(f"it is not used as long as there is the {found.source}", file=sys.stderr)


def remove_key(settings: Settings, endpoint: str) -> None:
    """Take a key out of the system's keyring.

    Raises:
        RequestError: there is no such endpoint, key or keyring.
    """
    _checked(settings, endpoint)
    print(f"the key of {endpoint} is no longer in the keyring {forget(endpoint)}")


def key_states(settings: Settings) -> tuple[KeyState, ...]:
    """Every endpoint that is known or configured."""
    names = [*KNOWN_ENDPOINTS, *(name for name in settings.endpoints if name not in KNOWN_ENDPOINTS)]
    states = []
    for name in names:
        variable = _variable(settings, name)
        found = find_key(name, variable)
        states.append(KeyState(endpoint=name, source=found.source if found else None, variable=variable))
    if settings.api_key is not None:
        owner = settings.base_url or f"the endpoint of {settings.model}"
        source = "environment variable MACROHARD_API_KEY, or the file that MACROHARD_API_KEY_FILE names"
        states.insert(0, KeyState(endpoint=owner, source=source, variable="MACROHARD_API_KEY"))
    return tuple(states)


def print_keys(states: Sequence[KeyState], console: Console) -> None:
    """Names and sources."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Endpoint", no_wrap=True)
    table.add_column("Key", overflow="fold")
    for state in states:
        known = KNOWN_ENDPOINTS.get(state.endpoint)
        missing = f"none: set {state.variable}, or `macrohard keys set {state.endpoint}`"
        table.add_row(state.endpoint, state.source or ("needs none" if known and known.local else missing))
    console.print(table, soft_wrap=False)


def _variable(settings: Settings, endpoint: str) -> str:
    table = settings.endpoints.get(endpoint)
    return (table and table.key) or variable_of(endpoint)


def _checked(settings: Settings, endpoint: str) -> None:
    known = {*KNOWN_ENDPOINTS, *settings.endpoints}
    if endpoint == BUILTIN:
        raise RequestError("the built-in model needs no key")
    if endpoint not in known:
        raise RequestError(f"there is no endpoint {endpoint!r}; there are {', '.join(sorted(known))}")
