"""Tests that were bent until they passed are run as they were."""

import pytest

from macrohard.domain import Verdict
from macrohard.product.earlier import is_test, verify_earlier_tests
from macrohard.sandbox import SandboxProvider
from tests.product.conftest import PRODUCTS, Commit, MakeCommit, MemoryArtifacts

TEST = "tests/test_app.py"
AS_IT_WAS = (PRODUCTS / "tasks" / TEST).read_bytes()
MANIFEST = (PRODUCTS / "tasks" / "product.toml").read_bytes()
OTHER_WORDS = {"app.py": {"Title is required.": "No title."}, TEST: {"Title is required.": "No title."}}


async def earlier(provider: SandboxProvider, commit: Commit, *, manifest: bytes = MANIFEST) -> Verdict:
    return await verify_earlier_tests(
        provider, bundle=commit.bundle, commit=commit.commit, manifest=manifest, changed={TEST: AS_IT_WAS},
        artifacts=MemoryArtifacts(),
    )  # fmt: skip


async def test_an_expectation_that_was_changed_with_the_code_is_named(
    provider: SandboxProvider, make_commit: MakeCommit
) -> None:
    verdict = await earlier(provider, make_commit("tasks", OTHER_WORDS))
    assert (verdict.status, verdict.kind, verdict.check) == ("failed", "earlier tests", "earlier tests")
    assert verdict.summary.startswith(
        f"{TEST} changed; as they were before they do not pass any more: the tests failed"
    )
    assert "Title is required." in verdict.summary
    assert verdict.evidence


async def test_a_test_command_that_runs_nothing_does_not_help(
    provider: SandboxProvider, make_commit: MakeCommit
) -> None:
    nothing = {"product.toml": {"python3 -m pytest -q -p no:cacheprovider tests": "echo 2 passed"}}
    assert (await earlier(provider, make_commit("tasks", OTHER_WORDS | nothing))).status == "failed"


async def test_tests_that_were_only_added_to_pass_as_they_were(
    provider: SandboxProvider, make_commit: MakeCommit
) -> None:
    more = {TEST: {"def test_a_title_is_enough": "def test_more():\n    assert app\n\n\ndef test_a_title_is_enough"}}
    verdict = await earlier(provider, make_commit("tasks", more))
    assert (verdict.status, verdict.summary) == (
        "passed", f"{TEST} changed; as they were before they pass, too: 2 tests passed",
    )  # fmt: skip


async def test_what_cannot_be_installed_is_nobodys_failure(provider: SandboxProvider, make_commit: MakeCommit) -> None:
    broken = make_commit("tasks", {"product.toml": {"python3 --version": "false"}})
    assert (await earlier(provider, broken)).status == "not run"


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("tests/test_app.py", True),
        ("tests/data/prices.csv", True),
        ("src/board.test.js", True),
        ("src/__tests__/board.jsx", True),
        ("app_test.go", True),
        ("conftest.py", True),
        ("app/testing.py", False),
        ("contest.py", False),
        ("latest/app.py", False),
        ("docs/tests.md", False),
    ],
)
def test_what_belongs_to_the_tests_is_told_by_its_path(path: str, is_one: bool) -> None:
    assert is_test(path) == is_one
