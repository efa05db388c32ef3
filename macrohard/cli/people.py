"""`macrohard users` and `macrohard audit`: a team's people and what they did, on the machine that has the database."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from macrohard.cli.options import JsonOption, print_json

if TYPE_CHECKING:
    from macrohard.store import Store

users = typer.Typer(help="Users of a team's service, and what they may do.", no_args_is_help=True)
audit = typer.Typer(help="What users did: a log that can only grow.", no_args_is_help=True)

RoleChoice = Literal["viewer", "reviewer", "operator", "admin"]
"""`macrohard.domain.people.RoleName`, which takes long to import."""
NameArgument = Annotated[str, typer.Argument(help="Small letters, digits and . _ @ -", metavar="NAME")]
RoleOption = Annotated[RoleChoice, typer.Option("--role", help="What they may do.")]

T = TypeVar("T")


@users.command()
def add(name: NameArgument, role: RoleOption) -> None:
    """Add a user; the password is read from a hidden prompt, or from standard input."""
    from pydantic import TypeAdapter, ValidationError

    from macrohard.domain.people import UserName
    from macrohard.errors import RequestError
    from macrohard.server.people.passwords import hashed

    try:
        name = TypeAdapter(UserName).validate_python(name.lower())
    except ValidationError as error:
        raise RequestError(f"{name!r} is no name: small letters, digits and . _ @ - (64 at most)") from error
    password = _password(name)

    async def added(store: "Store") -> None:
        await store.people.add(name, role=role, password_hash=await hashed(password))
        await noted(store, "users add", user=name, role=role)

    with_store(added)
    print(f"{name} is {role}")


@users.command(name="list")
def show(json: JsonOption = False) -> None:
    """List all users."""
    from macrohard.cli.terminal import printable

    found = with_store(lambda store: store.people.all())
    if json:
        print_json([user.model_dump(mode="json") for user in found])
        return
    for user in found:
        notes = [] if user.active else ["deactivated"]
        if user.issuer:
            notes.append(f"known by {printable(user.issuer)}")
        print(f"{user.name:<32} {user.role:<9} {', '.join(notes)}".rstrip())


@users.command()
def role(name: NameArgument, role: Annotated[RoleChoice, typer.Argument(help="What they may do.")]) -> None:
    """Give a user another role; their browsers must log in again."""

    async def changed(store: "Store") -> None:
        await store.people.change(name, role=role)
        await noted(store, "users role", user=name, role=role)

    with_store(changed)
    print(f"{name} is {role}")


@users.command()
def password(name: NameArgument) -> None:
    """Give a user another password; their browsers must log in again."""
    from macrohard.server.people.passwords import hashed

    word = _password(name)

    async def changed(store: "Store") -> None:
        await store.people.change(name, password_hash=await hashed(word))
        await noted(store, "users password", user=name)

    with_store(changed)
    print(f"{name} has another password")


@users.command()
def deactivate(name: NameArgument) -> None:
    """Let a user in no more, by whatever way they come; what they made stays theirs."""
    _activity(name, active=False)
    print(f"{name} is not let in any more")


@users.command()
def activate(name: NameArgument) -> None:
    """Let a user in again who was deactivated."""
    _activity(name, active=True)
    print(f"{name} is let in")


@users.command()
def remove(name: NameArgument) -> None:
    """Remove a user with all that lets them in."""

    async def removed(store: "Store") -> None:
        await store.people.remove(name)
        await noted(store, "users remove", user=name)

    with_store(removed)
    print(f"{name} is no user any more")


def _activity(name: str, *, active: bool) -> None:
    async def changed(store: "Store") -> None:
        await store.people.change(name, active=active)
        await noted(store, "users activate" if active else "users deactivate", user=name)

    with_store(changed)


@audit.command()
def verify(json: JsonOption = False) -> None:
    """Compute the log's hashes anew; exit code 1 if an entry was altered or removed."""
    verdict = with_store(lambda store: store.audit.verify())
    if json:
        print_json(verdict.model_dump(mode="json"))
    elif verdict.problem:
        print(f"{verdict.problem}; {verdict.entries} before are as they were written")
    else:
        print(f"{verdict.entries} entries are as they were written; the last one's hash is {verdict.hash or 'none'}")
    if verdict.problem:
        raise typer.Exit(1)


def _password(name: str) -> str:
    from pydantic import TypeAdapter, ValidationError

    from macrohard.domain.people import Password
    from macrohard.errors import RequestError

    if sys.stdin.isatty():
        try:
            word = str(typer.prompt(f"password of {name}", hide_input=True, confirmation_prompt=True, err=True))
        except typer.Abort:
            raise RequestError("no password was given; nothing is changed") from None
    else:
        word = sys.stdin.readline().rstrip("\r\n")
    try:
        return TypeAdapter(Password).validate_python(word)
    except ValidationError:
        # Not with the error itself: the password is in it.
        raise RequestError("a password has 12 letters at least, and 1000 at most") from None


async def noted(store: "Store", action: str, **facts: str | int | None) -> None:
    """Write down what was done on the machine."""
    import getpass

    await store.audit.add(action, who=getpass.getuser(), through="console", address="", facts=facts)


def with_store(work: "Callable[[Store], Awaitable[T]]") -> T:
    """What comes of work with the store of the settings."""
    from macrohard.settings import load_settings
    from macrohard.store import Store

    async def done() -> T:
        settings = load_settings()
        async with await Store.open(settings.database_url or None, home=settings.home) as store:
            return await work(store)

    return asyncio.run(done())
