"""Merges that break a product are found by halves and go back; real git, real sandboxes, real tests of the product."""

import subprocess
from pathlib import Path

import pytest

from macrohard.factory.integration import Queue, integrate_branches
from macrohard.sandbox import SandboxProvider
from macrohard.workspace import Repository

MANIFEST = 'kind = "library"\nname = "Sums"\n[commands]\ntest = "sh check.sh"\n'
CHECK = 'for file in *.sum; do test "$(sed -n 1p $file)" = right || { echo $file is wrong; exit 1; }; done\n'


class Products:
    """A person's clone, whose commits are let into the run's repository."""

    def __init__(self, folder: Path, repository: Repository) -> None:
        self._folder, self._repository = folder, repository
        folder.mkdir()
        self._git("init", "-q", "-b", "main")

    def _git(self, *arguments: str) -> str:
        named = ("-c", "user.name=coder", "-c", "user.email=coder@example.invalid")
        done = subprocess.run(
            ["git", "-C", str(self._folder), *named, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    async def commit(self, name: str, files: dict[str, str], *, on: str | None = None) -> str:
        """A branch with these files."""
        if on is not None:
            self._git("checkout", "-q", "--detach", on)
        for path, content in files.items():
            (self._folder / path).write_text(content)
        self._git("add", "-A")
        self._git("commit", "-q", "-m", name)
        self._git("branch", "-f", name)
        bundle = self._folder.parent / f"{name}.bundle"
        self._git("bundle", "create", "-q", str(bundle), name)
        return await self._repository.fetch(bundle.read_bytes(), ref=f"refs/sessions/1/{name}", limit_bytes=1 << 20)


async def queued(
    sandboxes: SandboxProvider, repository: Repository, base: str, branches: list[tuple[str, str]]
) -> Queue:
    async def tell(text: str) -> None:
        assert text.startswith("merg")

    return await integrate_branches(
        sandboxes,
        repository,
        image="base",
        base=base,
        branches=branches,
        titles={},
        ref="refs/sessions/1/queue",
        tell=tell,
    )


@pytest.fixture
async def repository(tmp_path: Path) -> Repository:
    return await Repository.create(tmp_path / "repository.git")


async def test_the_branch_that_breaks_the_product_goes_back_and_the_others_stay(
    sandboxes: SandboxProvider, repository: Repository, tmp_path: Path
) -> None:
    products = Products(tmp_path / "clone", repository)
    base = await products.commit("base", {"product.toml": MANIFEST, "check.sh": CHECK, "a.sum": "right\n"})
    branches = [
        (f"T-{number}", await products.commit(f"t{number}", {f"{number}.sum": said}, on=base))
        for number, said in enumerate(("right\n", "wrong\n", "right\n"), 1)
    ]
    queue = await queued(sandboxes, repository, base, branches)
    assert queue.health.state == "whole"
    assert set(await repository.files(queue.head)) == {"product.toml", "check.sh", "a.sum", "1.sum", "3.sum"}
    (returned,) = queue.returned
    assert returned.task == "T-2"
    assert "2.sum is wrong" in returned.problem
    assert "2.sum" in await repository.files(returned.base), "whoever mends it finds it, among the others' work"
    assert "3.sum" in await repository.files(returned.base)

    mended = await products.commit("mended", {"b.sum": "right\n"}, on=base)
    alone = await queued(sandboxes, repository, base, [("T-2", branches[1][1]), ("T-4", mended)])
    assert [each.task for each in alone.returned] == ["T-2"]

    other = await products.commit("other", {"1.sum": "right\nby another\n"}, on=base)
    conflict = await queued(sandboxes, repository, base, [branches[0], ("T-5", other)])
    assert conflict.head == base
    assert "1.sum" in conflict.conflict


async def test_nobody_is_blamed_for_parts_of_a_product_that_was_never_whole(
    sandboxes: SandboxProvider, repository: Repository, tmp_path: Path
) -> None:
    products = Products(tmp_path / "clone", repository)
    base = await products.commit("base", {"README.md": "To be built.\n"})
    manifest = await products.commit("t1", {"product.toml": MANIFEST, "check.sh": CHECK}, on=base)
    wrong = await products.commit("t2", {"1.sum": "wrong\n"}, on=base)
    queue = await queued(sandboxes, repository, base, [("T-1", manifest), ("T-2", wrong)])
    assert queue.health.state == "broken"
    assert queue.returned == ()
    assert {"product.toml", "1.sum"} <= set(await repository.files(queue.head))
