"""D and E: files and histories that come out of a sandbox, and git on the host."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from macrohard.errors import ToolError
from macrohard.sandbox import SandboxSpec
from macrohard.workspace import Repository, bundle
from tests.attacks.attack import Attack, Ground, Probe
from tests.workspace.conftest import LIMIT, Workshop, run_git
from tests.workspace.test_attacks import HOOKS, Trap, delivered

CANARY = "canary-of-the-host"
READS = 200


async def _taken_in(ground: Ground, workshop: Workshop) -> Path | None:
    """The folder into which the product's own way delivered the work; None if it was refused."""
    repository = await Repository.create(ground.folder / "product.git")
    try:
        await delivered(repository, workshop, ground.folder / "delivered")
    except ToolError:
        return None
    return ground.folder / "delivered"


async def _cloned(ground: Ground, workshop: Workshop) -> Path:
    """The folder into which a careless person got the work."""
    # The work as it stands: what git itself would not write out is still there.
    workshop.git("checkout", "--force", "HEAD", "--", ".", check=False)
    return workshop.path


def _leads_out(folder: Path | None) -> Sequence[str]:
    links = [path for path in folder.rglob("*") if path.is_symlink()] if folder else []
    return [f"{path.name} leads to {os.readlink(path)}" for path in links]


def _with_links(folder: Path) -> Workshop:
    workshop = Workshop(folder / "workshop")
    blob = workshop.blob(b"../../outside")
    workshop.commit_tree(workshop.tree(("120000", "link", blob), ("120000", "passwd", workshop.blob(b"/etc/passwd"))))
    return workshop


async def links_taken_in(ground: Ground) -> Sequence[str]:
    return _leads_out(await _taken_in(ground, _with_links(ground.folder)))


async def links_cloned(ground: Ground) -> Sequence[str]:
    return _leads_out(await _cloned(ground, _with_links(ground.folder)))


def _modes(folder: Path | None) -> Sequence[str]:
    files = [path for path in folder.rglob("*") if ".git" not in path.parts and path.is_file()] if folder else []
    odd = [path for path in files if path.stat().st_mode & 0o7777 not in (0o644, 0o755)]
    return [f"{path.name}: mode {path.stat().st_mode & 0o7777:o}" for path in odd]


def _with_modes(folder: Path) -> Workshop:
    workshop = Workshop(folder / "workshop")
    workshop.commit({"tool": "#!/bin/sh\n", "secret": "x"})
    (workshop.path / "tool").chmod(0o6777)
    (workshop.path / "secret").chmod(0o666)
    workshop.commit({})
    return workshop


async def modes_taken_in(ground: Ground) -> Sequence[str]:
    return _modes(await _taken_in(ground, _with_modes(ground.folder)))


async def modes_copied(ground: Ground) -> Sequence[str]:
    return _modes(_with_modes(ground.folder).path)


def _with_bomb(folder: Path) -> Workshop:
    workshop = Workshop(folder / "workshop")
    workshop.commit({"zeros": bytes(bundle.FILE_LIMIT_BYTES + 1)})
    assert len(workshop.bundle()) < 1 << 20
    return workshop


async def bomb_taken_in(ground: Ground) -> Sequence[str]:
    return ["a file beyond the limit"] if await _taken_in(ground, _with_bomb(ground.folder)) else []


async def bomb_cloned(ground: Ground) -> Sequence[str]:
    size = (await _cloned(ground, _with_bomb(ground.folder)) / "zeros").stat().st_size
    return [f"{size} bytes"] if size > bundle.FILE_LIMIT_BYTES else []


async def links_swapped_while_read(ground: Ground) -> Sequence[str]:
    assert ground.provider is not None
    canary = ground.folder / "canary"
    canary.write_text(CANARY)
    swap = f"while :; do echo mine > a; mv -f a x; ln -s {canary} b; mv -f b x; done"
    found = set()
    async with ground.provider.open(SandboxSpec(image="base")) as sandbox:
        swapping = await sandbox.spawn(swap)
        seen = 0
        while seen < READS:
            try:
                content = await sandbox.read(PurePosixPath("x"), limit_bytes=1000)
            except (ToolError, FileNotFoundError):
                continue
            seen += 1
            if CANARY.encode() in content:
                found.add("a file of this machine")
        await swapping.kill()
    return sorted(found)


async def links_followed_on_the_host(ground: Ground) -> Sequence[str]:
    """What happens where a folder is shared and read from outside."""
    (ground.folder / "canary").write_text(CANARY)
    shared = ground.folder / "shared"
    shared.mkdir()
    linking = await asyncio.create_subprocess_exec("ln", "-s", str(ground.folder / "canary"), str(shared / "x"))
    await linking.wait()
    return ["a file of this machine"] if CANARY in (shared / "x").read_text() else []


ODD_NAMES = (
    *("a\nb", "a\x1b[2Jb", "a\\b", "a\x7f", ".GIT", "git~1", ".g\u200cit", "..", "-rf", "--help", "CON", "x" * 255),
    *("$(touch x)", ":(top)x", "a'b\"c"),
)


def _with_name(folder: Path, name: str) -> Workshop:
    workshop = Workshop(folder)
    blob = workshop.blob(b"content")
    inner = workshop.tree(("100644", "config", blob))
    entry = ("40000", name, inner) if "git" in name.lower().replace("\u200c", "") else ("100644", name, blob)
    workshop.commit_tree(workshop.tree(entry))
    return workshop


def _misread(folder: Path, name: str) -> Sequence[str]:
    """What is in a delivered folder that has not just that one name, or has one that somebody else would obey."""
    there = [path.name for path in folder.iterdir() if path.name != ".git"] if folder.is_dir() else []
    obeyed = [each for each in there if not each.isprintable() or each.lower() in (".git", "git~1")]
    return [repr(each) for each in (*obeyed, *(set(there) - {name}))]


async def names_taken_in(ground: Ground) -> Sequence[str]:
    found: list[str] = []
    for number, name in enumerate(ODD_NAMES):
        place = ground.folder / str(number)
        repository = await Repository.create(place / "product.git")
        try:
            await delivered(repository, _with_name(place / "workshop", name), place / "delivered")
        except ToolError:
            continue
        found += _misread(place / "delivered", name)
    return found


async def names_unpacked(ground: Ground) -> Sequence[str]:
    """By `git archive` and tar, which know nothing of names that should not be."""
    found: list[str] = []
    for number, name in enumerate(ODD_NAMES[:4]):
        place = ground.folder / str(number)
        workshop = _with_name(place / "workshop", name)
        (place / "unpacked").mkdir()
        archive = workshop.git("archive", "HEAD")
        await asyncio.to_thread(_untar, archive, place / "unpacked")
        found += _misread(place / "unpacked", name)
    return found


def _untar(archive: bytes, folder: Path) -> None:
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)


def _turned_hostile(product: Path, trap: Trap, elsewhere: Path) -> None:
    elsewhere.mkdir()
    (product / ".git" / "config").write_text(
        f"[core]\n\tfsmonitor = {trap.program}\n\tworktree = {elsewhere}\n"
        f'[filter "x"]\n\tsmudge = {trap.program}\n[include]\n\tpath = {elsewhere}/more\n'
    )
    trap.lay(product / ".git" / "hooks" / "post-index-change")


async def _delivered_and_turned(ground: Ground) -> tuple[Repository, Workshop, Trap]:
    repository, workshop = await Repository.create(ground.folder / "product.git"), Workshop(ground.folder / "workshop")
    workshop.commit({".gitattributes": "* filter=x\n", "a.txt": "one\n"})
    await delivered(repository, workshop, ground.folder / "delivered")
    trap = Trap(ground.folder)
    _turned_hostile(ground.folder / "delivered", trap, ground.folder / "elsewhere")
    workshop.commit({"a.txt": "two\n"})
    return repository, workshop, trap


def _came_of_it(ground: Ground, trap: Trap) -> Sequence[str]:
    moved = [f"written elsewhere: {path.name}" for path in (ground.folder / "elsewhere").iterdir()]
    return [*(["its program was run"] if trap.sprung else []), *moved]


async def delivered_again_over_a_hostile_folder(ground: Ground) -> Sequence[str]:
    repository, workshop, trap = await _delivered_and_turned(ground)
    commit = await repository.fetch(workshop.bundle(), ref="work", limit_bytes=LIMIT)
    await repository.checkout(commit, ground.folder / "delivered")
    return _came_of_it(ground, trap)


async def updated_carelessly_in_a_hostile_folder(ground: Ground) -> Sequence[str]:
    _, _, trap = await _delivered_and_turned(ground)
    run_git("-C", str(ground.folder / "delivered"), "checkout", "--force", "HEAD", "--", ".", check=False)
    return _came_of_it(ground, trap)


def _with_embedded(folder: Path) -> tuple[Workshop, Trap]:
    workshop, trap = Workshop(folder / "workshop"), Trap(folder)
    inner = workshop.path / "sub"
    run_git("init", "--quiet", "--bare", str(inner))
    for name, value in (("core.bare", "false"), ("core.worktree", str(inner)), ("core.fsmonitor", str(trap.program))):
        run_git("-C", str(inner), "config", name, value)
    workshop.write({"sub/refs/heads/.keep": "", "sub/objects/.keep": "", "a.txt": "x"})
    workshop.git("-c", "core.fsmonitor=false", "add", "--all", "--force")
    workshop.commit({})
    trap.reset()
    return workshop, trap


async def embedded_taken_in(ground: Ground) -> Sequence[str]:
    workshop, trap = _with_embedded(ground.folder)
    await _taken_in(ground, workshop)
    return ["its program was run"] if trap.sprung else []


async def embedded_looked_at(ground: Ground) -> Sequence[str]:
    workshop, trap = _with_embedded(ground.folder)
    run_git("-C", str(workshop.path / "sub"), "status", check=False)
    return ["its program was run"] if trap.sprung else []


def _git_folder(folder: Path, trap: Trap) -> Sequence[str]:
    """What of a hostile git folder has come along."""
    settings = (folder / ".git" / "config").read_text() if (folder / ".git" / "config").is_file() else ""
    hooks = [path.name for path in (folder / ".git").glob("hooks/*") if not path.name.endswith(".sample")]
    return [*(["its settings"] if str(trap.program) in settings else []), *hooks]


async def git_folder_taken_in(ground: Ground) -> Sequence[str]:
    workshop, trap = _hostile(ground.folder, "core.fsmonitor")
    trap.lay(workshop.path / ".git" / "hooks" / "post-checkout")
    await _taken_in(ground, workshop)
    return _git_folder(ground.folder / "delivered", trap)


async def git_folder_copied(ground: Ground) -> Sequence[str]:
    workshop, trap = _hostile(ground.folder, "core.fsmonitor")
    trap.lay(workshop.path / ".git" / "hooks" / "post-checkout")
    await asyncio.to_thread(shutil.copytree, workshop.path, ground.folder / "copied")
    return _git_folder(ground.folder / "copied", trap)


OPTIONS = (b"-c", b"refs/heads/-x", b"--output=x", b"refs/heads/../../HEAD")


def _with_submodule(folder: Path) -> Workshop:
    workshop = Workshop(folder / "workshop")
    modules = workshop.blob(b'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c true\n')
    workshop.commit_tree(workshop.tree(("100644", ".gitmodules", modules), ("160000", "x", "1" * 40)))
    return workshop


async def submodules_and_options_taken_in(ground: Ground) -> Sequence[str]:
    found = ["a submodule"] if await _taken_in(ground, _with_submodule(ground.folder)) else []
    workshop = Workshop(ground.folder / "options")
    workshop.commit({"a": "1"})
    repository = await Repository.create(ground.folder / "options.git")
    for name in OPTIONS:
        content = workshop.bundle().replace(b" HEAD\n", b" " + name + b"\n", 1)
        try:
            await repository.fetch(content, ref="work", limit_bytes=LIMIT)
        except ToolError:
            continue
        found.append(repr(name))
    return found


async def submodules_cloned(ground: Ground) -> Sequence[str]:
    workshop = _with_submodule(ground.folder)
    run_git("clone", "--quiet", str(workshop.path), str(ground.folder / "cloned"), check=False)
    return ["a submodule"] if (ground.folder / "cloned" / ".gitmodules").is_file() else []


def _hostile(folder: Path, setting: str) -> tuple[Workshop, Trap]:
    workshop, trap = Workshop(folder / "workshop"), Trap(folder)
    trap.lay(trap.program)
    workshop.commit({".gitattributes": "* filter=x diff=x\n", "a.txt": "one\n"})
    workshop.commit({"a.txt": "two\n"})
    if setting == "hooks":
        for hook in HOOKS:
            trap.lay(workshop.path / ".git" / "hooks" / hook)
    else:
        workshop.git("config", setting, f"{trap.program} </dev/null" if "ssh" in setting else str(trap.program))
    (workshop.path / "a.txt").write_text("three\n")
    return workshop, trap


def runs_on_the_host(setting: str) -> Probe:
    """A probe for a program, named in a work tree's git folder, that is run by the product's way of taking work in."""

    async def probe(ground: Ground) -> Sequence[str]:
        workshop, trap = _hostile(ground.folder, setting)
        content = workshop.bundle()
        trap.reset()
        repository = await Repository.create(ground.folder / "product.git")
        first = await repository.initial_commit()
        commit = await repository.fetch(content, ref="work", limit_bytes=LIMIT)
        await repository.diff(first, commit)
        await repository.log(commit)
        for _ in range(2):
            await repository.checkout(commit, ground.folder / "delivered")
        return [f"{setting} was run"] if trap.sprung else []

    return probe


def runs_for_the_careless(setting: str, *provoke: str) -> Probe:
    """The same with an ordinary git in the work tree itself."""

    async def probe(ground: Ground) -> Sequence[str]:
        workshop, trap = _hostile(ground.folder, setting)
        trap.reset()
        if provoke[0] == "checkout":
            (workshop.path / "a.txt").unlink()
        run_git("-C", str(workshop.path), *provoke, check=False)
        return [f"{setting} was run"] if trap.sprung else []

    return probe


GIT: Sequence[tuple[str, str, tuple[str, ...]]] = (
    ("E1", "core.fsmonitor", ("status",)),
    ("E2", "hooks", ("commit", "--allow-empty", "-m", "x")),
    ("E3 diff", "diff.external", ("diff", "HEAD")),
    ("E3 textconv", "diff.x.textconv", ("log", "-p")),
    ("E3 smudge", "filter.x.smudge", ("checkout", "-f", "HEAD", "--", ".")),
    ("E3 clean", "filter.x.clean", ("add", "--all")),
    ("E4 ssh", "core.sshCommand", ("fetch", "ssh://nowhere/x")),
    ("E4 gpg", "gpg.program", ("commit", "--allow-empty", "-S", "-m", "x")),
)


def of_this_side(**attack: Any) -> Attack:
    return Attack(everywhere=True, **attack)


ATTACKS = (
    of_this_side(
        id="D1", title="links that lead out of the product", probe=links_taken_in, control=links_cloned, quick=True
    ),
    of_this_side(id="D2", title="modes that files should not have", probe=modes_taken_in, control=modes_copied),
    of_this_side(id="D3", title="a bomb of compressed zeros", probe=bomb_taken_in, control=bomb_cloned),
    Attack(
        id="D4",
        title="links swapped in while files are read",
        probe=links_swapped_while_read,
        control=links_followed_on_the_host,
    ),
    *(
        Attack(
            id=id,
            title=f"programs in a work tree's git folder: {setting}",
            probe=runs_on_the_host(setting),
            control=runs_for_the_careless(setting, *provoke),
            everywhere=True,
            quick=id == "E1",
        )
        for id, setting, provoke in GIT
    ),
    of_this_side(
        id="D6",
        title="odd file names",
        probe=names_taken_in,
        control=names_unpacked,
    ),
    of_this_side(
        id="E4 folder",
        title="a delivered folder that was turned hostile",
        probe=delivered_again_over_a_hostile_folder,
        control=updated_carelessly_in_a_hostile_folder,
    ),
    of_this_side(
        id="E5",
        title="a repository inside the product",
        probe=embedded_taken_in,
        control=embedded_looked_at,
    ),
    of_this_side(
        id="E6",
        title="a hostile repository's own git folder",
        probe=git_folder_taken_in,
        control=git_folder_copied,
    ),
    of_this_side(
        id="E7",
        title="submodules, and names like options",
        probe=submodules_and_options_taken_in,
        control=submodules_cloned,
    ),
)
