"""Models as the command line shows them: who is asked for what, what that costs, and what each understands."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from macrohard.assembly import Probe, assumed_windows
from macrohard.cli.terminal import one_line, printable
from macrohard.domain import JsonObject
from macrohard.llm import FREE
from macrohard.llm.target import Capabilities, ProbeResult, RoleTargets, Target

_MARKS = {True: "✓", False: "✗", None: "–"}


def print_roles(targets: RoleTargets, console: Console) -> None:
    """One row for each role and each of its failovers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True)
    for heading in ("Role", "Model@endpoint", "Effort", "Temp", "In/cached/out", "Context", "Known by"):
        folded = heading == "Model@endpoint"
        table.add_column(
            heading, no_wrap=not folded, overflow="fold", justify="right" if heading == "Context" else "left"
        )
    stepped = False
    for role, given in targets.items():
        for place, target in enumerate(given):
            stepped = stepped or target.price.long_from_tokens is not None
            table.add_row(
                role if place == 0 else "  then",
                Text(one_line(_name(target), 200)),
                target.effort or "–",
                "–" if target.temperature is None else f"{target.temperature:g}",
                _price(target),
                f"{_thousands(target.context_tokens)}{'?' if target.context_is_assumed else ''}",
                _source(target.capabilities),
            )
    console.print(table, soft_wrap=False)
    notes = ["Prices in US dollars per million tokens."]
    if stepped:
        notes.append("From 200k tokens on, a request of Grok costs twice as much; agents stay below.")
    if any(target.capabilities.source == "assumed" for given in targets.values() for target in given):
        notes.append("Assumed: nobody asked yet; `macrohard doctor` does.")
    notes += assumed_windows(targets)
    if any(len(given) > 1 for given in targets.values()):
        notes.append("Then: who is asked while the one above is not well.")
    eyes = [target for target in targets["vision"] if target.endpoint.base_url is not None]
    if eyes and not all(target.capabilities.vision for target in eyes):
        notes.append("A model of the vision role takes no pictures: users read pages as text.")
    for note in notes:
        console.print(Text(printable(note)), soft_wrap=False)


def roles_as_json(targets: RoleTargets) -> JsonObject:
    """The same for programs; keys are not among it."""
    return {role: [_as_json(target) for target in given] for role, given in targets.items()}


def print_probes(probes: Sequence[Probe], console: Console) -> None:
    """A table for each model: what it was asked, and what came out."""
    for probe in probes:
        title = Text(f"{one_line(probe.target.model, 200)} at {probe.target.endpoint.name}", style="bold")
        console.print()
        if probe.target.endpoint.base_url is None:
            console.print(Text.assemble(title, ": the built-in model, which follows rules and needs no probe"))
            continue
        title.append(f"  {probe.target.endpoint.base_url}", style="not bold dim")
        console.print(title)
        if probe.target.context_is_assumed:
            window = f"{probe.target.context_tokens:,} tokens are assumed: set context_tokens in its role's table"
            console.print(f"  how much it reads at once is not known, {window}", soft_wrap=False)
        if probe.result is None:
            documented = probe.target.capabilities.source == "known"
            sent = "what its documentation says" if documented else "what every server understands"
            console.print(f"  never probed: only {sent} is sent; `macrohard doctor --probe`")
            continue
        _print_findings(probe.result, console)


def _print_findings(result: ProbeResult, console: Console) -> None:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    styles = {True: "green", False: "red", None: "dim"}
    for finding in result.findings:
        mark = Text(f"  {_MARKS[finding.ok]}", style=styles[finding.ok])
        table.add_row(mark, finding.ability, Text(one_line(finding.detail, 400)))
    if result.problem:
        table.add_row(Text("  ✗", style="red"), "stopped", Text(one_line(result.problem, 600)))
    console.print(table, soft_wrap=False)
    when = ""
    if result.capabilities and result.capabilities.probed_at:
        when = f"probed {result.capabilities.probed_at.astimezone():%Y-%m-%d %H:%M}, "
    console.print(f"    {when}{result.calls} calls, {result.tokens:,} tokens, ${result.cost_usd:.4f}", style="dim")


def probes_as_json(probes: Sequence[Probe]) -> list[JsonObject]:
    """The same for programs."""
    return [
        {
            **_as_json(probe.target),
            "builtin": probe.target.endpoint.base_url is None,
            "probe": None if probe.result is None else probe.result.model_dump(mode="json"),
        }
        for probe in probes
    ]


def usable(probe: Probe) -> bool:
    """Whether agents can work with the model, as far as that is known."""
    result = probe.result
    return result is None or (result.capabilities is not None and result.capabilities.tools)


def _as_json(target: Target) -> JsonObject:
    shown = target.model_dump(mode="json", exclude={"endpoint"})
    endpoint = target.endpoint.model_dump(mode="json", exclude={"api_key", "name"})
    return {"endpoint": target.endpoint.name, **shown, "endpoint_settings": endpoint}


def _name(target: Target) -> str:
    """As it can be given to --model, but for the built-in one."""
    if target.endpoint.base_url is None:
        return f"{target.model} (comes along)"
    return f"{target.model}@{target.endpoint.name}"


def _price(target: Target) -> str:
    price = target.price
    if price == FREE:
        return "free"
    return f"{price.input:g}/{price.cached_input:g}/{price.output:g}"


def _thousands(tokens: int) -> str:
    return f"{tokens / 1_000_000:g}M" if tokens >= 1_000_000 else f"{tokens / 1000:.0f}k"


def _source(capabilities: Capabilities) -> str:
    match capabilities.source:
        case "probed" if capabilities.probed_at:
            return f"probe {capabilities.probed_at:%m-%d}"
        case "known":
            return "its docs"
        case _:
            return capabilities.source
