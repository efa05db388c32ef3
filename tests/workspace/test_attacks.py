"""What hostile work may try against git on the host; a trap is first seen to work where nothing guards against it."""

import struct
import zlib
from hashlib import sha1
from pathlib import Path

import pytest

from macrohard.errors import RequestError, ToolError, Unavailable
from macrohard.workspace import Repository, bundle, leave_beside
from macrohard.workspace.git import git
from tests.workspace.conftest import LIMIT, Workshop, run_git


class Trap:
    """A program that leaves a trace when it is run."""

    def __init__(self, folder: Path) -> None:
        self.program, self._trace = folder / "trap", folder / "sprung"
        self._script = f"#!/bin/sh\necho run >> {self._trace}\ncat\n"
        self.lay(self.program)

    def lay(self, path: Path) -> None:
        """Make a file that springs it when it is run."""
        path.parent.mkdir(exist_ok=True)
        path.write_text(self._script)
        path.chmod(0o755)

    @property
    def sprung(self) -> bool:
        """Whether it was run."""
        return self._trace.exists()

    def works(self) -> None:
        """Make sure that it was run, else the test would prove nothing; and set it again."""
        assert self.sprung
        self._trace.unlink()

    def reset(self) -> None:
        """Forget that it may have been run."""
        self._trace.unlink(missing_ok=True)


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    return Trap(tmp_path)


async def delivered(repository: Repository, workshop: Workshop, destination: Path) -> str:
    """Take a workshop's work in, look at it in every way, and deliver it."""
    begin = await repository.initial_commit()
    commit = await repository.fetch(workshop.bundle(), ref="work", limit_bytes=LIMIT)
    await repository.diff(begin, commit)
    await repository.changed_files(begin, commit)
    await repository.log(commit)
    for path in await repository.files(commit):
        await repository.read(commit, path)
    await repository.checkout(commit, destination)
    return commit


@pytest.mark.parametrize(
    ("setting", "provoke"),
    [
        pytest.param("core.fsmonitor", ["status"], id="E1 fsmonitor"),
        pytest.param("diff.external", ["diff", "HEAD"], id="E3 external diff"),
        pytest.param("diff.x.textconv", ["log", "-p"], id="E3 textconv"),
        pytest.param("filter.x.smudge", ["checkout", "-f", "HEAD", "--", "."], id="E3 smudge filter"),
        pytest.param("filter.x.clean", ["add", "--all"], id="E3 clean filter"),
        pytest.param("core.sshCommand", ["fetch", "ssh://nowhere/x"], id="E4 ssh command"),
        pytest.param("gpg.program", ["commit", "--allow-empty", "-S", "-m", "x"], id="E4 gpg program"),
        pytest.param("alias.log2", ["log2"], id="E4 alias"),
    ],
)
async def test_commands_in_a_configuration_never_run(
    repository: Repository, workshop: Workshop, tmp_path: Path, trap: Trap, setting: str, provoke: list[str]
) -> None:
    workshop.commit({".gitattributes": "* filter=x diff=x\n", "a.txt": "one\n"})
    workshop.commit({"a.txt": "two\n"})
    await repository.initial_commit()
    value = {"alias.log2": f"!{trap.program}", "core.sshCommand": f"{trap.program} </dev/null"}.get(
        setting, str(trap.program)
    )
    workshop.git("config", setting, value)
    (workshop.path / "a.txt").write_text("three\n")
    if "smudge" in setting:
        (workshop.path / "a.txt").unlink()
    workshop.git(*provoke, check=False)
    trap.works()
    bundle_ = workshop.bundle()
    trap.reset()
    commit = await repository.fetch(bundle_, ref="work", limit_bytes=LIMIT)
    begin = await repository.initial_commit()
    await repository.diff(begin, commit)
    await repository.log(commit)
    await repository.checkout(commit, tmp_path / "product")
    await repository.checkout(commit, tmp_path / "product")
    assert not trap.sprung
    assert (tmp_path / "product" / "a.txt").read_text() == "two\n"


HOOKS = ("post-checkout", "post-commit", "pre-commit", "post-merge", "reference-transaction", "post-index-change")


async def test_e2_hooks_never_run(repository: Repository, workshop: Workshop, tmp_path: Path, trap: Trap) -> None:
    for hook in HOOKS:
        trap.lay(workshop.path / ".git" / "hooks" / hook)
    workshop.commit({"a.txt": "one\n"})
    trap.works()
    bundle_ = workshop.bundle()
    trap.reset()
    (repository.path / "hooks").mkdir()
    for hook in HOOKS:
        trap.lay(repository.path / "hooks" / hook)
    commit = await repository.fetch(bundle_, ref="work", limit_bytes=LIMIT)
    await repository.checkout(commit, tmp_path / "product")
    assert not trap.sprung


async def test_e4_a_delivered_folder_that_turned_hostile_runs_and_moves_nothing(
    repository: Repository, workshop: Workshop, tmp_path: Path, trap: Trap
) -> None:
    product = tmp_path / "product"
    await delivered(repository, workshop_with(workshop, {"a.txt": "one\n"}), product)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    hostile = (
        f'[core]\n\tfsmonitor = {trap.program}\n\tworktree = {elsewhere}\n[filter "x"]\n\tsmudge = {trap.program}\n'
    )
    (product / ".git" / "config").write_text(hostile)
    (product / ".git" / "hooks").mkdir()
    trap.lay(product / ".git" / "hooks" / "post-index-change")
    run_git("-C", str(product), "status", check=False)
    trap.works()
    workshop.commit({".gitattributes": "* filter=x\n", "a.txt": "two\n"})
    commit = await repository.fetch(workshop.bundle(), ref="work", limit_bytes=LIMIT)
    await repository.checkout(commit, product)
    assert not trap.sprung
    assert (product / "a.txt").read_text() == "two\n"
    assert list(elsewhere.iterdir()) == []


async def test_e4_nothing_is_written_through_links_in_a_delivered_folder(
    repository: Repository, workshop: Workshop, tmp_path: Path
) -> None:
    product, victim = tmp_path / "product", tmp_path / "victim"
    victim.mkdir()
    (victim / "new.py").write_text("precious\n")
    await delivered(repository, workshop_with(workshop, {"a.txt": "one\n"}), product)
    (product / "app").symlink_to(victim)
    workshop.commit({"app/new.py": "2\n"})
    commit = await repository.fetch(workshop.bundle(), ref="work", limit_bytes=LIMIT)
    with pytest.raises(RequestError, match="changes of yours in app"):
        await repository.checkout(commit, product)
    assert (victim / "new.py").read_text() == "precious\n"
    (product / "app").unlink()
    (product / ".git" / "objects").rename(victim / "objects")
    (product / ".git" / "objects").symlink_to(victim / "objects")
    before = sorted((victim / "objects").rglob("*"))
    with pytest.raises(RequestError, match="is not a folder"):
        await repository.checkout(commit, product)
    assert sorted((victim / "objects").rglob("*")) == before


async def test_d2_our_files_beside_a_product_are_not_written_through_links(
    repository: Repository, workshop: Workshop, tmp_path: Path
) -> None:
    product, precious = tmp_path / "product", tmp_path / "precious"
    await delivered(repository, workshop_with(workshop, {"a.txt": "one\n"}), product)
    precious.mkdir()
    names = ("report.html", "exclude", ".report.html.macrohard")
    for name in names:
        (precious / name).write_text("precious")
    (product / "report.html").symlink_to(precious / "report.html")
    (product / ".report.html.macrohard").symlink_to(precious / ".report.html.macrohard")
    (product / ".git" / "info").symlink_to(precious)
    leave_beside(product, {"report.html": b"ours"})
    assert {(precious / name).read_text() for name in names} == {"precious"}
    assert (product / "report.html").read_bytes() == b"ours"
    assert run_git("-C", str(product), "status", "--porcelain") == b""
    (product / "report.html").unlink()
    (product / "report.html").mkdir()
    with pytest.raises(RequestError, match=r"report\.html is in the way"):
        leave_beside(product, {"report.html": b"ours"})


async def test_e5_an_embedded_bare_repository_is_only_files(
    repository: Repository, workshop: Workshop, tmp_path: Path, trap: Trap
) -> None:
    inner = workshop.path / "sub"
    run_git("init", "--quiet", "--bare", str(inner))
    run_git("-C", str(inner), "config", "core.bare", "false")
    run_git("-C", str(inner), "config", "core.worktree", str(inner))
    run_git("-C", str(inner), "config", "core.fsmonitor", str(trap.program))
    run_git("-C", str(inner), "status", check=False)
    trap.works()
    workshop.write({"sub/refs/heads/.keep": "", "sub/objects/.keep": "", "a.txt": "x"})
    workshop.git("-c", "core.fsmonitor=false", "add", "--all", "--force")
    workshop.commit({})
    trap.reset()
    await delivered(repository, workshop, tmp_path / "product")
    assert not trap.sprung
    assert (tmp_path / "product" / "sub" / "HEAD").is_file()


async def test_e6_cloning_a_hostile_repository_by_bundle_leaves_nothing_of_its_git_folder(
    repository: Repository, workshop: Workshop, tmp_path: Path
) -> None:
    await delivered(repository, workshop_with(workshop, {"a.txt": "one\n"}), tmp_path / "product")
    own = tmp_path / "product" / ".git"
    assert "filter" not in (own / "config").read_text()
    assert not (own / "hooks").exists()
    assert run_git("-C", str(tmp_path / "product"), "status", "--porcelain") == b""


def workshop_with(workshop: Workshop, files: dict[str, str | bytes]) -> Workshop:
    workshop.commit(files)
    return workshop


async def refusal(repository: Repository, content: bytes, *, limit_bytes: int = LIMIT) -> str:
    """Why a bundle is refused; nothing of it may be left."""
    before = snapshot(repository.path)
    with pytest.raises(ToolError) as caught:
        await repository.fetch(content, ref="work", limit_bytes=limit_bytes)
    assert snapshot(repository.path) == before
    assert await repository.resolve("work") is None
    return str(caught.value)


def snapshot(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


GIT_NAMES = [".git", ".GIT", ".gIt", "git~1", ".g\u200cit", ".git ", "..", "."]


@pytest.mark.parametrize("name", GIT_NAMES, ids=[repr(name) for name in GIT_NAMES])
async def test_folders_that_git_would_take_for_its_own(repository: Repository, workshop: Workshop, name: str) -> None:
    inner = workshop.tree(("100644", "config", workshop.blob(b"[core]\n\tfsmonitor = /tmp/x\n")))
    workshop.commit_tree(workshop.tree(("40000", name, inner)))
    assert await refusal(repository, workshop.bundle())


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("link", "/etc/passwd"),
        ("link", "../outside"),
        ("a/link", "../../outside"),
        ("a/link", "b/../../../outside"),
        ("link", ".git/config"),
        ("link", "a/.GIT/hooks"),
        ("link", ".."),
        ("link", ""),
        ("link", "x" * 5000),
    ],
)
async def test_links_that_lead_out(repository: Repository, workshop: Workshop, path: str, target: str) -> None:
    tree = ("120000", path.split("/")[-1], workshop.blob(target.encode()))
    inner = workshop.tree(tree)
    workshop.commit_tree(workshop.tree(("40000", "a", inner)) if "/" in path else inner)
    assert "link" in await refusal(repository, workshop.bundle())


async def test_links_that_stay_inside_are_delivered_as_text(
    repository: Repository, workshop: Workshop, tmp_path: Path
) -> None:
    workshop.write({"docs/manual.md": "# Manual\n"})
    (workshop.path / "docs" / "README.md").symlink_to("manual.md")
    (workshop.path / "docs" / "top").symlink_to("../docs")
    workshop.commit({})
    await delivered(repository, workshop, tmp_path / "product")
    assert not (tmp_path / "product" / "docs" / "README.md").is_symlink()
    assert (tmp_path / "product" / "docs" / "README.md").read_text() == "manual.md"
    assert run_git("-C", str(tmp_path / "product"), "status", "--porcelain") == b""


async def test_too_many_links(repository: Repository, workshop: Workshop) -> None:
    target = workshop.blob(b"a")
    workshop.commit_tree(workshop.tree(*(("120000", f"l{n}", target) for n in range(bundle.LINKS_LIMIT + 1))))
    assert "links" in await refusal(repository, workshop.bundle())


async def test_a_bad_older_commit_is_refused_though_the_last_one_is_clean(
    repository: Repository, workshop: Workshop
) -> None:
    bad = workshop.commit_tree(workshop.tree(("120000", "link", workshop.blob(b"/etc/passwd"))))
    workshop.commit_tree(workshop.tree(("100644", "a", workshop.blob(b"x"))), bad)
    assert "/etc/passwd" in await refusal(repository, workshop.bundle())


async def test_a_bad_file_brought_in_by_a_merge_alone_is_refused(repository: Repository, workshop: Workshop) -> None:
    one = workshop.commit_tree(workshop.tree(("100644", "a", workshop.blob(b"x"))))
    two = workshop.commit_tree(workshop.tree(("100644", "b", workshop.blob(b"x"))))
    workshop.commit_tree(workshop.tree(("120000", "link", workshop.blob(b"/etc/passwd"))), one, two)
    assert "/etc/passwd" in await refusal(repository, workshop.bundle())


async def test_e7_submodules_are_refused(repository: Repository, workshop: Workshop) -> None:
    modules = workshop.blob(b'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c touch% /tmp/x\n')
    workshop.commit_tree(workshop.tree(("100644", ".gitmodules", modules), ("160000", "x", "1" * 40)))
    assert await refusal(repository, workshop.bundle())
    workshop.commit_tree(workshop.tree(("160000", "x", "1" * 40)))
    assert "repository inside the repository" in await refusal(repository, workshop.bundle())


@pytest.mark.parametrize("name", [b"-c", b"refs/heads/-x", b"--output=x", b"refs/heads/../../HEAD", b"refs/x y"])
async def test_e7_names_in_a_bundle_that_look_like_options(
    repository: Repository, workshop: Workshop, name: bytes
) -> None:
    content = workshop_with(workshop, {"a": "1"}).bundle()
    assert b" HEAD\n" in content
    assert "not understood" in await refusal(repository, content.replace(b" HEAD\n", b" " + name + b"\n", 1))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"# v2 git bundle\n",
        b"# v2 git bundle\n\n",
        b"# v3 git bundle\n@filter=blob:none\n",
        b"PACK" + b"\0" * 100,
        b"# v2 git bundle\n" + b"1" * 40 + b" HEAD\n\nPACK nonsense",
        b"# v2 git bundle\n" + b"1" * 40 + b" HEAD\n\n",
        b"# v2 git bundle\n" + b"1" * 40 + b" HEAD\n" + b"2" * 40 + b" refs/heads/x\n\n",
        b"# v2 git bundle\n-" + b"1" * 40 + b" \n" + b"2" * 40 + b" HEAD\n\n",
        b"# v2 git bundle\n" + (b"1" * 40 + b" refs/heads/x\n") * 100_000,
        b"\n" * 1000,
    ],
    ids=range(11),
)
async def test_what_is_no_bundle(repository: Repository, content: bytes) -> None:
    assert await refusal(repository, content)


async def test_a_bundle_that_was_cut_or_changed(repository: Repository, workshop: Workshop) -> None:
    content = workshop_with(workshop, {"a": "some text\n" * 100}).bundle()
    assert await refusal(repository, content[:-30])
    middle = len(content) - 60
    assert await refusal(repository, content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])


async def test_a_bundle_that_builds_on_what_is_not_here(repository: Repository, workshop: Workshop) -> None:
    first = workshop.commit({"a": "1"})
    workshop.commit({"a": "2"})
    assert first in await refusal(repository, workshop.bundle(f"{first}..HEAD"))


async def test_a_pack_that_lacks_a_file(repository: Repository, workshop: Workshop) -> None:
    commit = workshop.commit_tree(workshop.tree(("100644", "a", "1" * 40)))
    body = workshop.git("cat-file", "commit", commit)
    tree = bytes.fromhex(workshop.git("rev-parse", "HEAD^{tree}").decode().strip())
    entry = b"100644 a\0" + bytes.fromhex("1" * 40)
    assert sha1(b"tree %d\0" % len(entry) + entry).digest() == tree
    assert await refusal(repository, by_hand(commit, (1, body), (2, entry)))


async def test_a_tag_or_a_tree_instead_of_a_commit(repository: Repository, workshop: Workshop) -> None:
    workshop.commit({"a": "1"})
    workshop.git("tag", "-a", "-m", "x", "v1")
    assert "not a commit" in await refusal(repository, workshop.bundle("v1"))


def by_hand(tip: str, *objects: tuple[int, bytes]) -> bytes:
    """A bundle of objects (kind, content) that git itself would not pack."""
    pack = b"PACK" + struct.pack(">II", 2, len(objects))
    for kind, content in objects:
        size, first = len(content) >> 4, (kind << 4) | (len(content) & 15)
        header = bytearray([first | (128 if size else 0)])
        while size:
            header.append((size & 127) | (128 if size >> 7 else 0))
            size >>= 7
        pack += bytes(header) + zlib.compress(content)
    return f"# v2 git bundle\n{tip} HEAD\n\n".encode() + pack + sha1(pack).digest()


@pytest.mark.parametrize(
    "name", ["a\nb", "a\x1b[2Jb", "a\\b", "a\x7f", "a\x9b2Jb", "a\u202egnp.py", "a\u2060", "x" * 1025]
)
async def test_file_names_that_could_be_misread(repository: Repository, workshop: Workshop, name: str) -> None:
    workshop.commit_tree(workshop.tree(("100644", name, workshop.blob(b"x"))))
    assert await refusal(repository, workshop.bundle())


async def test_file_names_that_are_no_text(repository: Repository, workshop: Workshop) -> None:
    line = b"100644 blob " + workshop.blob(b"x").encode() + b"\t\xff\xfe\0"
    workshop.commit_tree(workshop.git("mktree", "-z", input=line).decode().strip())
    assert "not UTF-8" in await refusal(repository, workshop.bundle())


@pytest.mark.parametrize("name", ["-rf", "--help", "CON", "ü ä", "$(touch x)", "a'b\"c", ":(top)x", "x" * 255])
async def test_odd_but_harmless_file_names_are_kept(
    repository: Repository, workshop: Workshop, tmp_path: Path, name: str
) -> None:
    workshop.commit_tree(workshop.tree(("100644", name, workshop.blob(b"content"))))
    commit = await delivered(repository, workshop, tmp_path / "product")
    assert await repository.files(commit) == (name,)
    assert (tmp_path / "product" / name).read_bytes() == b"content"


async def test_too_many_too_large_too_much(
    repository: Repository, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = workshop_with(workshop, {f"{n}.txt": f"{n}" * 1000 for n in range(20)}).bundle()
    assert "bytes; 100 are allowed" in await refusal(repository, content, limit_bytes=100)
    for name, limit in (
        ("FILES_LIMIT", 19), ("FILE_LIMIT_BYTES", 1000), ("TREE_LIMIT_BYTES", 20_000), ("CHANGES_LIMIT_BYTES", 500),
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr(bundle, name, limit)
            assert await refusal(repository, content)
    assert await repository.fetch(content, ref="work", limit_bytes=LIMIT) == workshop.head()


async def test_a_small_bundle_that_unpacks_to_a_large_file(repository: Repository, workshop: Workshop) -> None:
    workshop.commit({"zeros": bytes(bundle.FILE_LIMIT_BYTES + 1)})
    content = workshop.bundle()
    assert len(content) < 1 << 20
    assert "a file of" in await refusal(repository, content)


async def test_a_tree_that_holds_itself_ten_times_on_each_of_ten_levels(
    repository: Repository, workshop: Workshop
) -> None:
    clean = tree = workshop.tree(*(("100644", f"f{n}", workshop.blob(b"x")) for n in range(10)))
    for _ in range(10):
        tree = workshop.tree(*(("40000", f"d{n}", tree) for n in range(10)))
    bomb = workshop.commit_tree(tree)
    assert "more than 20000 files" in await refusal(repository, workshop.bundle())
    workshop.commit_tree(clean, bomb)
    assert "change too many files" in await refusal(repository, workshop.bundle())


async def test_only_plain_and_executable_files_are_delivered(
    repository: Repository, workshop: Workshop, tmp_path: Path
) -> None:
    workshop.write({"run.sh": "#!/bin/sh\n", "secret": "x"})
    (workshop.path / "run.sh").chmod(0o4777)
    (workshop.path / "secret").chmod(0o600)
    workshop.commit({})
    await delivered(repository, workshop, tmp_path / "product")
    assert (tmp_path / "product" / "run.sh").stat().st_mode == 0o100755
    assert (tmp_path / "product" / "secret").stat().st_mode == 0o100644


async def test_the_hosts_own_configuration_is_not_used(
    repository: Repository, workshop: Workshop, tmp_path: Path, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f'[filter "x"]\n\tsmudge = {trap.program}\n[diff]\n\texternal = {trap.program}\n')
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(trap.program))
    await delivered(
        repository, workshop_with(workshop, {".gitattributes": "* filter=x\n", "a": "1"}), tmp_path / "product"
    )
    assert not trap.sprung


async def test_a_bundle_that_keeps_git_busy_too_long_is_given_up(
    repository: Repository, workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nsleep 600 & sleep 600\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:/usr/bin:/bin")
    with pytest.raises(Unavailable, match="did not finish within"):
        await git(repository.path, "status", timeout_seconds=0.2)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="apt-get install git"):
        await repository.resolve("main")
