"""D and E: files and histories that come out of a sandbox, and git on the host."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from macrohard.errors import ToolError
from macrohard.sandbox import SandboxSpec
from macrohard.workspace import Repository, bundle
from tests.attacks.attack import Attack, Ground, Probe
from tests.workspace.conftest import LIMIT, Workshop, run_git
from tests.workspace.test_attacks import HOOKS, Trap, delivered

CANARY = "canary-of-the-host"
READS = 100


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

ATTACKS = (
    Attack(id="D1", title="links that lead out of the product", probe=links_taken_in, control=links_cloned, quick=True),
    Attack(id="D2", title="modes that files should not have", probe=modes_taken_in, control=modes_copied),
    Attack(id="D3", title="a bomb of compressed zeros", probe=bomb_taken_in, control=bomb_cloned),
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
            quick=id == "E1",
        )
        for id, setting, provoke in GIT
    ),
)
