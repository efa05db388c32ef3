"""The commands. What is heavy to import is imported by the command that needs it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from macrohard import __version__
from macrohard.cli import gates as waiting
from macrohard.cli import limits
from macrohard.cli.comparing import compare
from macrohard.cli.doctor import doctor
from macrohard.cli.improve import improve
from macrohard.cli.options import (
    EndpointArgument,
    FileOption,
    IterationOption,
    IterationsOption,
    JsonOption,
    ModelOption,
    OutOption,
    ProjectOption,
    RecordOption,
    RequiredOutOption,
    RequireTierOption,
    RunArgument,
    SandboxOption,
    ServerOption,
    TokenOption,
    WaitOption,
    YesOption,
    print_json,
    required,
)
from macrohard.cli.people import audit, users
from macrohard.cli.projects import projects
from macrohard.cli.replay import EXIT_CODES as REPLAY_EXIT_CODES
from macrohard.cli.replay import replay
from macrohard.cli.runs import runs
from macrohard.cli.sandboxes import sandboxes
from macrohard.cli.serve import app as serve
from macrohard.cli.serve import worker
from macrohard.cli.staff import app as agents
from macrohard.cli.steer import approve, cancel, feedback, fork, pause

if TYPE_CHECKING:
    from macrohard.settings import Settings

EXIT_CODES = """\
Exit codes: 0 delivered · 1 a failure of ours · 2 usage or input · 3 partial (some MUST unmet, product kept) ·
4 refused · 5 paused, waiting for a person or budget."""

app = typer.Typer(
    name="macrohard",
    help="From a requirement in plain words to a verified product.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
keys = typer.Typer(help="Keys of endpoints: where they come from, and the system's keyring.", no_args_is_help=True)
model = typer.Typer(help="The model that comes with Macrohard.", no_args_is_help=True)
app.add_typer(sandboxes, name="sandboxes")
app.add_typer(agents, name="agents")
app.add_typer(keys, name="keys")
app.add_typer(model, name="model")
app.add_typer(serve, name="serve")
app.add_typer(users, name="users")
app.add_typer(audit, name="audit")
app.add_typer(projects, name="projects")

app.command(epilog=REPLAY_EXIT_CODES)(replay)
app.command()(worker)
app.command()(compare)
for steering in (approve, feedback, fork, pause, cancel):
    app.command()(steering)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"macrohard {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """From a requirement in plain words to a verified product."""


@app.command(epilog=EXIT_CODES)
def build(
    text: Annotated[
        str | None,
        typer.Argument(help="What you need, in plain words; - reads it from standard input.", metavar="TEXT"),
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
    repo: Annotated[
        Path | None,
        typer.Option(help="Change this: a git repository's folder, or a bundle of one.", metavar="PATH"),
    ] = None,
    include_changes: Annotated[
        bool, typer.Option("--include-changes", help="With --repo: take along what is not committed.")
    ] = False,
    branch: Annotated[
        bool,
        typer.Option(
            " /--no-branch",
            help="With --repo: make no branch macrohard/… in it; a patch is there anyway.",
            show_default=False,
        ),
    ] = True,
    sandbox: SandboxOption = None,
    require_tier: RequireTierOption = None,
    run: Annotated[
        str | None, typer.Option(help="Go on with this run instead of beginning one.", metavar="RUN")
    ] = None,
    solo: Annotated[
        str | None,
        typer.Option(
            help="Have one agent alone make what that run was asked for, graded by its scenarios: what a team adds.",
            metavar="RUN",
        ),
    ] = None,
    wait: WaitOption = None,
    record: RecordOption = True,
    project: ProjectOption = None,
    server: ServerOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Build, test, try out and deliver a product."""
    from macrohard.cli import drive, intake
    from macrohard.cli.choice import chosen_model
    from macrohard.domain import Caps
    from macrohard.errors import RequestError

    gates = waiting.gates(approve, answer_within, budget_within)
    given = text is not None or file is not None
    requirement = intake.requirement(text, file) if given or (run is None and solo is None) else None
    settings, wish = drive.asked(
        out=out, yes=yes, json=json, record=record, require_tier=require_tier,
        budget_usd=budget, max_tokens=max_tokens, max_calls=max_calls, max_time=max_time, max_sessions=max_sessions,
        max_fan_out=max_fan_out, max_depth=max_depth, iterations=iterations, sandbox=sandbox, auto_resume=wait,
    )  # fmt: skip
    if server is not None:
        from macrohard.cli import remote

        remote.check_heeded(
            {
                "--run": run is not None, "--repo": repo is not None, "--include-changes": include_changes,
                "--no-branch": not branch, "--solo": solo is not None, "--sandbox": sandbox is not None,
                "--require-tier": require_tier is not None, "--no-record": not record,
            }
        )  # fmt: skip
        assert requirement is not None
        given_caps = limits.added(
            usd=budget, tokens=max_tokens, calls=max_calls, time=max_time, sessions=max_sessions,
            fan_out=max_fan_out, depth=max_depth,
        )  # fmt: skip
        caps = given_caps if given_caps != Caps() else None
        with remote.client(server, token) as service:
            code = remote.build(
                service, requirement, wish, model=model, caps=caps, iterations=iterations, gates=gates,
                project=project,
            )  # fmt: skip
        raise typer.Exit(code)
    if run is not None and repo is not None:
        raise RequestError("--run goes on with what the run began from: leave --repo out")
    if repo is None and (include_changes or not branch):
        raise RequestError("--include-changes and --no-branch belong to --repo PATH")
    if gates != waiting.Gates() and (run is not None or solo is not None):
        raise RequestError("--approve, --answer-within and --budget-within are for a run that begins")
    if project is not None and (run is not None or solo is not None):
        raise RequestError("--run and --solo take the project of that run: leave --project out")
    if solo is not None:
        if given or run is not None:
            raise RequestError("--solo RUN takes the requirement of that run: leave TEXT, --file and --run out")
        code = drive.build_solo(
            settings, solo, wish, model=chosen_model(settings, model, ask=wish.prompt), caps=settings.caps
        )
        raise typer.Exit(code)
    if run is not None:
        code = drive.resume(settings, run, wish, requirement=requirement, add=Caps(), answers={})
        raise typer.Exit(code)
    assert requirement is not None
    code = drive.build(
        settings,
        requirement,
        wish,
        model=chosen_model(settings, model, ask=wish.prompt),
        caps=settings.caps,
        iterations=settings.iterations,
        existing=None if repo is None else intake.existing_repository(str(repo), include_changes, branch),
        gates=gates,
        project=project,
    )
    raise typer.Exit(code)


app.command(epilog=EXIT_CODES)(improve)


@app.command(epilog=EXIT_CODES)
def resume(
    run: Annotated[str | None, typer.Argument(help="A run's id, or its beginning.", metavar="RUN")] = None,
    due: Annotated[
        bool, typer.Option("--due", help="Every parked run whose hour has come, one after the other; for cron.")
    ] = False,
    add_budget: limits.AddBudget = None,
    add_tokens: limits.AddTokens = None,
    add_calls: limits.AddCalls = None,
    add_time: limits.AddTime = None,
    add_sessions: limits.AddSessions = None,
    add_fan_out: limits.AddFanOut = None,
    add_depth: limits.AddDepth = None,
    answer: Annotated[
        list[str] | None, typer.Option(help="Answer to one of its questions, e.g. Q-1=euro.", metavar="Q-N=TEXT")
    ] = None,
    yes: YesOption = False,
    out: OutOption = None,
    sandbox: SandboxOption = None,
    require_tier: RequireTierOption = None,
    wait: WaitOption = None,
    server: ServerOption = None,
    token: TokenOption = None,
    json: JsonOption = False,
) -> None:
    """Go on with a run that was paused, interrupted or killed."""
    from macrohard.cli import drive
    from macrohard.domain import Caps
    from macrohard.errors import RequestError

    answers = {}
    for pair in answer or []:
        question, separator, said = pair.partition("=")
        if not separator or not said.strip():
            raise RequestError(f"--answer {pair!r} is not of the form Q-1=text")
        answers[question.strip()] = said.strip()
    settings, wish = drive.asked(
        out=out, yes=yes, json=json, record=True, require_tier=require_tier, sandbox=sandbox, auto_resume=wait
    )
    add = limits.added(
        usd=add_budget, tokens=add_tokens, calls=add_calls, time=add_time, sessions=add_sessions,
        fan_out=add_fan_out, depth=add_depth,
    )  # fmt: skip
    if server is not None:
        from macrohard.cli import remote

        remote.check_heeded(
            {"--due": due, "--sandbox": sandbox is not None, "--require-tier": require_tier is not None}
        )
    if due:
        if run or out or answers or wait or add != Caps():
            raise RequestError("--due goes on with runs as they are: leave RUN and the other options out")
        raise typer.Exit(drive.resume_due(settings, wish))
    if run is None:
        raise RequestError("name the run, or take --due; `macrohard runs` lists them")
    if server is not None:
        with remote.client(server, token) as service:
            raise typer.Exit(remote.resume(service, run, wish, add=add, answers=answers))
    raise typer.Exit(drive.resume(settings, run, wish, requirement=None, add=add, answers=answers))


app.command()(runs)


@app.command()
def show(run: RunArgument, server: ServerOption = None, token: TokenOption = None, json: JsonOption = False) -> None:
    """Show what a run has done and what does not hold."""
    import asyncio

    from macrohard.assembly import open_factory
    from macrohard.cli.costs import print_costs
    from macrohard.cli.drive import output
    from macrohard.cli.replay import print_recording
    from macrohard.cli.result import as_json, print_details
    from macrohard.domain import RunOverview

    async def looked_up(settings: "Settings") -> tuple[RunOverview, Path | None]:
        async with open_factory(settings, sandbox=settings.sandbox) as factory:
            overview = await factory.overview(run)
            return overview, factory.recording(overview.summary.id)

    if server is not None:
        from macrohard.cli.remote import client

        with client(server, token) as service:
            overview, recording = service.run(run), None
    else:
        overview, recording = asyncio.run(looked_up(_settings()))
    if json:
        kept = None if recording is None else str(recording)
        print_json({**as_json(overview), "recording": kept, "overview": overview.model_dump(mode="json")})
        return
    print_details(overview, output())
    print_costs(overview, output())
    if server is None:
        print_recording(overview.summary.id, recording, output())


@app.command(name="open")
def open_product(
    run: RunArgument,
    port: Annotated[
        int, typer.Option(help="The port on this machine; 0: any free one.", min=0, max=65_535, metavar="PORT")
    ] = 0,
    iteration: IterationOption = None,
    env: Annotated[
        list[str] | None,
        typer.Option(help="Start it with this environment variable, too; may be repeated.", metavar="NAME=VALUE"),
    ] = None,
    sandbox: SandboxOption = None,
    require_tier: RequireTierOption = None,
) -> None:
    """Start the product in a sandbox and print its address, until Ctrl-C."""
    import asyncio

    from macrohard.assembly import open_factory
    from macrohard.cli.drive import Interrupted, until_interrupted
    from macrohard.cli.opening import environment_of, ways_to_try
    from macrohard.cli.terminal import printable
    from macrohard.settings import load_settings

    given = environment_of(env or [])

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    async def kept_open(settings: "Settings") -> None:
        tell("starting …")
        async with (
            open_factory(settings, sandbox=settings.sandbox) as factory,
            factory.open_product(run, iteration=iteration, port=port, tell=tell, environment=given) as opened,
        ):
            print(opened.address, flush=True)
            for line in ways_to_try(opened, (await factory.overview(run)).design, given):
                tell(printable(line))
            print("Ctrl-C stops it", file=sys.stderr, flush=True)
            await asyncio.Event().wait()

    try:
        until_interrupted(kept_open(load_settings(sandbox=sandbox, sandboxes=required(require_tier))))
    except Interrupted:
        print("stopped", file=sys.stderr)


@app.command()
def export(
    run: RunArgument,
    out: RequiredOutOption,
    iteration: IterationOption = None,
    server: ServerOption = None,
    token: TokenOption = None,
) -> None:
    """Put a run's product and report into a folder."""
    import asyncio

    from macrohard.assembly import open_factory
    from macrohard.cli.drive import check_free

    check_free(out)
    if server is not None:
        from macrohard.cli import remote

        with remote.client(server, token) as service:
            print(remote.export(service, run, out.absolute(), iteration=iteration))
        return

    async def exported(settings: "Settings") -> Path:
        async with open_factory(settings, sandbox=settings.sandbox) as factory:
            return await factory.export(run, out.absolute(), iteration=iteration)

    print(asyncio.run(exported(_settings())))


app.command()(doctor)


@app.command()
def models(json: JsonOption = False) -> None:
    """List the roles with their models, endpoints, prices and context sizes."""
    import asyncio

    from macrohard.assembly import open_factory
    from macrohard.cli.drive import output
    from macrohard.cli.models import print_roles, roles_as_json
    from macrohard.llm.target import RoleTargets

    async def looked_up(settings: "Settings") -> RoleTargets:
        async with open_factory(settings, sandbox=settings.sandbox) as factory:
            return await factory.installation.targets(settings.model)

    found = asyncio.run(looked_up(_settings()))
    if json:
        print_json(roles_as_json(found))
        return
    print_roles(found, output())


@keys.command(name="set")
def set_key(endpoint: EndpointArgument) -> None:
    """Keep a key in the system's keyring; it is read from a hidden prompt, or from standard input."""
    from macrohard.cli import keys

    keys.set_key(_settings(), endpoint)


@keys.command(name="list")
def list_keys(json: JsonOption = False) -> None:
    """List the endpoints and where their keys come from, never the keys."""
    from macrohard.cli.drive import output
    from macrohard.cli.keys import key_states, print_keys

    states = key_states(_settings())
    if json:
        print_json([state.model_dump() for state in states])
        return
    print_keys(states, output())


@keys.command(name="remove")
def remove_key(endpoint: EndpointArgument) -> None:
    """Take a key out of the system's keyring."""
    from macrohard.cli import keys

    keys.remove_key(_settings(), endpoint)


@model.command(name="serve")
def serve_model(
    port: Annotated[int, typer.Option(help="The port to listen on.", min=1, max=65_535, metavar="PORT")] = 8100,
    host: Annotated[str, typer.Option(help="The address to listen on.", metavar="HOST")] = "127.0.0.1",
) -> None:
    """Serve the built-in model by the OpenAI protocol, until Ctrl-C."""
    import uvicorn

    from macrohard.llm.builtin.app import application

    print(f"http://{host}:{port}/v1", flush=True)
    uvicorn.run(application, host=host, port=port, log_level="warning")


def _settings() -> "Settings":
    from macrohard.settings import load_settings

    return load_settings()
