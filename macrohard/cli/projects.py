"""`macrohard projects`: what runs belong to, who sees it, and how much it may take, on the machine that has them."""

from typing import TYPE_CHECKING, Annotated

import typer

from macrohard.cli.options import JsonOption, print_json
from macrohard.cli.people import RoleOption, noted, with_store

if TYPE_CHECKING:
    from macrohard.domain.project import Project, ProjectUsage, Quotas
    from macrohard.store import Store

projects = typer.Typer(help="Projects: what runs belong to, and how much they may take.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="Small letters, digits and . _ -", metavar="PROJECT")]
UserArgument = Annotated[str, typer.Argument(metavar="USER")]
GIGABYTE = 10**9


@projects.command(name="list")
def show(json: JsonOption = False) -> None:
    """List all projects with what they take."""

    async def listed(store: "Store") -> "list[tuple[Project, ProjectUsage]]":
        return [(each, await store.projects.usage(each.name)) for each in await store.projects.all()]

    found = with_store(listed)
    if json:
        print_json([{**each.model_dump(mode="json"), "usage": usage.model_dump(mode="json")} for each, usage in found])
        return
    for each, usage in found:
        quotas, taken = each.quotas, usage.spent_usd + usage.reserved_usd
        dollars = f"${taken:,.2f}{_of(quotas.usd_per_month, '$')} this month"
        at_work = f"{usage.runs_at_work}{_of(quotas.runs_at_work)} at work"
        print(f"{each.name:<24} {dollars}, {at_work}, {usage.runs_today}{_of(quotas.runs_per_day)} today")


@projects.command()
def add(name: NameArgument) -> None:
    """Make a project."""
    from pydantic import TypeAdapter, ValidationError

    from macrohard.domain.project import ProjectName, Quotas
    from macrohard.errors import RequestError

    try:
        TypeAdapter(ProjectName).validate_python(name)
    except ValidationError as error:
        raise RequestError(f"{name!r} is no name: small letters, digits and . _ - (64 at most)") from error

    async def added(store: "Store") -> None:
        await store.projects.add(name, Quotas())
        await noted(store, "projects add", project=name)

    with_store(added)
    print(f"project {name} is there; let it take no more than you want with: macrohard projects quota {name}")


@projects.command()
def quota(
    name: NameArgument,
    usd_per_month: Annotated[
        float | None, typer.Option(help="In one calendar month of UTC; 0: no limit.", min=0, metavar="USD")
    ] = None,
    runs_at_work: Annotated[int | None, typer.Option(help="At once; 0: no limit.", min=0, metavar="N")] = None,
    runs_per_day: Annotated[
        int | None, typer.Option(help="Submitted on one day of UTC; 0: no limit.", min=0, metavar="N")
    ] = None,
    artifact_gigabytes: Annotated[
        float | None, typer.Option(help="Of screenshots, logs and films; 0: no limit.", min=0, metavar="GB")
    ] = None,
) -> None:
    """Say what the runs of a project may take together; what is left out stays as it is."""
    from pydantic import ValidationError

    from macrohard.domain.project import Quotas
    from macrohard.errors import RequestError

    size = None if artifact_gigabytes is None else round(artifact_gigabytes * GIGABYTE)
    given = {
        "usd_per_month": usd_per_month, "runs_at_work": runs_at_work, "runs_per_day": runs_per_day,
        "artifact_bytes": size,
    }  # fmt: skip
    changed = {key: amount or None for key, amount in given.items() if amount is not None}

    async def limited(store: "Store") -> "Quotas":
        before = (await store.projects.one(name)).quotas
        try:
            wanted = Quotas.model_validate({**before.model_dump(), **changed})
        except ValidationError as error:
            raise RequestError("; ".join(f"{each['loc'][0]}: {each['msg']}" for each in error.errors())) from error
        await store.projects.limit(name, wanted)
        said = {key: None if amount is None else f"{amount:g}" for key, amount in changed.items()}
        await noted(store, "projects quota", project=name, **said)
        return wanted

    quotas = with_store(limited)
    for key, amount in quotas.model_dump().items():
        print(f"{key:<16} {'no limit' if amount is None else f'{amount:,}'}")


@projects.command()
def member(name: NameArgument, user: UserArgument, role: RoleOption) -> None:
    """Let a user see a project, and do there what the role may."""

    async def put(store: "Store") -> None:
        await store.projects.put_member(name, user, role=role)
        await noted(store, "projects member", project=name, user=user, role=role)

    with_store(put)
    print(f"{user} is {role} in {name}")


@projects.command()
def drop(name: NameArgument, user: UserArgument) -> None:
    """Have a user see nothing of a project any more."""

    async def dropped(store: "Store") -> None:
        await store.projects.drop_member(name, user)
        await noted(store, "projects drop", project=name, user=user)

    with_store(dropped)
    print(f"{user} is no member of {name} any more")


@projects.command()
def remove(name: NameArgument) -> None:
    """Remove a project without runs."""

    async def removed(store: "Store") -> None:
        await store.projects.remove(name)
        await noted(store, "projects remove", project=name)

    with_store(removed)
    print(f"project {name} is there no more")


def _of(allowed: float | None, unit: str = "") -> str:
    return "" if allowed is None else f" of {unit}{allowed:,g}"
