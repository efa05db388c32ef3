"""What the command line says about a run when it is asked, or done: for people, and as one JSON object."""

import re
import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from macrohard.cli.home import print_provenance, print_returned
from macrohard.cli.terminal import counted, dollars, duration, one_line, printable
from macrohard.domain import SERVED, CheckKind, Command, CriterionState, JsonObject, RunOverview, RunSummary
from macrohard.domain.candidate import Candidate
from macrohard.domain.specification import Superseded
from macrohard.errors import ToolError
from macrohard.report.origin import mended_by_reason
from macrohard.report.panel import in_short, panel_of
from macrohard.report.reviews import reviews_of
from macrohard.report.said import said_of
from macrohard.report.story import assumed_for_you, is_the_same, partly_checked

_PLACEHOLDER = re.compile(r"[][<>{}|…]|\.\.\.|\b[A-Z]+\b")
"""What stands in the place of something in a call as it is documented."""
OF_OWN_TESTS: tuple[CheckKind, ...] = ("test quality", "new tests")
"""What is told of the product's own tests for each iteration."""
_MARK = {
    "met": ("✓", "green"),
    "unmet": ("✗", "red"),
    "stale": ("?", "yellow"),
    "not covered": ("–", "yellow"),
    "not checked": ("?", "yellow"),
}
_VERDICT_ON_RUN = {
    "delivered": ("Delivered", "bold green"),
    "partial": ("Partly delivered", "bold yellow"),
    "refused": ("Refused", "bold red"),
    "cancelled": ("Cancelled", "bold"),
    "paused": ("Paused", "bold yellow"),
    "failed": ("Failed", "bold red"),
    "running": ("At work", "bold cyan"),
    "waiting": ("Waiting", "bold cyan"),
}


def as_json(overview: RunOverview) -> JsonObject:
    """The object that `--json` prints; nothing else goes to standard output.

    A criterion's status is "met", "unmet" or "stale": what is not covered, or cannot be checked, is unmet like anything
    else that does not hold; why it is so stands in `macrohard show --json` and in the report.
    """
    return {
        "run": overview.summary.id,
        "outcome": overview.summary.status,
        "product": overview.product_path,
        "commit": overview.product_commit,
        "criteria": [
            {
                "id": state.criterion.id,
                "text": state.criterion.text,
                "priority": state.criterion.priority,
                "status": "unmet" if state.status in ("not covered", "not checked") else state.status,
            }
            for state in overview.criteria
        ],
        "iterations": overview.summary.iterations,
        "sessions": len(overview.sessions),
        "model_calls": overview.model_calls,
        "cost_usd": overview.cost_usd,
        "seconds": overview.summary.seconds,
        "film": _film(overview),
        "returned": _returned(overview),
        "assumed": [
            {"question": each.question, "assumed": each.assumed, "agent": agent}
            for agent, each in assumed_for_you(overview)
        ],
        "improves": overview.summary.improves or None,
        "superseded": [
            {"id": each.criterion.id, "text": each.criterion.text, "reason": each.reason}
            for each in (overview.specification.superseded if overview.specification else ())
        ],
    }


def _returned(overview: RunOverview) -> JsonObject | None:
    """Null where the run began from nothing, or nothing came back yet."""
    if overview.provenance is None or overview.returned is None:
        return None
    return {
        "repository": overview.provenance.place,
        "branch": overview.returned.branch or None,
        "commit": overview.returned.commit,
        "merged": overview.returned.merged or None,
        "notes": list(overview.returned.notes),
    }


def _film(overview: RunOverview) -> JsonObject | None:
    """Null where nothing was filmed; a film that could not be made has a problem and no artifact."""
    film = overview.film
    if film is None:
        return None
    beside = film.artifact is not None and overview.product_path is not None
    return {
        "artifact": film.artifact,
        "path": f"{overview.product_path}/demo.mp4" if beside else None,
        "seconds": film.seconds,
        "problem": film.problem,
    }


def print_result(overview: RunOverview, console: Console) -> None:
    """What came out, first of all what does not hold."""
    summary = overview.summary
    words, style = ("Tried", "bold") if _is_tried(summary) else _VERDICT_ON_RUN[summary.status]
    title = f": {one_line(summary.title)}" if summary.title else ""
    console.print(Text.assemble((words, style), (title, "bold")))
    if overview.problem:
        console.print(Text(printable(overview.problem)))
    for notice in overview.notices:
        console.print(Text(f"note: {printable(notice)}", "yellow"))
    if overview.film is not None and overview.film.problem:
        console.print(Text(f"note: no film of the users could be made: {printable(overview.film.problem)}", "yellow"))
    questions = overview.open_questions
    if questions:
        console.print(Text("\nIt waits for answers:", "bold"))
        for question in questions:
            console.print(Text(f"  {question.id}  {printable(question.text)}  [{printable(question.default)}]"))
    elif overview.awaited is not None and overview.awaited.point == "plan":
        console.print(Text(f"\nWhat would be built ({counted(len(overview.criteria), 'criterion', 'criteria')}):"))
        console.print(_criteria(overview.criteria, begun=False))
    elif unmet := [state for state in overview.criteria if state.status != "met"]:
        console.print(
            Text(f"\nWhat does not hold ({len(unmet)} of {counted(len(overview.criteria), 'criterion', 'criteria')}):")
        )
        console.print(_criteria(unmet))
    elif overview.criteria:
        console.print(Text(f"All {counted(len(overview.criteria), 'criterion', 'criteria')} met.", "green"))
    if partly := [state for state in overview.criteria if state.open]:
        console.print(Text(f"\nChecked only in part ({len(partly)}):"))
        console.print(_criteria(partly))
    if overview.specification is not None and (gone := overview.specification.superseded):
        console.print(Text("\nDoes not hold any more, because of what was asked:", "bold"))
        for each in gone:
            console.print(Text(f"  · {one_line(_superseded(each), 300)}"))
    if taken := assumed_for_you(overview):
        console.print(Text("\nAssumed in your place, while it was built:", "bold"))
        for _, one in taken:
            console.print(Text(f"  · {one_line(one.question, 200)} {one_line(one.assumed, 200)}"))
    console.print(Text(f"\n{_effort(overview)}", "dim"))
    if overview.product_path:
        console.print(Text.assemble("Product:  ", (printable(overview.product_path), "bold")))
        console.print(Text(f"Report:   {printable(overview.product_path)}/report.html"))
        if overview.film is not None and overview.film.artifact is not None:
            console.print(Text(f"Film:     {printable(overview.product_path)}/demo.mp4"))
        print_returned(overview, console)
        console.print(Text(f"Try it:   {printable(way_to_try(overview))}"))
    if overview.awaited is not None:
        console.print(Text(f"Say yes:  macrohard approve {summary.id}"))
        console.print(Text(f"Or no:    macrohard approve {summary.id} --change 'what is to be different'"))
    if summary.status in ("paused", "running", "waiting"):
        answers = "".join(f" --answer {question.id}=…" for question in questions)
        console.print(Text(f"Go on:    macrohard resume {summary.id}{answers}"))
        if questions:
            console.print(Text(f"Or:       macrohard resume {summary.id} --yes   (takes what stands in brackets)"))


def way_to_try(overview: RunOverview) -> str:
    """What to type to try a delivered product; of a library, or where nobody says how it is called, where to look."""
    from macrohard.product.manifest import FILE, read_manifest

    specification = overview.specification
    if specification is None or overview.product_path is None or specification.kind in SERVED:
        return f"macrohard open {overview.summary.id}"
    folder = Path(overview.product_path)
    run = ""
    if specification.kind == "cli" and (folder / FILE).is_file():
        with suppress(ToolError):
            run = read_manifest((folder / FILE).read_bytes()).commands.run
    commands = overview.design.commands if overview.design else ()
    go = f"cd {shlex.quote(str(folder))}"
    if run:
        return f"{go} && {_first_call(run, commands)}"
    return f"{go}   (then {commands[0].usage}; see its README)" if commands else f"{go}   (see its README)"


def _first_call(run: str, commands: Sequence[Command]) -> str:
    """The first documented call that can be typed as it stands; else the one that says how the tool is called."""
    calls = (command.usage for command in commands)
    return next((call for call in calls if call.startswith(run) and not _PLACEHOLDER.search(call)), f"{run} --help")


def print_details(overview: RunOverview, console: Console) -> None:
    """All of a run on one terminal page; the report says more."""
    console.print(Text(f"Run {overview.summary.id}, {overview.summary.created_at:%Y-%m-%d %H:%M} UTC", "dim"))
    console.print(Text(one_line(overview.summary.requirement, 300), "italic"))
    print_result(overview, console)
    if overview.provenance is not None:
        print_provenance(overview.provenance, console)
    if overview.sandbox_tiers:
        console.print(Text(f"Sandboxes: {', then '.join(overview.sandbox_tiers)}", "dim"))
    if specification := overview.specification:
        for heading, lines in (
            ("Assumed", specification.assumptions),
            (
                "Earlier scenarios, brought up to date",
                tuple(f"{', '.join(ids)}: {why}" for ids, why in mended_by_reason(overview)),
            ),
            ("Not followed", tuple(f"{left.text}: {left.reason}" for left in specification.exclusions)),
        ):
            if lines:
                console.print(Text(f"\n{heading}", "bold"))
                for line in lines:
                    console.print(Text(f"  · {one_line(line, 300)}"))
    if overview.criteria:
        console.print(Text("\nCriteria", "bold"))
        console.print(_criteria(overview.criteria))
    if users := in_short(overview):
        console.print(Text("\nUsers", "bold"))
        console.print(Text(f"  {users}"))
        for wish in panel_of(overview).wishes:
            console.print(Text(f"  wish: {one_line(wish.title, 300)}", "dim"))
    if (reviews := reviews_of(overview)).readings:
        console.print(Text("\nReviews", "bold"))
        for reading in reviews.readings:
            said = reading.ended or counted(reading.found, "finding")
            console.print(Text(f"  {reading.reviewer}, iteration {reading.iteration}: {said}"))
        for finding in reviews.findings:
            console.print(Text(f"  · {one_line(f'{finding.file}:{finding.line}: {finding.title}', 300)}"))
    for before, iteration in zip((None, *overview.iterations), overview.iterations, strict=False):
        fate = {True: "kept", False: "not kept", None: "at work"}[iteration.kept]
        gained = "passed on a second try" if before is not None and is_the_same(before, iteration) else "gained"
        changes = f"{len(iteration.gained)} {gained}, {len(iteration.lost)} lost, {len(iteration.findings)} found"
        console.print(Text(f"\nIteration {iteration.number} ({fate}; {changes})", "bold"))
        commit = f"commit {iteration.commit[:10]}" if iteration.commit else "no commit"
        console.print(Text(f"  {commit} · {dollars(iteration.cost_usd)} · {duration(iteration.seconds)}", "dim"))
        if iteration.reason:
            console.print(Text(f"  {printable(iteration.reason)}"))
        for verdict in iteration.verdicts:
            if verdict.kind in OF_OWN_TESTS:
                console.print(Text(f"  {verdict.kind} {verdict.status}: {printable(verdict.summary)}", "dim"))
        for comparison in iteration.comparisons:
            console.print(Text(f"  {comparison.task} was made twice: {printable(comparison.why)}"))
            for candidate in comparison.candidates:
                chosen = "chosen" if candidate is comparison.chosen else "not chosen"
                console.print(Text(f"    {chosen}: {_in_figures(candidate)}", "dim"))
    words = said_of(overview)
    for heading, points in (("Left open", words.open_points), ("Settled", words.decisions)):
        if points:
            console.print(Text(f"\n{heading} by those who made it", "bold"))
            for point in points:
                console.print(Text(f"  · {one_line(point.in_words, 1200)}"))
    if denied := [(session, each) for session in overview.sessions for each in session.contradictions]:
        console.print(Text("\nReported, and denied by the session's own log", "bold"))
        for session, each in denied:
            said = f'{session.agent}, iteration {session.iteration}: "{each.claim}", but {each.log}'
            console.print(Text(f"  · {one_line(said, 400)}"))
    if any(iteration.commit for iteration in overview.iterations):
        run = overview.summary.id
        console.print(Text(f"\nGo back to one:  macrohard open {run} --iteration N"))
        console.print(Text(f"                 macrohard export {run} --iteration N --out DIR"))


def _in_figures(candidate: Candidate) -> str:
    who = f"{candidate.agent}, {candidate.approach}"
    if candidate.commit is None:
        return f"{who}: it changed nothing · {dollars(candidate.cost_usd)}"
    lost = f", {', '.join(candidate.lost)} lost" if candidate.lost else ""
    kept = f"{candidate.commit[:10]} at {candidate.branch}"
    return (
        f"{who}: {candidate.passed} of {candidate.scenarios} hidden scenarios{lost} · own tests {candidate.tests} · "
        f"{candidate.changed_lines} lines · {dollars(candidate.cost_usd)} · {kept}"
    )


def print_runs(runs: tuple[RunSummary, ...], console: Console) -> None:
    """One line for each run, the latest first."""
    if not runs:
        console.print('No runs yet. Begin with: macrohard build "what you need, in plain words"')
        return
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for heading in ("Run", "When (UTC)", "Status", "Model", "Time", "Cost", "What"):
        table.add_column(heading, no_wrap=True, justify="right" if heading in ("Time", "Cost") else "left")
    for run in runs:
        table.add_row(
            run.id,
            f"{run.created_at:%Y-%m-%d %H:%M}",
            Text("tried", "bold") if _is_tried(run) else Text(run.status, _VERDICT_ON_RUN[run.status][1]),
            Text(one_line(run.model, 24)),
            duration(run.seconds),
            dollars(run.cost_usd),
            Text(one_line(f"{run.title or run.requirement}{_after(run)}", 60)),
        )
    console.print(table)


def _superseded(each: Superseded) -> str:
    return f"{each.criterion.id}: {each.criterion.text} Because: {each.reason}"


def _is_tried(run: RunSummary) -> bool:
    """Whether one agent was tried and handed in its report; there is nothing to deliver."""
    return bool(run.trial_of) and run.status == "partial"


def _after(run: RunSummary) -> str:
    """Behind a title that both runs have."""
    return f" (improves {run.improves}: {run.requirement})" if run.improves else ""


def _criteria(states: tuple[CriterionState, ...] | list[CriterionState], *, begun: bool = True) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for state in states:
        mark, style = _MARK[state.status] if begun else ("·", "dim")
        said = "".join(f"\n{verdict.summary}" for verdict in state.verdicts if verdict.status != "passed")
        text = Text(printable(state.criterion.text))
        text.append(one_line(said, 300) and f"\n{one_line(said, 300)}", "dim")
        if state.open:
            text.append(f"\n{one_line(partly_checked(state), 400)}", "yellow")
        table.add_row(Text(f"  {mark}", style), state.criterion.id, Text(state.criterion.priority, "dim"), text)
    return table


def _effort(overview: RunOverview) -> str:
    parts = [
        counted(overview.summary.iterations, "iteration"),
        counted(len(overview.sessions), "session"),
        counted(overview.model_calls, "model call"),
        dollars(overview.cost_usd),
        duration(overview.summary.seconds),
    ]
    if overview.sandbox_wait_seconds >= 1:
        parts.append(f"{duration(overview.sandbox_wait_seconds)} in line for sandboxes")
    if overview.packages:
        parts.append(f"{counted(len(overview.packages), 'package')} from registries")
    return " · ".join(parts)
