"""The text of a pull request: what, why, what shows that it holds, and what is open."""

from macrohard.domain import CriterionState, RunOverview
from macrohard.domain.printable import printable
from macrohard.report.origin import tests_after, tests_before
from macrohard.report.story import assumed_for_you

_WORDS = {"met": "holds", "unmet": "**does not hold**", "stale": "not checked on this commit"}


def pull_request(overview: RunOverview) -> str:
    """As Markdown, for a person who reviews the branch and has not seen the run."""
    summary, ground, returned = overview.summary, overview.ground, overview.returned
    assert ground is not None, "the run began from nothing"
    assert returned is not None, "nothing was given back"
    specification = overview.specification
    lines = [f"# {_line(summary.title)}", ""]
    if overview.problem:
        lines += [f"**Not finished:** {_line(overview.problem)}", ""]
    if specification is not None and specification.summary:
        lines += [_line(specification.summary), ""]
    lines += ["## Why", "", *(f"> {_line(line)}" for line in summary.requirement.strip().splitlines()), ""]
    lines += ["## What changed", ""]
    for iteration in overview.iterations:
        lines += [f"- {_line(task.title)} ({', '.join(task.criteria) or 'no criterion'})" for task in iteration.tasks]
    lines += ["", "## Criteria", "", "| | criterion | | shown by |", "|---|---|---|---|"]
    lines += [_row(state) for state in overview.criteria]
    lines += ["", "## How it was tested", ""]
    before = ground.baseline
    lines += [
        f"- Before: the repository's own tests at {ground.provenance.head[:10]}: {_line(tests_before(overview))}.",
        f"- After: {_line(tests_after(overview))}.",
        f"- {sum(len(state.scenarios) for state in overview.criteria)} acceptance scenarios that the authors of the "
        f"code had not seen, in fresh sandboxes, on commit {returned.verified[:10]} of run {summary.id}"
        + (", which has the same files." if returned.verified != returned.commit else "."),
    ]
    lines += ["", "## What is open", ""]
    lines += [f"- {_line(note)}" for note in (*ground.provenance.notes, *returned.notes)] or []
    lines += [
        f"- {state.criterion.id}: {_line(state.criterion.text)}" for state in overview.criteria if state.status != "met"
    ]
    if before.failed:
        lines += [f"- These failed before as well: {_line(', '.join(before.failed[:20]))}"]
    if specification is not None:
        lines += [f"- Assumed: {_line(each)}" for each in specification.assumptions]
    lines += [f"- Assumed: {_line(each.question)} {_line(each.assumed)}" for _, each in assumed_for_you(overview)]
    if lines[-1] == "":
        lines += ["Nothing."]
    if returned.manifest:
        lines += [
            "", "## How it is run", "",
            "These commands were used. As `product.toml` in the root they would be found again; the branch has none.",
            "", "```toml", printable(returned.manifest.rstrip()).replace("```", "'''"), "```",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _row(state: CriterionState) -> str:
    titles = "; ".join(f"{_line(scenario.title)}" for scenario in state.scenarios)
    priority = f"{state.criterion.id} {state.criterion.priority}"
    return (
        f"| {priority} | {_cell(state.criterion.text)} | {_WORDS.get(state.status, state.status)} | {_cell(titles)} |"
    )


def _line(text: str) -> str:
    return " ".join(printable(text).split())


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")
