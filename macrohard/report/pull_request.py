"""The text of a pull request: what, why, what shows that it holds, and what is open."""

from macrohard.domain import CriterionState, RunOverview
from macrohard.domain.ground import ChangedFile, Ground, HandedBack
from macrohard.domain.printable import printable
from macrohard.product.earlier import is_test
from macrohard.report.origin import tests_after, tests_before
from macrohard.report.said import said_of
from macrohard.report.story import assumed_for_you

FILES_LISTED = 60
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
    lines += ["## What changed", "", *_what_changed(overview, returned)]
    lines += ["", "## Criteria", "", "| | criterion | | shown by |", "|---|---|---|---|"]
    lines += [_row(state) for state in overview.criteria]
    lines += ["", "## How it was tested", ""]
    lines += [
        f"- Before: the repository's own tests at {ground.provenance.head[:10]}: {_line(tests_before(overview))}.",
        f"- After: {_line(tests_after(overview))}.",
        f"- {sum(len(state.scenarios) for state in overview.criteria)} acceptance scenarios that the authors of the "
        f"code had not seen, in fresh sandboxes, on commit {returned.verified[:10]} of run {summary.id}"
        + (", which has the same files." if returned.verified != returned.commit else "."),
    ]
    if tests := _existing_tests(returned):
        lines += [f"- {tests}"]
    if choices := _choices(overview):
        lines += ["", "## Choices made", "", *(f"- {_line(each)}" for each in choices)]
    lines += [
        "",
        "## What is open",
        "",
        *([f"- {_line(each)}" for each in _open(overview, ground, returned)] or ["Nothing."]),
    ]
    if returned.manifest:
        lines += [
            "", "## How it is run", "",
            "These commands were used. As `product.toml` in the root they would be found again; the branch has none.",
            "", "```toml", printable(returned.manifest.rstrip()).replace("```", "'''"), "```",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _what_changed(overview: RunOverview, returned: HandedBack) -> list[str]:
    """In the words of those who did it, or else by the titles of tasks; then file by file."""
    titles = [
        f"{task.title} ({', '.join(task.criteria) or 'no criterion'})"
        for iteration in overview.iterations
        if iteration.kept is not False
        for task in iteration.tasks
    ]
    lines = [f"- {_line(each)}" for each in [point.in_words for point in said_of(overview).work] or titles]
    if returned.files:
        lines += ["", "| file | | lines |", "|---|---|---|"]
        lines += [f"| {_code(file.path)} | {file.fate} | {_lines(file)} |" for file in returned.files[:FILES_LISTED]]
        if (more := len(returned.files) - FILES_LISTED) > 0:
            lines += ["", f"and {more} more files."]
    return lines


def _existing_tests(returned: HandedBack) -> str:
    """What became of tests that were there before, by the diff; empty if nothing is known of it."""
    if not returned.files:
        return ""
    touched = [file for file in returned.files if file.fate != "new" and is_test(file.path)]
    rewritten = [
        f"{_code(file.path)} ({'removed' if file.fate == 'removed' else _lines(file)})"
        for file in touched
        if file.removed or file.fate == "removed"
    ]
    added_to = [_code(file.path) for file in touched if not file.removed and file.fate != "removed"]
    said = f"Existing tests changed: {', '.join(rewritten) or 'none'}."
    return f"{said} Only added to: {', '.join(added_to)}." if added_to else said


def _choices(overview: RunOverview) -> list[str]:
    """What was decided without the person."""
    specification = overview.specification
    return [
        *(specification.assumptions if specification is not None else ()),
        *(f"{each.question} {each.assumed}" for _, each in assumed_for_you(overview)),
        *(point.in_words for point in said_of(overview).decisions),
    ]


def _open(overview: RunOverview, ground: Ground, returned: HandedBack) -> list[str]:
    """What the reviewer has to know or to decide."""
    failed = ground.baseline.failed
    return [
        *ground.provenance.notes,
        *returned.notes,
        *(f"{state.criterion.id}: {state.criterion.text}" for state in overview.criteria if state.status != "met"),
        *([f"These failed before as well: {', '.join(failed[:20])}"] if failed else []),
        *(point.in_words for point in said_of(overview).open_points),
    ]


def _lines(file: ChangedFile) -> str:
    return f"+{file.added} -{file.removed}"


def _code(path: str) -> str:
    quoted = _cell(path).replace("`", "'")
    return f"`{quoted}`"


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
