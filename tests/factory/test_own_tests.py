"""A product's own tests that cannot fail are found, told to a coder once, and said in the report; nothing else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from macrohard.domain.ground import Ground
from macrohard.domain.provenance import Provenance
from macrohard.factory.baseline import compared, run_tests
from macrohard.factory.context import FactoryContext
from macrohard.factory.quality import quality_of_tests
from macrohard.sandbox import SandboxProvider
from macrohard.workspace import Repository
from tests.factory.conftest import Macrohard
from tests.factory.test_integration import Products
from tests.product.conftest import MemoryArtifacts
from tests.serving import program


@pytest.fixture
def lax(repository_root: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The endpoint is a model whose tests cannot fail, whoever is asked for better ones."""
    settings = tmp_path / "settings.toml"
    with program("tests.factory.small", root=repository_root) as port:
        settings.write_text(
            f'base_url = "http://127.0.0.1:{port}/v1"\nmodel = "lax"\n'
            "[prices.lax]\ninput = 0.0\ncached_input = 0.0\noutput = 0.0\n"
        )
        yield {"MACROHARD_SETTINGS": str(settings), "MACROHARD_TEST_QUALITY": "true"}


@pytest.mark.usefixtures("sandboxes")
def test_tests_that_cannot_fail_are_told_to_a_coder_once_and_do_not_keep_the_product_back(
    macrohard: Macrohard, lax: dict[str, str], tmp_path: Path
) -> None:
    requirement = "A command-line tool that counts words. Unknown options are refused."
    ended = macrohard("build", requirement, "--yes", "--out", str(tmp_path / "words"), environment=lax)
    assert ended.code == 0, ended.told[-3000:]
    overview = macrohard("show", ended.result["run"]).result["overview"]
    first, second = overview["iterations"]
    for iteration in (first, second):
        assert iteration["kept"]
        (weak,) = [verdict for verdict in iteration["verdicts"] if verdict["kind"] == "test quality"]
        assert weak["status"] == "failed"
        assert (
            "the product's own tests noticed 0 of 6 lines that were broken on purpose; not counting.py:"
            in weak["summary"]
        )
    assert second["reason"] == "everything that is covered holds; the product's own tests are as weak as before"
    assert [task["agent"] for task in second["tasks"]] == ["test-author"]
    assert "hardly notice broken code" in second["tasks"][0]["instructions"]
    assert {row["status"] for row in overview["criteria"]} == {"met"}
    report = (tmp_path / "words" / "report.html").read_text()
    assert "noticed 0 of 6 lines" in report[report.index('id="holds"') : report.index('id="asked"')]


OLD = {
    "product.toml": 'kind = "library"\nname = "X"\n[commands]\ntest = "python3 -m pytest -q"\n',
    "greet.py": 'def greet(name):\n    return f"Hello, {name}"\n',
    "test_greet.py": 'from greet import greet\n\n\ndef test_greet():\n    assert greet("Ada") == "Hello, Ada"\n',
}
LOUD = {"greet.py": OLD["greet.py"] + "\n\ndef loud(name):\n    return greet(name).upper()\n"}


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        pytest.param(LOUD, "failed", "no test was added or changed for it", id="no test"),
        pytest.param(
            LOUD | {"test_loud.py": "def test_loud():\n    assert 'ADA'.isupper()\n"},
            "failed",
            "all of them pass without the change, too",
            id="a test of nothing",
        ),
        pytest.param(
            LOUD | {"test_loud.py": "import greet\n\ndef test_loud():\n    assert greet.loud('Ada') == 'HELLO, ADA'\n"},
            "passed",
            "without the change these fail: 1 of 2 tests: test_loud.py::test_loud",
            id="a test of it",
        ),
    ],
)  # fmt: skip
async def test_the_tests_of_a_change_have_to_fail_without_it(
    sandboxes: SandboxProvider, tmp_path: Path, change: dict[str, str], status: str, said: str
) -> None:
    repository = await Repository.create(tmp_path / "repository.git")
    products = Products(tmp_path / "clone", repository)
    before = await products.commit("old", OLD)
    after = await products.commit("new", change, on=before)
    context = surroundings(sandboxes, repository)
    baseline = await run_tests(context, before)
    provenance = Provenance(kind="repository", place=str(tmp_path), head=before, base=before)
    ground = Ground(provenance=provenance, commit=before, own_manifest=True, about={}, baseline=baseline)
    tests = compared(baseline, await run_tests(context, after))
    assert tests.status == "passed"
    (verdict,) = await quality_of_tests(surroundings(sandboxes, repository, context.artifacts, ground), after, tests)
    assert (verdict.kind, verdict.status) == ("new tests", status)
    assert said in verdict.summary


def surroundings(
    sandboxes: SandboxProvider, repository: Repository, artifacts: Any = None, ground: Ground | None = None
) -> FactoryContext:
    """What checks need of it."""
    given = {
        "sandboxes": sandboxes,
        "repository": repository,
        "artifacts": artifacts or MemoryArtifacts(),
        "ground": ground,
    }
    rest = {name: None for name in FactoryContext.__dataclass_fields__ if name not in given}
    return FactoryContext(**cast(Any, given | rest))
