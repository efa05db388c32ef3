"""The integration queue: branches become one commit, and what breaks the product goes back to whoever wrote it.

All branches are merged, one after the other, and the outcome is installed and tested. If it is broken and the commit
they began from was not, the queue is bisected: the branch with which it first breaks is taken out, the others stay,
until it holds. If the beginning was broken too (parts of a product that is not complete yet), nobody can be blamed.
"""

import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from macrohard.agent import ALL_FILES, Workshop, open_workshop
from macrohard.agent.bench import PRODUCT_ROOT
from macrohard.agent.workshop import Commits
from macrohard.domain import Value
from macrohard.domain.environment import NONE
from macrohard.errors import SandboxUnavailable, ToolError
from macrohard.product.manifest import FILE, read_manifest
from macrohard.product.service import INSTALL_SECONDS, TEST_SECONDS, readable
from macrohard.sandbox import WORKSPACE, CommandResult, Sandbox, SandboxProvider

AUTHOR = "integrator"
_CHECKED = WORKSPACE / "checked"
_GIT_SECONDS = 60.0
_TAIL_CHARACTERS = 1500
_MANIFEST_BYTES = 64 << 10

State = Literal["whole", "broken", "incomplete"]


class Health(Value):
    """Whether a commit can be installed and passes the product's own tests."""

    state: State
    """"incomplete": it has no manifest yet."""
    problem: str = ""


class Returned(Value):
    """A branch that was taken out."""

    task: str
    base: str
    """All others, and this one: where whoever mends it goes on."""
    problem: str


class Queue(Value):
    """What became of the branches."""

    head: str
    """The base itself if nothing could be merged."""
    health: Health
    returned: tuple[Returned, ...] = ()
    conflict: str = ""
    """Two branches changed the same lines: nothing was merged, and somebody has to settle it."""


@dataclass(frozen=True)
class _Yard:
    """A clone of the run's repository in a sandbox, where merges are tried."""

    sandbox: Sandbox
    base: str
    branches: Sequence[tuple[str, str]]
    """(task, commit) in the plan's order."""
    titles: Mapping[str, str]
    environment: Mapping[str, str]

    async def merged(self, branches: Sequence[tuple[str, str]], *, onto: str) -> list[str]:
        """The head after each merge, from the commit `onto` on.

        Raises:
            ToolError: two of them changed the same lines.
        """
        await self._git(f"git reset -q --hard {onto}")
        heads = []
        for task, commit in branches:
            message = shlex.quote(f"Merge {task}: {self.titles.get(task, '')}")
            merged = await self._run(f"git merge -q --no-ff -m {message} {commit}")
            if merged.exit_code != 0:
                await self._git("git merge --abort || git reset -q --hard")
                raise ToolError(f"{task}: {readable(merged.stdout + merged.stderr).strip()[-_TAIL_CHARACTERS:]}")
            heads.append((await self._git("git rev-parse HEAD")).stdout.strip())
        return heads

    async def health(self, commit: str) -> Health:
        """Install the commit in a clone of its own, and run the product's tests."""
        await self._git(
            f"rm -rf {_CHECKED} && git clone -q --no-checkout . {_CHECKED} && git -C {_CHECKED} checkout -q {commit}"
        )
        try:
            manifest = read_manifest(await self.sandbox.read(_CHECKED / FILE, limit_bytes=_MANIFEST_BYTES))
        except (FileNotFoundError, IsADirectoryError):
            return Health(state="incomplete", problem=f"there is no {FILE} yet")
        except ToolError as error:
            return Health(state="broken", problem=str(error))
        for what, command, seconds in (
            ("install command", manifest.commands.install, INSTALL_SECONDS),
            ("product's own tests", manifest.commands.test, TEST_SECONDS),
        ):
            if not command:
                continue
            done = await self.sandbox.run(
                command, timeout_seconds=seconds, directory=_CHECKED, environment=self.environment
            )
            await self.sandbox.kill_all()
            if done.exit_code != 0 or done.timed_out or done.limit_hit:
                said = readable(done.stdout + done.stderr).strip()[-_TAIL_CHARACTERS:]
                how = done.limit_hit or ("not ended in time" if done.timed_out else f"exit code {done.exit_code}")
                return Health(state="broken", problem=f"the {what} failed ({how}): {said}")
        return Health(state="whole")

    async def first_broken(self, heads: Sequence[str], broken: Health) -> tuple[int, Health]:
        """The place of the first head that is broken, by halves: the base is whole, the last head is `broken`."""
        low, high = 0, len(heads) - 1
        while low < high:
            middle = (low + high) // 2
            found = await self.health(heads[middle])
            if found.state == "broken":
                high, broken = middle, found
            else:
                low = middle + 1
        return high, broken

    async def _git(self, script: str) -> CommandResult:
        result = await self._run(script)
        if result.exit_code != 0:
            raise SandboxUnavailable(f"git in the sandbox: {result.stderr.strip()[-500:] or result.exit_code}")
        return result

    async def _run(self, script: str) -> CommandResult:
        return await self.sandbox.run(script, timeout_seconds=_GIT_SECONDS, directory=PRODUCT_ROOT)


async def integrate_branches(
    provider: SandboxProvider,
    commits: Commits,
    *,
    image: str,
    base: str,
    branches: Sequence[tuple[str, str]],
    titles: Mapping[str, str],
    ref: str,
    tell: Callable[[str], Awaitable[None]],
    environment: Mapping[str, str] = NONE,
) -> Queue:
    """Merge the branches, given as (task, commit) in the plan's order, and keep the outcome as the branch `ref`.

    All of it happens in the sandbox, so whoever begins anew begins from the same base with the same branches; what an
    earlier attempt kept under `ref` is replaced. `tell` gets a line about each step, for people. Tests
    run with `environment`.

    Broken code and conflicts are results.

    Raises:
        SandboxUnavailable: there is no sandbox, or it was lost; asking again begins anew.
    """
    async with open_workshop(
        provider,
        commits,
        image=image,
        base=base,
        more=[commit for _, commit in branches],
        saved=None,
        ref=ref,
        author=AUTHOR,
        message="",
        files=ALL_FILES,
    ) as (sandbox, workshop):
        yard = _Yard(sandbox=sandbox, base=base, branches=branches, titles=titles, environment=environment)
        staying, out = list(branches), list[tuple[tuple[str, str], Health]]()
        beginning: Health | None = None
        while True:
            names = ", ".join(task for task, _ in staying)
            await tell(f"merging {names or 'nothing'}")
            try:
                heads = await yard.merged(staying, onto=base)
            except ToolError as error:
                return Queue(head=base, health=Health(state="broken", problem=str(error)), conflict=str(error))
            health = await yard.health(heads[-1] if heads else base)
            if health.state != "broken" or not staying:
                break
            beginning = beginning or await yard.health(base)
            if beginning.state != "whole":
                break
            await tell(f"merging {names}: broken together; looking for the first that breaks it")
            place, why = await yard.first_broken(heads, health)
            await tell(f"merging {names}: it is {staying[place][0]}")
            out.append((staying.pop(place), why))
        # Nothing to save if nobody's work is left.
        head = await workshop.save() or base
        returned = []
        for (task, commit), why in out:
            # On top of what stays, so that no branch is merged a second time when this one comes back.
            at = await _beside(yard, commits, (task, commit), onto=head, ref=f"{ref}-without-{task}") or head
            returned.append(Returned(task=task, base=at, problem=why.problem))
        await tell(f"merged {', '.join(task for task, _ in staying) or 'nothing'}")
        return Queue(head=head, health=health, returned=tuple(returned))


async def _beside(yard: _Yard, commits: Commits, branch: tuple[str, str], *, onto: str, ref: str) -> str | None:
    """Keep a commit with this branch merged into it under another name."""
    await yard.merged([branch], onto=onto)
    beside = Workshop(
        yard.sandbox, commits, base=yard.base, ref=ref, author=AUTHOR, message="", files=ALL_FILES
    )  # fmt: skip
    return await beside.save()
