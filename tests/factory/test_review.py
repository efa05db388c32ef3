"""What two readers found at one place of the code is told as one, and never weighed as if users had stumbled."""

import pytest

from macrohard.domain import Finding
from macrohard.factory.panel import clustered


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
