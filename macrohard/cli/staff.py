"""`macrohard agents`: the specialists, the simulated users and the skills, and one of them tried on an assignment."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from macrohard.cli.options import JsonOption, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from macrohard.agent import AgentDefinition, Catalogue, Persona, Skill
    from macrohard.assembly import Trial
    from macrohard.events import Event

app = typer.Typer(help="The specialists that do the work.", no_args_is_help=True)

UNFINISHED = 3
EXIT_CODES = """\
Exit codes: 0 it handed in its report · 1 a failure of ours · 2 usage or input · 3 it ended without a report ·
5 the budget is used up."""
RepoOption = Annotated[
    Path | None,
    typer.Option(
        "--repo",
        help="Read its .macrohard/agents as well, as a run on that repository does.",
        metavar="PATH",
        exists=True,
        file_okay=False,
    ),
]


@app.command(name="list")
def list_agents(repo: RepoOption = None, json: JsonOption = False) -> None:
    """List the agents, the simulated users and the skills."""
    from macrohard.cli.drive import output

    found = _catalogue(repo)
    if json:
        # Prompts and skills are half a megabyte in all; `show` gives those of one.
        skills = {"__all__": {"body": True, "files": True}}
        listed = found.model_dump(
            mode="json", exclude={"skills": skills, "agents": {"__all__": {"prompt": True, "skills": skills}}}
        )
        print_json(listed)
        return
    print_catalogue(found, output())


@app.command(name="show")
def show_agent(
    name: Annotated[str, typer.Argument(help="Of an agent, a simulated user or a skill.", metavar="NAME")],
    repo: RepoOption = None,
    json: JsonOption = False,
) -> None:
    """Show one agent, simulated user or skill: settings, where it comes from, and all that it is told."""
    from macrohard.cli.drive import output

    found = _named(_catalogue(repo), name)
    if json:
        print_json(found.model_dump(mode="json"))
        return
    print_one(found, output())


@app.command(name="check")
def check_agents(repo: RepoOption = None) -> None:
    """Check every file of agents, simulated users and skills to the letter."""
    found = _catalogue(repo)
    print(f"{len(found.agents)} agents, {len(found.personas)} personas and {len(found.skills)} skills are understood")


@app.command(name="try", epilog=EXIT_CODES)
def try_one(
    name: Annotated[str, typer.Argument(help="The agent.", metavar="NAME")],
    assignment: Annotated[str, typer.Argument(help="What it is to do.", metavar="ASSIGNMENT")],
    folder: Annotated[
        Path | None,
        typer.Option(help="What its sandbox holds at first; it is only read. Else it is empty.", metavar="DIR"),
    ] = None,
    material: Annotated[
        Path | None,
        typer.Option(
            help='A JSON file with what it is given beside the assignment, e.g. {"specification": …, "design": …}.',
            metavar="FILE",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to put what it left: a new or empty folder.", metavar="DIR")
    ] = None,
    persona: Annotated[
        str | None, typer.Option("--as", help="How a simulated user behaves.", metavar="PERSONA")
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            help="Start the folder's product with this environment variable, and tell the agent; may be repeated.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Instead of the configured one.", metavar="MODEL")] = None,
    budget: Annotated[float, typer.Option(help="In US dollars, at most.", min=0.01, metavar="USD")] = 2.0,
    sandbox: Annotated[
        Literal["auto", "docker", "bubblewrap"] | None,
        typer.Option(help="What isolates it from this machine: auto, docker, bubblewrap.", metavar="KIND"),
    ] = None,
    repo: RepoOption = None,
    json: JsonOption = False,
) -> None:
    """Have one agent work on an assignment in a sandbox, and see its steps, its report and its costs.

    Nothing is verified. What it costs is kept as a run of its own: `macrohard show RUN`.
    """
    from macrohard.assembly import open_factory
    from macrohard.cli.choice import chosen_model
    from macrohard.cli.drive import output, until_interrupted
    from macrohard.cli.opening import environment_of
    from macrohard.errors import RequestError
    from macrohard.settings import load_settings

    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RequestError(f"--out {str(out)!r} exists and is not an empty folder; name another one")
    environment = environment_of(env or [])
    settings = load_settings(sandbox=sandbox)

    async def tried() -> "Trial":
        async with open_factory(settings, sandbox=settings.sandbox) as factory:
            return await factory.try_agent(
                name,
                assignment,
                model=chosen,
                usd=budget,
                folder=folder and folder.absolute(),
                material=material and material.absolute(),
                out=out and out.absolute(),
                persona=persona,
                environment=environment,
                repository=_agents_of(repo),
                observe=_tell_step,
            )

    chosen = chosen_model(settings, model, ask=False)
    trial = until_interrupted(tried())
    if json:
        print_json(trial.model_dump(mode="json"))
    else:
        print_trial(trial, output())
    raise typer.Exit(0 if trial.result.outcome == "finished" else UNFINISHED)


def print_catalogue(found: "Catalogue", console: "Console") -> None:
    """Names, what they do, and with what."""
    from macrohard.cli.terminal import one_line

    _print_table(
        console,
        ("Agent", "Model role", "Tasks", "What it does"),
        [
            (
                agent.name,
                agent.model,
                "yes" if agent.assignable else "reviews" if agent.reviews else "–",
                one_line(agent.description, 200),
            )
            for agent in found.agents.values()
        ],
    )
    _print_table(
        console,
        ("Simulated user", "Window", "How it behaves"),
        [
            (each.name, f"{each.width}×{each.height}", one_line(each.description, 200))
            for each in found.personas.values()
        ],
    )
    _print_table(
        console,
        ("Skill", "What it is about"),
        [(skill.name, one_line(skill.description, 300)) for skill in found.skills.values()],
    )


def print_one(found: "AgentDefinition | Persona | Skill", console: "Console") -> None:
    """All of one."""
    from rich.text import Text

    from macrohard.cli.terminal import one_line, printable

    texts = {"prompt", "behaviour", "body"}
    rows = found.model_dump(mode="json", exclude=texts)
    for name, value in rows.items():
        if isinstance(value, Mapping):
            value = list(value) if name in ("skills", "files") else [f"{key} {each}" for key, each in value.items()]
        if isinstance(value, list | tuple):
            value = ", ".join(map(str, value))
        if value not in ("", None):
            console.print(Text(f"{name.replace('_', ' '):<14}{one_line(str(value), 400)}"))
    text = next(str(getattr(found, name)) for name in texts if hasattr(found, name))
    console.print(Text(f"\n{printable(text)}"))


def print_trial(trial: "Trial", console: "Console") -> None:
    """How it ended, what it reported, and what that took."""
    import yaml
    from rich.text import Text

    from macrohard.cli.terminal import counted, dollars, duration, printable

    result = trial.result
    if result.outcome == "finished":
        console.print(Text("Its report\n", "bold"))
        console.print(Text(printable(yaml.safe_dump(result.report, sort_keys=False, allow_unicode=True, width=100))))
    else:
        console.print(Text(f"It ended without a report: {result.outcome}: {printable(result.problem)}\n", "yellow"))
    for line in _stumbled(trial):
        console.print(Text(printable(line)))
    if trial.out:
        console.print(Text(f"What it left: {trial.out}"))
    took = f"{counted(result.model_calls, 'model call')}, {dollars(result.cost_usd)}, {duration(result.seconds)}"
    console.print(Text(f"{took}; nothing was verified. Kept as run {trial.run}: macrohard show {trial.run}", "dim"))


def _stumbled(trial: "Trial") -> list[str]:
    """What a simulated user rated as odd or wrong on the way, and what our code noted beside."""
    from macrohard.cli.terminal import one_line
    from macrohard.domain import UserReport
    from macrohard.factory.panel import rated
    from macrohard.product import UserVisit

    result = trial.result
    if not result.record:
        return []
    visit = UserVisit.read_record(result.record)
    is_report = result.outcome == "finished" and "goal_reached" in result.report
    steps = rated(visit.steps, UserReport.model_validate(result.report) if is_report else None)
    lines = [
        f"  step {step.number}, surprise {step.surprise}: {one_line(step.action, 80)}: "
        + one_line(f"{step.remark} ({step.result})" if step.remark else step.result, 300)
        for step in steps
        if step.surprise
    ]
    lines += [f"  noted: {one_line(finding.title, 200)}" for finding in visit.findings]
    return ["What was not as expected (1 slightly off, 2 wrong, 3 shocked)", *lines, ""] if lines else []


def _tell_step(event: "Event") -> None:
    import sys

    from macrohard.cli.terminal import one_line
    from macrohard.events import ModelTroubled, Progress, RunStarted, ToolUsed

    lines: tuple[str, ...] = ()
    width = 160
    if isinstance(event, ToolUsed):
        lines = (f"{'✓' if event.ok else '✗'} {event.tool}: {event.summary}",)
    elif isinstance(event, Progress):
        lines = (event.text,)
    elif isinstance(event, ModelTroubled):
        lines = (f"! {event.endpoint}: {event.problem}",)
    elif isinstance(event, RunStarted):
        # Their ends say what to do.
        lines, width = event.notices, 600
    for line in lines:
        print(one_line(line, width), file=sys.stderr, flush=True)


def _print_table(console: "Console", headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=heading != headings[-1])
    for row in rows:
        table.add_row(*row[:-1], Text(row[-1]))
    console.print(table)
    console.print()


def _agents_of(repo: Path | None) -> Path | None:
    from macrohard.agent import REPOSITORY_FOLDER

    return None if repo is None else repo.absolute() / REPOSITORY_FOLDER


def _catalogue(repo: Path | None) -> "Catalogue":
    from macrohard.assembly import catalogue
    from macrohard.settings import load_settings

    return catalogue(load_settings(), repository=_agents_of(repo))


def _named(found: "Catalogue", name: str) -> "AgentDefinition | Persona | Skill":
    from difflib import get_close_matches

    from macrohard.errors import RequestError

    everything: dict[str, AgentDefinition | Persona | Skill] = {**found.skills, **found.personas, **found.agents}
    if name in everything:
        return everything[name]
    near = ", ".join(get_close_matches(name, everything)) or "`macrohard agents list` shows them"
    raise RequestError(f"there is no agent, simulated user or skill {name!r}: {near}")
