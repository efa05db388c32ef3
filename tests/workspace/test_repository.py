"""What goes into a run's repository comes out of it again."""

import asyncio
import os
import time
from pathlib import Path, PurePath

import pytest

from macrohard.errors import RequestError, ToolError
from macrohard.workspace import MAIN, Repository
from macrohard.workspace.repository import LAID_OUT_BYTES, ROOM_SECONDS
from tests.workspace.conftest import LIMIT, Workshop, run_git


async def test_the_first_commit_is_the_same_everywhere(repository: Repository, tmp_path: Path) -> None:
    other = await Repository.create(tmp_path / "other.git")
    first = await repository.initial_commit()
    assert first == await repository.initial_commit() == await other.initial_commit()
    assert await repository.resolve(MAIN) == first
    assert await repository.files(first) == ()


async def test_creating_it_again_keeps_what_is_there(repository: Repository) -> None:
    first = await repository.initial_commit()
    again = await Repository.create(repository.path)
    assert await again.resolve(MAIN) == first


async def test_a_first_commit_does_not_move_main_back(repository: Repository, workshop: Workshop) -> None:
    commit = await repository.fetch(workshop_bundle(workshop, {"a": "1"}), ref=MAIN, limit_bytes=LIMIT)
    await repository.initial_commit()
    assert await repository.resolve(MAIN) == commit


def workshop_bundle(workshop: Workshop, files: dict[str, str | bytes], message: str = "Change") -> bytes:
    workshop.commit(files, message)
    return workshop.bundle()


async def test_a_bundle_makes_the_round_trip(repository: Repository, workshop: Workshop, tmp_path: Path) -> None:
    begin = await repository.initial_commit()
    (tmp_path / "out.bundle").write_bytes(await repository.bundle(MAIN))
    run_git("clone", "--quiet", str(tmp_path / "out.bundle"), str(tmp_path / "inside"))
    inside = Workshop(tmp_path / "inside")
    assert inside.head() == begin
    inside.commit({"app.py": "print(1)\n", "ä ö/ü.txt": "x"}, "Add the app\n\nCriteria: AC-1")
    commit = await repository.fetch(inside.bundle(f"{begin}..HEAD"), ref="r-1/1/implement/T-1", limit_bytes=LIMIT)
    assert commit == inside.head()
    assert await repository.resolve("r-1/1/implement/T-1") == commit
    assert await repository.resolve("r-1/1/implement/T-2") is None
    assert await repository.has(commit)
    assert not await repository.has("0" * 40)
    assert await repository.files(commit) == ("app.py", "ä ö/ü.txt")
    assert await repository.read(commit, "app.py") == b"print(1)\n"
    assert await repository.changed_files(begin, commit) == ("app.py", "ä ö/ü.txt")
    assert "+print(1)" in await repository.diff(begin, commit)


async def test_fetching_the_same_bundle_again_changes_nothing(repository: Repository, workshop: Workshop) -> None:
    bundle = workshop_bundle(workshop, {"a": "1"})
    first = await repository.fetch(bundle, ref="x", limit_bytes=LIMIT)
    assert first == await repository.fetch(bundle, ref="x", limit_bytes=LIMIT)
    assert list((repository.path / "incoming").iterdir()) == []


async def test_commits_without_a_branch_can_be_bundled(
    repository: Repository, workshop: Workshop, tmp_path: Path
) -> None:
    one = await repository.fetch(workshop_bundle(workshop, {"a": "1"}), ref="one", limit_bytes=LIMIT)
    two = await repository.fetch(workshop_bundle(workshop, {"a": "2"}), ref="two", limit_bytes=LIMIT)
    (tmp_path / "x.bundle").write_bytes(await repository.bundle(one, "two"))
    heads = run_git("bundle", "list-heads", str(tmp_path / "x.bundle")).decode().splitlines()
    assert heads == [f"{one} HEAD", f"{one} refs/commits/{one}", f"{two} refs/heads/two"]
    with pytest.raises(KeyError):
        await repository.bundle("three")


async def test_history_is_told_newest_first(repository: Repository, workshop: Workshop) -> None:
    workshop.commit({"a": "1", "b": "1"}, "First\n\nBy T-1\nfor AC-1")
    workshop.commit({"b": "2"}, "Second")
    workshop.git("switch", "--quiet", "-c", "side", "HEAD~1")
    workshop.commit({"c": "1"}, "\x01odd\n\n\x01body")
    workshop.git("switch", "--quiet", "main")
    workshop.git("merge", "--quiet", "--no-ff", "-m", "Merge", "side")
    commit = await repository.fetch(workshop.bundle(), ref=MAIN, limit_bytes=LIMIT)
    history = {entry.subject.strip("\x01"): entry for entry in await repository.log(commit)}
    assert next(iter(history)) == "Merge"
    assert list(history)[-1] == "First"
    assert history["First"].body == "By T-1\nfor AC-1"
    assert history["First"].author == "coder@agents"
    assert history["First"].files == ("a", "b")
    assert history["Second"].files == ("b",)
    assert history["odd"].files == ("c",)
    assert history["Merge"].files == ("c",)
    assert history["Merge"].hash == commit


async def test_an_empty_commit_has_no_files_in_history(repository: Repository) -> None:
    (only,) = await repository.log(await repository.initial_commit())
    assert (only.subject, only.files) == ("Begin", ())


async def test_a_long_diff_says_that_it_was_cut(repository: Repository, workshop: Workshop) -> None:
    begin = await repository.initial_commit()
    commit = await repository.fetch(workshop_bundle(workshop, {"a": "line\n" * 1000}), ref="x", limit_bytes=LIMIT)
    text = await repository.diff(begin, commit, limit_bytes=100)
    assert text.endswith("… cut after 100 bytes\n")


async def test_reading_what_is_not_there(repository: Repository, workshop: Workshop) -> None:
    commit = await repository.fetch(workshop_bundle(workshop, {"d/a": "123"}), ref="x", limit_bytes=LIMIT)
    for path in ("b", "d", "../d/a", "", "--help"):
        with pytest.raises(FileNotFoundError):
            await repository.read(commit, path)
    with pytest.raises(ToolError):
        await repository.read(commit, "d/a", limit_bytes=2)
    with pytest.raises(KeyError):
        await repository.read("1" * 40, "d/a")


@pytest.mark.parametrize(
    "name",
    ["", "-x", "--output=x", "a..b", "a/", "/a", "a//b", "a.lock", "a/b.lock", "a b", "a\nb", ".a", "a/.b", "a~1"],
)
async def test_names_that_are_no_branch_names(repository: Repository, name: str) -> None:
    begin = await repository.initial_commit()
    with pytest.raises(ValueError, match="not a branch name"):
        await repository.set_branch(name, begin)
    with pytest.raises(ValueError, match="not a branch name"):
        await repository.resolve(name)
    with pytest.raises(ValueError, match="not a branch name"):
        await repository.fetch(b"", ref=name, limit_bytes=LIMIT)


@pytest.mark.parametrize("commit", ["HEAD", "-p", "main", "a" * 39, "A" * 40])
async def test_words_that_are_no_commits(repository: Repository, commit: str) -> None:
    with pytest.raises(ValueError, match="not a commit hash"):
        await repository.log(commit)


async def test_a_lock_left_by_a_killed_git_is_no_obstacle(repository: Repository) -> None:
    begin = await repository.initial_commit()
    (repository.path / "refs" / "heads" / "main.lock").touch()
    await repository.set_branch(MAIN, begin)
    assert await repository.resolve(MAIN) == begin


async def test_what_a_killed_process_left_is_cleared_away(repository: Repository) -> None:
    for age, name in ((2 * ROOM_SECONDS, "old"), (0, "young")):
        room = repository.path / "incoming" / name
        room.mkdir()
        os.utime(room, (time.time() - age,) * 2)
    await Repository.create(repository.path)
    assert [room.name for room in (repository.path / "incoming").iterdir()] == ["young"]


async def test_several_sessions_fetch_at_once(repository: Repository, tmp_path: Path) -> None:
    shops = [Workshop(tmp_path / f"shop{number}") for number in range(6)]
    bundles = [workshop_bundle(shop, {f"{number}.txt": "x"}) for number, shop in enumerate(shops)]
    commits = await asyncio.gather(
        *(repository.fetch(bundle, ref=f"t/{n}", limit_bytes=LIMIT) for n, bundle in enumerate(bundles))
    )
    assert [await repository.resolve(f"t/{number}") for number in range(6)] == commits


async def test_one_folder_is_laid_out_as_it_was_and_nothing_leads_out_of_it(
    repository: Repository, workshop: Workshop, tmp_path: Path
) -> None:
    workshop.write({"a/b/one.md": "One.", "a/bc.md": "Not in it.", "secret": "Mine."})
    (workshop.path / "a/b/link.md").symlink_to("../../secret")
    commit = await repository.fetch(workshop_bundle(workshop, {}), ref="sessions/1", limit_bytes=LIMIT)
    laid = tmp_path / "laid"
    (laid / "a/b").mkdir(parents=True)
    (laid / "a/b/old.md").write_text("From another time.")
    await repository.lay_out(commit, PurePath("a/b"), laid)
    found = {str(path.relative_to(laid)): path.read_text() for path in laid.rglob("*") if path.is_file()}
    assert found == {"a/b/one.md": "One.", "a/b/link.md": "../../secret"}
    assert not (laid / "a/b/link.md").is_symlink()
    large = await repository.fetch(
        workshop_bundle(workshop, {"a/b/large.md": "x" * (LAID_OUT_BYTES + 1)}), ref="sessions/2", limit_bytes=LIMIT
    )
    with pytest.raises(RequestError, match=r"a/b/large\.md is larger than"):
        await repository.lay_out(large, PurePath("a/b"), laid)


async def test_a_copy_has_what_is_finished_and_nothing_that_others_are_about_to_write(
    repository: Repository, workshop: Workshop, tmp_path: Path
) -> None:
    files = {f"{number}.txt": f"{number}" for number in range(2)}
    early = await repository.fetch(workshop_bundle(workshop, {**files}), ref="refs/sessions/1/T-1", limit_bytes=LIMIT)
    late = await repository.fetch(workshop_bundle(workshop, {"a": "1"}), ref="refs/sessions/2/T-1", limit_bytes=LIMIT)
    unfinished = ("objects/pack/tmp_pack_1", "objects/aa/tmp_obj_1", "refs/heads/main.lock", "incoming/room/pack")
    for place in unfinished:
        (repository.path / place).parent.mkdir(parents=True, exist_ok=True)
        (repository.path / place).write_text("half of it")
    copy = await repository.copied(tmp_path / "copy.git", without="refs/sessions/2/.*")
    assert await copy.resolve("refs/sessions/1/T-1") == early
    assert await copy.resolve("refs/sessions/2/T-1") is None
    assert await copy.has(late)
    assert [place for place in unfinished if (copy.path / place).exists()] == []
    assert (copy.path / "macrohard-id").read_text() != (repository.path / "macrohard-id").read_text()
