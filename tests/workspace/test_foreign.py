"""A person's repository is taken in and given a branch, and nothing of it is run, moved or lost."""

from pathlib import Path

import pytest

from macrohard.errors import RequestError
from macrohard.workspace import Foreign, Repository
from tests.workspace.conftest import LIMIT, Workshop, run_git

FILES: dict[str, str | bytes] = {"app.py": "print('hi')\n", "docs/guide.md": "# Guide\n", ".gitignore": "*.pyc\n"}


@pytest.fixture
def mine(tmp_path: Path) -> Workshop:
    """A repository with two commits."""
    shop = Workshop(tmp_path / "mine")
    shop.commit({"app.py": "print('h')\n"}, "Begin")
    shop.commit(FILES, "Say hi")
    return shop


async def taken_in(repository: Repository, place: Path, *, include_changes: bool = False) -> tuple[str, str]:
    taken = await Foreign(place).take(include_changes=include_changes)
    assert await repository.fetch(taken.bundle, ref="base", limit_bytes=LIMIT) == taken.commit
    return taken.head, taken.commit


async def worked(repository: Repository, base: str, tmp_path: Path, files: dict[str, str | bytes]) -> str:
    """What an agent leaves: a commit on top of the base."""
    shop = Workshop(tmp_path / "agent")
    (tmp_path / "base.bundle").write_bytes(await repository.bundle(base))
    shop.git("fetch", "-q", str(tmp_path / "base.bundle"), "HEAD")
    shop.git("reset", "-q", "--hard", base)
    shop.commit(files, "Add a farewell")
    return await repository.fetch(shop.bundle(), ref="work", limit_bytes=LIMIT)


async def test_the_files_are_taken_without_their_history(mine: Workshop, repository: Repository) -> None:
    head, base = await taken_in(repository, mine.path)
    assert head == mine.head()
    assert set(await repository.files(base)) == set(FILES)
    assert len(await repository.log(base)) == 1
    assert (await Foreign(mine.path).take(include_changes=False)).commit == base, "the same files, the same commit"


async def test_uncommitted_work_is_told_and_taken_only_when_wanted(mine: Workshop, repository: Repository) -> None:
    mine.write({"app.py": "print('hello')\n", "new.txt": "new\n", "junk.pyc": b"\0"})
    taken = await Foreign(mine.path).take(include_changes=False)
    assert set(taken.uncommitted) == {"app.py", "new.txt"}
    _, base = await taken_in(repository, mine.path)
    assert await repository.read(base, "app.py") == b"print('hi')\n"
    _, base = await taken_in(repository, mine.path, include_changes=True)
    assert await repository.read(base, "app.py") == b"print('hello')\n"
    assert "new.txt" in await repository.files(base)
    assert mine.git("status", "--porcelain").split() == [b"M", b"app.py", b"??", b"new.txt"]


async def test_the_result_is_a_new_branch_and_a_patch(mine: Workshop, repository: Repository, tmp_path: Path) -> None:
    head, base = await taken_in(repository, mine.path)
    work = {"app.py": "print('hi')\nprint('bye')\n", "product.toml": "kind = 'cli'\n"}
    tip = await worked(repository, base, tmp_path, {**work})
    foreign = Foreign(mine.path)
    back = await foreign.written_back(repository.path, tip, stands_for={base: head}, without="product.toml")
    assert await foreign.publish(back, branch="macrohard/farewell") == "macrohard/farewell"
    assert await foreign.publish(back, branch="macrohard/farewell") == "macrohard/farewell", "twice is once"
    assert mine.git("symbolic-ref", "HEAD").strip() == b"refs/heads/main"
    assert mine.head() == head
    assert mine.git("status", "--porcelain") == b""
    assert mine.git("log", "--format=%s", "macrohard/farewell").split(b"\n")[:3] == [
        b"Add a farewell", b"Say hi", b"Begin",
    ]  # fmt: skip
    assert mine.git("diff", "--name-only", "main", "macrohard/farewell").split() == [b"app.py"]
    mine.git("fsck", "--strict", "--no-dangling")
    (tmp_path / "changes.patch").write_bytes(back.patch)
    mine.git("apply", str(tmp_path / "changes.patch"))
    assert (mine.path / "app.py").read_text() == work["app.py"]


async def test_a_branch_of_that_name_is_left_alone(mine: Workshop, repository: Repository, tmp_path: Path) -> None:
    head, base = await taken_in(repository, mine.path)
    mine.git("branch", "macrohard/farewell")
    mine.git("pack-refs", "--all")
    tip = await worked(repository, base, tmp_path, {"app.py": "print('bye')\n"})
    foreign = Foreign(mine.path)
    back = await foreign.written_back(repository.path, tip, stands_for={base: head}, without=None)
    assert await foreign.publish(back, branch="macrohard/farewell") == "macrohard/farewell-2"
    assert mine.git("rev-parse", "macrohard/farewell").decode().strip() == head


async def test_changes_taken_along_are_a_commit_of_their_own(
    mine: Workshop, repository: Repository, tmp_path: Path
) -> None:
    mine.write({"app.py": "print('hello')\n"})
    head, base = await taken_in(repository, mine.path, include_changes=True)
    tip = await worked(repository, base, tmp_path, {"docs/guide.md": "# Guide\nSay bye.\n"})
    foreign = Foreign(mine.path)
    back = await foreign.written_back(repository.path, tip, stands_for={base: head}, without=None)
    await foreign.publish(back, branch="macrohard/farewell")
    said = mine.git("log", "--format=%s", "main..macrohard/farewell").decode().splitlines()
    assert said == ["Add a farewell", "Changes that were not committed"]


async def test_nothing_that_a_repository_configures_is_run(
    mine: Workshop, repository: Repository, tmp_path: Path
) -> None:
    """Attack E: programs named in a git folder."""
    witness = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {witness}\ncat\n")
    program.chmod(0o755)
    mine.commit({".gitattributes": "*.py filter=x diff=x merge=x\n"})
    head = mine.head()
    for name in ("core.fsmonitor", "filter.x.clean", "filter.x.smudge", "diff.x.textconv", "diff.external",
                 "merge.x.driver", "core.sshCommand", "uploadpack.packObjectsHook", "gpg.program"):  # fmt: skip
        mine.git("config", name, str(program))
    mine.git("config", "core.hooksPath", str(tmp_path))
    for hook in ("reference-transaction", "post-checkout", "pre-commit", "update", "post-update"):
        (mine.path / ".git" / "hooks").mkdir(exist_ok=True)
        for place in (tmp_path / hook, mine.path / ".git" / "hooks" / hook):
            place.write_bytes(program.read_bytes())
            place.chmod(0o755)
    (mine.path / "app.py").write_text("print('changed')\n")
    foreign = Foreign(mine.path)
    taken = await foreign.take(include_changes=True)
    base = await repository.fetch(taken.bundle, ref="base", limit_bytes=LIMIT)
    tip = await worked(repository, base, tmp_path, {"docs/guide.md": "# New\n"})
    back = await foreign.written_back(repository.path, tip, stands_for={base: head}, without=None)
    await foreign.publish(back, branch="macrohard/x")
    assert await foreign.head() == head
    assert not witness.exists()


async def test_a_work_tree_beside_and_a_shallow_clone_and_a_bundle_are_understood(
    mine: Workshop, repository: Repository, tmp_path: Path
) -> None:
    _, base = await taken_in(repository, mine.path)
    mine.git("worktree", "add", "-q", str(tmp_path / "beside"), "-b", "other")
    assert (await Foreign(tmp_path / "beside").take(include_changes=False)).branch == "other"
    run_git("clone", "-q", "--depth=1", f"file://{mine.path}", str(tmp_path / "shallow"))
    shallow = Foreign(tmp_path / "shallow")
    taken = await shallow.take(include_changes=False)
    assert taken.head == mine.head()
    tip = await worked(repository, base, tmp_path, {"app.py": "print('bye')\n"})
    back = await shallow.written_back(repository.path, tip, stands_for={base: taken.head}, without=None)
    assert await shallow.publish(back, branch="macrohard/x") == "macrohard/x"
    run_git("-C", str(tmp_path / "shallow"), "fsck", "--no-dangling")
    bundle = tmp_path / "mine.bundle"
    bundle.write_bytes(mine.bundle())
    assert (await Foreign(bundle).take(include_changes=False)).head == mine.head()
    patch = (
        await Foreign(bundle).written_back(repository.path, tip, stands_for={base: mine.head()}, without=None)
    ).patch
    assert b"+print('bye')" in patch


async def test_what_cannot_be_taken_is_refused_with_what_to_do(mine: Workshop, tmp_path: Path) -> None:
    empty = Workshop(tmp_path / "empty")
    for place, complaint in (
        (tmp_path / "nowhere", "there is no folder"),
        (empty.path, "commit there first"),
        (mine.path / "docs", "a part of the repository"),
        (tmp_path, "not a git repository"),
    ):
        with pytest.raises(RequestError, match=complaint):
            await Foreign(place).take(include_changes=False)
    mine.commit_tree(mine.tree(("160000", "vendored", mine.head())))
    with pytest.raises(RequestError, match=r"submodules.*vendored"):
        await Foreign(mine.path).take(include_changes=False)


async def test_large_file_storage_is_told(mine: Workshop) -> None:
    mine.commit({".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n"})
    assert "Git LFS" in " ".join((await Foreign(mine.path).take(include_changes=False)).notes)
