"""What the report says of a run that did not begin from nothing."""

import re

from macrohard.domain import JsonObject, RunOverview
from macrohard.domain.ground import Ground, HandedBack, TestResults, Work
from macrohard.domain.provenance import Provenance
from macrohard.domain.review import Mended
from macrohard.domain.run import Assumed
from macrohard.domain.specification import Superseded
from macrohard.report import pull_request, render
from tests.report.sample import HOSTILE, SECOND, Cupboard, overview

HEAD = "ab" * 20


async def told(run: RunOverview, cupboard: Cupboard) -> str:
    """The report's words, without what it looks like."""
    page = await render(run, cupboard)
    assert HOSTILE not in page
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition("<body>")[2]).split())


def begun(run: RunOverview, provenance: Provenance, **more: object) -> RunOverview:
    """The run, as it began from there."""
    baseline = TestResults(commit=HEAD, passed=("one", "two"), failed=("three",), exit_code=1, output="", seconds=1.0)
    about: JsonObject = {}
    ground = Ground(provenance=provenance, commit=HEAD, own_manifest=True, about=about, baseline=baseline)
    kept = run.iterations[-1]
    tests = kept.verdicts[0].model_copy(
        update={"check": "tests", "kind": "tests", "criterion": None, "summary": "2 passed; all 2 still do"}
    )
    iterations = (*run.iterations[:-1], kept.model_copy(update={"verdicts": (*kept.verdicts, tests)}))
    update = {"provenance": provenance, "ground": ground, "iterations": iterations, "product_commit": SECOND, **more}
    return run.model_copy(update=update)


async def test_a_repository_is_shown_with_its_tests_and_what_each_task_changed_for_which_criteria(
    cupboard: Cupboard,
) -> None:
    patch = await cupboard.put(f"+ greeting {HOSTILE}\n".encode() + b"+ more\n" * 3000, media_type="text/x-diff")
    work = Work(
        title="Add greetings", agent="coder", criteria=("AC-1",), commits=(SECOND,), files=("greet.py",), patch=patch
    )
    origin = Provenance(
        kind="repository", place=f"/home/ada/greet{HOSTILE}", branch="main", head=HEAD, base=HEAD,
        uncommitted=("notes.txt",), notes=("Something was left.",),
    )  # fmt: skip
    back = HandedBack(commit=SECOND, verified=SECOND, branch="macrohard/greet", patch=patch, merged="cd" * 20)
    run = begun(overview({}), origin, works=(work, work.model_copy(update={"patch": "0" * 64})), returned=back)
    text = await told(run, cupboard)
    for part in (
        "What it began from: /home/ada/greet", f"Base commit {HEAD}", "Branch main",
        "notes.txt: left where they were", "Tests before 2 passed and 1 failed", "Tests after 2 passed; all 2 still do",
        f"branch macrohard/greet, commit {SECOND}", "which was committed meanwhile", "Something was left.",
        "AC-2 to AC-4 hold without a change made for them", "AC-1 Add greetings (coder) 1 file: greet.py",
        "+ greeting", "… cut; the history has all of it",
    ):  # fmt: skip
        assert part in text, part
    assert "2 passed; all 2 still do" in pull_request(run)


async def test_an_improvement_is_shown_with_what_does_not_hold_any_more_and_what_was_assumed(
    cupboard: Cupboard,
) -> None:
    run = overview({})
    assert run.specification is not None
    gone = Superseded(criterion=run.criteria[1].criterion, reason=f"“never tick off” {HOSTILE}")
    specification = run.specification.model_copy(update={"superseded": (gone,)})
    session = run.sessions[0].model_copy(update={"assumed": (Assumed(question="Which currency?", assumed="euro"),) * 2})
    run = begun(
        run, Provenance(kind="run", place="r-before", head=HEAD, base=HEAD),
        specification=specification, sessions=(session, session),
        mended=tuple(Mended(scenario=each, reason="A price is required.") for each in ("S-1", "S-3")),
    )  # fmt: skip
    text = await told(run, cupboard)
    for part in (
        "What it goes on with: run r-before", "AC-2 A task can be marked done", "never tick off",
        "S-1, S-3 A price is required.", f"Which currency? euro ({session.agent}, while at work)",
    ):  # fmt: skip
        assert part in text, part
    assert text.count("Which currency?") == 1
    assert "What it began from" not in await told(overview({}), cupboard)
