"""A delivery is a person's folder: it is brought up to date, and nothing in it that is theirs is lost."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from macrohard.errors import RequestError
from macrohard.workspace import Repository, delivery
from tests.workspace.conftest import LIMIT, Workshop, run_git

FIRST: dict[str, str | bytes] = {"README.md": "# One\n", "app/main.py": "1\n", "old.txt": "old\n", "same.txt": "same\n"}


@pytest.fixture
async def first(repository: Repository, workshop: Workshop) -> str:
    workshop.commit(FIRST, "First")
    return await repository.fetch(workshop.bundle(), ref="main", limit_bytes=LIMIT)


@pytest.fixture
async def second(repository: Repository, workshop: Workshop, first: str) -> str:
    (workshop.path / "old.txt").unlink()
    workshop.commit({"README.md": "# Two\n", "app/new.py": "2\n"}, "Second")
    return await repository.fetch(workshop.bundle(), ref="main", limit_bytes=LIMIT)


@pytest.fixture
def product(tmp_path: Path) -> Path:
    return tmp_path / "deliveries" / "todo"


def files(product: Path) -> dict[str, str]:
    return {
        path.relative_to(product).as_posix(): path.read_text()
        for path in product.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(product).parts
    }


def own_git(product: Path, *arguments: str) -> str:
    return run_git("-C", str(product), *arguments).decode().strip()


async def test_it_is_an_ordinary_repository(repository: Repository, second: str, product: Path) -> None:
    await repository.checkout(second, product)
    assert own_git(product, "status", "--porcelain") == ""
    assert own_git(product, "branch", "--show-current") == "main"
    assert own_git(product, "log", "--format=%s") == "Second\nFirst"
    assert own_git(product, "rev-parse", "HEAD") == second
    assert own_git(product, "fsck", "--strict") == ""
    assert files(product) == {"README.md": "# Two\n", "app/main.py": "1\n", "app/new.py": "2\n", "same.txt": "same\n"}
    assert list((repository.path / "deliveries").iterdir()) == []


async def test_it_is_brought_up_to_date_and_keeps_what_is_not_the_products(
    repository: Repository, first: str, second: str, product: Path
) -> None:
    await repository.checkout(first, product)
    (product / "data").mkdir()
    (product / "data" / "app.db").write_text("records")
    own_git(product, "remote", "add", "origin", "ssh://example.org/todo")
    own_git(product, "branch", "idea")
    (product / "same.txt").unlink()
    await repository.checkout(second, product)
    await repository.checkout(second, product)
    assert own_git(product, "status", "--porcelain") == "?? data/"
    assert own_git(product, "log", "--format=%s") == "Second\nFirst"
    assert own_git(product, "remote") == "origin"
    assert own_git(product, "rev-parse", "idea") == first
    assert "old.txt" not in files(product)
    assert files(product)["same.txt"] == "same\n"
    assert (product / "data" / "app.db").read_text() == "records"


async def test_it_can_go_back_to_another_line_of_history(
    repository: Repository, first: str, second: str, product: Path
) -> None:
    await repository.checkout(second, product)
    await repository.checkout(first, product)
    assert files(product) == FIRST
    assert own_git(product, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("path", "content"),
    [
        pytest.param("README.md", "# Mine\n", id="a file that changes"),
        pytest.param("same.txt", "mine\n", id="a file that stays"),
        pytest.param("old.txt", "mine\n", id="a file that goes"),
        pytest.param("app/new.py", "mine\n", id="a new file that is in the way of a new one"),
        pytest.param("app/new.py/notes.txt", "mine\n", id="a folder that is in the way of a new file"),
    ],
)
async def test_a_persons_changes_are_not_overwritten(
    repository: Repository, first: str, second: str, product: Path, path: str, content: str
) -> None:
    await repository.checkout(first, product)
    (product / path).parent.mkdir(exist_ok=True)
    (product / path).write_text(content)
    before = files(product)
    with pytest.raises(RequestError, match=f"changes of yours in {path.removesuffix('/notes.txt')}; "):
        await repository.checkout(second, product)
    assert files(product) == before
    assert own_git(product, "rev-parse", "HEAD") == first


async def test_a_persons_commits_are_not_lost(repository: Repository, first: str, second: str, product: Path) -> None:
    await repository.checkout(first, product)
    own_git(product, "commit", "--quiet", "--allow-empty", "-m", "Mine")
    with pytest.raises(RequestError, match="commits of yours"):
        await repository.checkout(second, product)
    own_git(product, "pack-refs", "--all")
    with pytest.raises(RequestError, match="commits of yours"):
        await repository.checkout(second, product)
    own_git(product, "reset", "--quiet", "--hard", first)
    own_git(product, "pack-refs", "--all")
    own_git(product, "switch", "--quiet", "-c", "mine")
    with pytest.raises(RequestError, match="not on the branch main"):
        await repository.checkout(second, product)
    own_git(product, "switch", "--quiet", "main")
    await repository.checkout(second, product)
    assert own_git(product, "rev-parse", "HEAD") == second


async def test_folders_with_other_content_are_left_alone(
    repository: Repository, first: str, tmp_path: Path, product: Path
) -> None:
    Workshop(product.parent).write({"todo/thesis.txt": "precious"})
    with pytest.raises(RequestError, match="not empty"):
        await repository.checkout(first, product)
    own = Workshop(tmp_path / "own")
    own.commit({"a": "1"})
    with pytest.raises(RequestError, match="not empty"):
        await repository.checkout(first, own.path)
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RequestError, match="cannot be delivered"):
            await repository.checkout(first, place)
    assert files(product) == {"thesis.txt": "precious"}


async def test_another_runs_delivery_is_left_alone(
    repository: Repository, first: str, workshop: Workshop, tmp_path: Path, product: Path
) -> None:
    other = await Repository.create(tmp_path / "other.git")
    await other.fetch(workshop.bundle(), ref="main", limit_bytes=LIMIT)
    await other.checkout(first, product)
    with pytest.raises(RequestError, match="another run"):
        await repository.checkout(first, product)


async def test_an_empty_folder_and_an_empty_commit(repository: Repository, product: Path) -> None:
    product.parent.mkdir()
    (product.parent / "todo").mkdir()
    begin = await repository.initial_commit()
    await repository.checkout(begin, product)
    assert own_git(product, "rev-parse", "HEAD") == begin
    assert files(product) == {}


async def test_an_unknown_commit_touches_nothing(repository: Repository, product: Path) -> None:
    with pytest.raises(KeyError):
        await repository.checkout("1" * 40, product)
    assert list(product.parent.glob("*")) == []


class Killed(BaseException):
    """The process died here."""


class Mortal:
    """A function that kills the process when it is called for the nth time."""

    def __init__(self, original: Callable[..., object], *, lives: int) -> None:
        self._original, self._lives = original, lives

    def __call__(self, *arguments: object, **named: object) -> object:
        self._lives -= 1
        if self._lives == 0:
            raise Killed
        return self._original(*arguments, **named)


@pytest.mark.parametrize("step", ["_mark", "_make", "_install"])
@pytest.mark.parametrize("lives", [1, 2])
async def test_a_delivery_that_was_interrupted_is_finished_by_the_next_one(
    repository: Repository,
    first: str,
    second: str,
    product: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    lives: int,
) -> None:
    for commit in (first, second):
        with monkeypatch.context() as patch, suppress(Killed):
            patch.setattr(delivery, step, Mortal(getattr(delivery, step), lives=lives))
            await repository.checkout(commit, product)
        await repository.checkout(commit, product)
        assert own_git(product, "status", "--porcelain") == ""
        assert own_git(product, "rev-parse", "HEAD") == commit


async def test_half_written_files_of_an_interrupted_delivery_are_written_again(
    repository: Repository, first: str, second: str, product: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await repository.checkout(first, product)
    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(delivery, "_install", Mortal(delivery._install, lives=1))
        await repository.checkout(second, product)
    (product / "README.md").write_text("# T")
    (product / "app" / "new.py").unlink()
    await repository.checkout(first, product)
    assert files(product) == FIRST
    assert own_git(product, "status", "--porcelain") == ""
