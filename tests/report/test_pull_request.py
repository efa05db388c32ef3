"""What a reviewer of a branch is told: by code where code can tell, and who said it where it cannot."""

from macrohard.domain import RunOverview
from macrohard.domain.ground import ChangedFile, Ground, HandedBack, TestResults
from macrohard.domain.provenance import Provenance
from macrohard.report import pull_request
from tests.report.sample import overview


def returned(*files: tuple[str, str, int, int]) -> RunOverview:
    """The sample as a change of a person's repository: (path, fate, lines added, lines removed)."""
    began = Provenance(
        kind="repository", place="/home/ada", head="a" * 40, base="b" * 40, notes=("README.md is not committed.",)
    )
    tests = TestResults(commit="b" * 40, passed=("a",), exit_code=0, output="", seconds=1)
    changed = tuple(
        ChangedFile.model_validate({"path": path, "fate": fate, "added": added, "removed": removed})
        for path, fate, added, removed in files
    )
    back = HandedBack(commit="c" * 40, verified="d" * 40, patch="", files=changed)
    ground = Ground(provenance=began, commit="b" * 40, own_manifest=True, about={}, baseline=tests)
    return overview({}).model_copy(update={"provenance": began, "ground": ground, "returned": back})


def part(text: str, heading: str) -> str:
    return text.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_what_changed_is_told_by_those_who_did_it_and_file_by_file() -> None:
    changed = part(pull_request(returned(("app/pages.py", "changed", 12, 3), ("a|b`.py", "new", 1, 0))), "What changed")
    assert "- Did T-2 Pages. (coder in iteration 1)" in changed
    assert "| `app/pages.py` | changed | +12 -3 |" in changed
    assert "| `a\\|b'.py` | new | +1 -0 |" in changed
    silent = returned()
    nobody = silent.model_copy(
        update={"sessions": tuple(each.model_copy(update={"summary": ""}) for each in silent.sessions)}
    )
    assert "- Pages (AC-1, AC-3)\n" in part(pull_request(nobody), "What changed")


def test_which_existing_tests_were_changed_is_read_off_the_diff() -> None:
    text = pull_request(
        returned(
            ("tests/test_agenda.py", "changed", 36, 1), ("tests/test_old.py", "removed", 0, 9),
            ("tests/test_more.py", "changed", 4, 0), ("tests/test_new.py", "new", 20, 0),
        )
    )  # fmt: skip
    assert (
        "- Existing tests changed: `tests/test_agenda.py` (+36 -1), `tests/test_old.py` (removed). "
        "Only added to: `tests/test_more.py`.\n"
    ) in part(text, "How it was tested")
    assert "Existing tests changed: none." in pull_request(returned(("agenda.py", "changed", 2, 2)))
    assert "Existing tests" not in pull_request(returned())


def test_choices_and_what_is_open_are_two_things() -> None:
    text = pull_request(returned())
    choices, left = part(text, "Choices made"), part(text, "What is open")
    assert "- Everybody in the office sees the same list; there are no accounts." in choices
    assert "- Titles are trimmed before they are measured. (coder in iteration 1)" in choices
    assert "- README.md is not committed." in left
    assert "- AC-6: An e-mail is sent" in left
    assert "- Dates are those of the server's clock. (coder in iteration 1, coder in iteration 2)" in left
    assert "there are no accounts" not in left
