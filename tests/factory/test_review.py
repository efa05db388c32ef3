"""What two readers found at one place is told as one; who read the code before is told what changed, and no more."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from macrohard.agent.definition import load_catalogue
from macrohard.domain import Checked, Criterion, Design, Finding, Route, Screen, Specification
from macrohard.events import Doubted, Found
from macrohard.factory.context import FactoryContext
from macrohard.factory.contract import criteria_served, matters, touched
from macrohard.factory.panel import clustered
from macrohard.factory.problems import Findings
from macrohard.factory.review import Review, review
from macrohard.factory.state import ReviewInput, VisitInput
from macrohard.factory.usage import BEFORE, Inspection, to_test_again, use
from macrohard.factory.verification import TESTER
from macrohard.workspace import Repository
from tests.product.conftest import MemoryArtifacts


def found(by: str, line: int, title: str, *, file: str = "app.py") -> Finding:
    return Finding.model_validate({
        "id": f"{by}-1", "commit": "c", "found_by": by, "category": "misleading", "severity": 2, "title": title,
        "detail": f"{file}:{line}: …", "file": file, "line": line,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("other", "many"),
    [
        pytest.param(found("security", 7, "Anybody may delete"), 1, id="the same line"),
        pytest.param(found("security", 10, "The owner of a note is never asked"), 1, id="a line near, the same words"),
        pytest.param(found("security", 10, "Quadratic in the number of notes"), 2, id="a line near, another thing"),
        pytest.param(found("security", 70, "The owner of a note is never asked"), 2, id="another place"),
        pytest.param(found("security", 7, "The owner is never asked", file="b.py"), 2, id="another file"),
    ],
)
def test_what_two_reviewers_found_at_one_place_is_one_finding(other: Finding, many: int) -> None:
    told = clustered([found("correctness", 7, "The owner of a note is never asked"), other], panel=1)
    assert len(told) == many
    assert {finding.severity for finding in told} == {2}, "reviewers are no panel: two of them make nothing worse"
    if many == 1:
        assert told[0].seen_by == ("correctness", "security")


SPECIFICATION = Specification(
    decision="build",
    title="Notes",
    stories=("As a writer, I note.",),
    criteria=tuple(
        Criterion(id=f"AC-{number}", text=f"Rule {number}.", priority="MUST", source="their words")
        for number in range(1, 6)
    ),
)
DESIGN = Design(
    summary="Notes.",
    screens=tuple(Screen(path=path, title=path, purpose="") for path in ("/", "/notes/{id}/edit", "/people")),
    routes=(Route(method="GET", path="/api/notes/:id", purpose=""), Route(method="GET", path="/api/tags", purpose="")),
    conventions=("Dates are written 2026-11-22.",),
)


def test_who_saw_it_before_is_told_what_a_change_touches() -> None:
    told = touched(SPECIFICATION, DESIGN, told="+@get('/notes/<id>/edit')\n# AC-3", criteria={"AC-2"}, pages=("/",))
    specification, design = cast(dict[str, Any], told["specification"]), Design.model_validate(told["design"])
    assert [criterion["text"] for criterion in specification["criteria"]] == ["Rule 2.", "Rule 3."]
    assert "their words" not in str(specification)
    assert [screen.path for screen in design.screens] == ["/", "/notes/{id}/edit"]
    assert design.routes == ()
    assert design.conventions == DESIGN.conventions, "what holds everywhere is told always"


def test_where_nothing_is_named_everything_may_be_touched() -> None:
    told = touched(SPECIFICATION, DESIGN, told="+margin: 0", criteria=())
    assert Design.model_validate(told["design"]) == DESIGN
    assert str(told["specification"]).count("Rule ") == len(SPECIFICATION.criteria)


class Desk:
    """What a node that asks nobody needs of its context: three commits, documents, and what was told."""

    def __init__(self, repository: Repository, root: Path) -> None:
        self.repository, self._artifacts, self.emitted = repository, MemoryArtifacts(), list[Any]()
        self.catalogue = load_catalogue([root / "agents"], images=frozenset({"base", "web"}))

    async def begin(self) -> None:
        empty, pages = await self.repository.initial_commit(), b"@get('/people')\n"
        self.code = await self.repository.with_file(empty, "app.py", b"pass\n", message="Begin")
        explained = "Explain\n\nCriteria: AC-1, AC-4"
        self.texts = await self.repository.with_file(self.code, "README.md", b"More.\n", message=explained)
        self.more = await self.repository.with_file(self.texts, "app.py", pages, message="Go on")

    async def emit(self, event: Any) -> None:
        self.emitted.append(event)

    async def keep(self, document: Any) -> str:
        return await self._artifacts.put(document.model_dump_json().encode(), media_type="application/json")

    async def load(self, kind: Any, digest: str) -> Any:
        return kind.model_validate_json(await self._artifacts.get(digest))

    @property
    def runtime(self) -> Any:
        return SimpleNamespace(context=self)


@pytest.fixture
async def desk(tmp_path: Path, repository_root: Path) -> Desk:
    made = Desk(await Repository.create(tmp_path / "any.git"), repository_root)
    await made.begin()
    return made


async def test_a_reviewer_is_left_out_where_nothing_changed_that_it_looks_at(desk: Desk) -> None:
    served = await criteria_served(desk.repository, before=desk.code, commit=desk.more)
    assert served == {"AC-1", "AC-4"}
    earlier = await desk.keep(Review(commit=desk.code, findings=(found("correctness-reviewer", 1, "Does nothing"),)))
    given = ReviewInput(
        iteration=2, specification="", design="", decisions=None, commit=desk.texts, reviewer="correctness-reviewer",
        earlier=earlier,
    )  # fmt: skip
    left = await review(given, desk.runtime)
    assert "reviews" not in left, "the next time it is told what changed since it read"
    assert [finding.title for finding in (await desk.load(Findings, left["findings"][0])).findings] == ["Does nothing"]
    assert [event.iteration for event in desk.emitted if isinstance(event, Found)] == [2], "what it found stands"


def visit_of(desk: Desk, commit: str, *, tested: str, contract: tuple[str, str]) -> VisitInput:
    return VisitInput(
        iteration=2, specification=contract[0], design=contract[1], commit=commit, visitor=TESTER, tested=tested,
        pictured=False, problems=None, gained=["AC-3", "tests"],
    )  # fmt: skip


async def test_a_tester_goes_where_something_changed_or_was_found_and_nowhere_where_nothing_did(desk: Desk) -> None:
    contract = (await desk.keep(SPECIFICATION), await desk.keep(DESIGN))
    noticed = found("product-tester", 0, "No way back", file="").model_copy(update={"page": "/notes/12/edit"})
    checklist = (Checked(criterion="AC-2", verdict="UNCLEAR", evidence="nothing to see"),)
    before = Inspection(commit=desk.code, findings=(noticed,), checklist=checklist)
    tested = await desk.keep(before)
    left = await use(visit_of(desk, desk.texts, tested=tested, contract=contract), desk.runtime)
    assert "tested" not in left
    [doubt] = [event for event in desk.emitted if isinstance(event, Doubted)]
    assert [(each.criterion, each.why) for each in doubt.unclear] == [("AC-2", f"{BEFORE} nothing to see")]
    assert (doubt.commit, len(doubt.checklist)) == (desk.texts, 1)
    assert [event.finding.title for event in desk.emitted if isinstance(event, Found)] == ["No way back"]

    given = visit_of(desk, desk.more, tested=tested, contract=contract)
    told = await to_test_again(cast(FactoryContext, desk), given, before, SPECIFICATION, DESIGN)
    criteria = cast(dict[str, Any], told["specification"])["criteria"]
    assert [criterion["id"] for criterion in criteria] == ["AC-1", "AC-2", "AC-3", "AC-4"]
    assert [screen.path for screen in Design.model_validate(told["design"]).screens] == ["/notes/{id}/edit", "/people"]
    assert [cast(dict[str, Any], each)["title"] for each in cast(list[Any], told["retest"])] == ["No way back"]
    assert told["elsewhere"] == ["/: /"]


@pytest.mark.parametrize(
    ("path", "tests", "looked_at"),
    [
        ("app.py", False, True),
        ("requirements.txt", False, True),
        ("docs/manual.html", True, False),
        ("static/sign.png", True, False),
        ("tests/test_app.py", False, False),
        ("tests/test_app.py", True, True),
    ],
)
def test_which_changes_are_looked_at(path: str, tests: bool, looked_at: bool) -> None:
    assert matters(path, tests=tests) == looked_at
