"""The product's files in a sandbox: clone a commit, and bring what changed back to the host as commits."""

import shlex
import textwrap
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import PurePosixPath
from typing import Protocol

from macrohard.agent.bench import PRODUCT_ROOT
from macrohard.agent.trial import NARROW_PIXELS
from macrohard.domain import owns
from macrohard.domain.printable import printable
from macrohard.errors import SandboxUnavailable, ToolError
from macrohard.product.browser import Browser, Visit, open_browser
from macrohard.sandbox import WORKSPACE, CommandResult, Sandbox, SandboxProvider, SandboxSpec, SnapshotId

GIT_SECONDS = 60
SAID_CHARACTERS, MESSAGE_COLUMNS = 2_000, 72
BUNDLE_LIMIT_BYTES = 64 << 20
ALL_FILES = ("",)
"""As an assignment's files: the agent may change anything and make its own commits."""


class Commits(Protocol):
    """The run's repository on the host, as far as a workshop needs it; see `macrohard.workspace`."""

    async def bundle(self, *commits: str) -> bytes:
        """A git bundle of these commits with all their history."""

    async def fetch(self, bundle: bytes, *, ref: str, limit_bytes: int) -> str:
        """Take a bundle's one commit in under `ref`, and give it.

        Raises:
            ToolError: the bundle holds what is not let in; the agent reads why.
        """


class Workshop:
    """A clone of the run's repository inside a sandbox."""

    def __init__(
        self,
        sandbox: Sandbox,
        commits: Commits,
        *,
        base: str,
        ref: str,
        author: str,
        message: str,
        files: tuple[str, ...],
        provider: SandboxProvider | None = None,
        closing: AsyncExitStack | None = None,
    ) -> None:
        """`provider` opens a browser beside the sandbox, and `closing` ends it; without them there is none."""
        self._sandbox, self._commits, self._provider, self._closing = sandbox, commits, provider, closing
        self._base, self._ref, self._author, self._message, self._files = base, ref, author, message, files
        self._last: str | None = None
        self._browser: Browser | None = None
        self._window = AsyncExitStack()

    async def clone(self, *, more: Sequence[str], saved: str | None) -> None:
        """Lay the base commit out, with `more` commits at hand, and the files of the saved one if there is one."""
        wanted = [self._base, *more, *([saved] if saved else [])]
        await self._sandbox.write({WORKSPACE / "given.bundle": await self._commits.bundle(*wanted)})
        name, email = shlex.quote(self._author), shlex.quote(f"{self._author}@agents.macrohard.invalid")
        start = saved if saved and self._files == ALL_FILES else self._base
        lines = [
            f"git init -q -b main {PRODUCT_ROOT} && cd {PRODUCT_ROOT}",
            f"git config user.name {name} && git config user.email {email}",
            "git fetch -q ../given.bundle 'refs/*:refs/given/*'",
            f"git reset -q --hard {start}",
        ]
        if saved and start != saved:
            lines.append(f"git read-tree -u --reset {saved}")
        await self._git("set -e\n" + "\n".join(lines), cwd=WORKSPACE)
        self._last = saved

    async def save(self, *, said: str = "") -> str | None:
        """See `Workspace.save`; files that the assignment does not own are left out.

        Who may change all files makes commits of its own, whose messages stay as they are.
        """
        if self._files == ALL_FILES:
            await self._git(
                "git add -A && (git diff --cached --quiet || git commit -q --no-verify -F -)", self._message
            )
            commit = (await self._git("git rev-parse HEAD")).stdout.strip()
        else:
            commit = await self._commit_of_owned_files(said)
        if commit in (self._last, self._base):
            return None
        bundle = WORKSPACE / "taken.bundle"
        await self._git(
            f"git update-ref refs/heads/taken {commit} && git bundle create -q {bundle} refs/heads/taken ^{self._base}"
        )
        content = await self._sandbox.read(bundle, limit_bytes=BUNDLE_LIMIT_BYTES)
        self._last = await self._commits.fetch(content, ref=self._ref, limit_bytes=BUNDLE_LIMIT_BYTES)
        return self._last

    async def changes(self) -> str:
        """See `Workspace.changes`: lines added, lines removed, path; files that git does not know yet as "new"."""
        listed = await self._git(
            f"git diff --numstat {self._base} -- && git ls-files --others --exclude-standard | sed 's/^/new\\t/'"
        )
        return listed.stdout.strip()

    async def window(self, width: int, height: int) -> Visit:
        """See `Workspace.window`."""
        if self._provider is None or self._closing is None:
            raise ToolError("there is no browser for this assignment; ask for pages with curl in shell")
        if self._browser is None:
            self._browser = await self._closing.enter_async_context(open_browser(self._provider, beside=self._sandbox))
            self._closing.push_async_callback(self._window.aclose)
        await self._window.aclose()
        return await self._window.enter_async_context(
            self._browser.visit(width=width, height=height, touch=width < NARROW_PIXELS)
        )

    async def _commit_of_owned_files(self, said: str) -> str:
        listed = await self._git("git status --porcelain -z --untracked-files=all --no-renames")
        entries = [(entry[0], entry[3:]) for entry in listed.stdout.split("\0") if entry]
        mine = [path for _, path in entries if owns(self._files, path)]
        if others := [path for staged, path in entries if staged not in " ?" and not owns(self._files, path)]:
            # What the agent staged would be in the tree, whoever owns it.
            await self._git(
                "git --literal-pathspecs reset -q --pathspec-from-file=- --pathspec-file-nul", "\0".join(others)
            )
        if mine:
            await self._git(
                "git --literal-pathspecs add -A --pathspec-from-file=- --pathspec-file-nul", "\0".join(mine)
            )
        tree = (await self._git("git write-tree")).stdout.strip()
        same_as = f"test $(git rev-parse {self._last or self._base}^{{tree}}) = {tree}"
        if (await self._run(same_as)).exit_code == 0 and not (said and self._last):
            return self._last or self._base
        message = worded(self._message, said)
        return (await self._git(f"git commit-tree {tree} -p {self._base} -F -", message)).stdout.strip()

    async def _git(self, script: str, input: str = "", *, cwd: PurePosixPath = PRODUCT_ROOT) -> CommandResult:
        result = await self._run(script, input, cwd=cwd)
        if result.exit_code != 0:
            raise SandboxUnavailable(f"git in the sandbox: {result.stderr.strip()[-500:] or result.exit_code}")
        return result

    async def _run(self, script: str, input: str = "", *, cwd: PurePosixPath = PRODUCT_ROOT) -> CommandResult:
        return await self._sandbox.run(script, timeout_seconds=GIT_SECONDS, directory=cwd, input=input.encode())


def worded(message: str, said: str) -> str:
    """The message with what was said between its subject and its trailers."""
    subject, _, trailers = message.partition("\n\n")
    words = textwrap.fill(" ".join(printable(said).split())[:SAID_CHARACTERS], MESSAGE_COLUMNS)
    return "\n\n".join(part for part in (subject, words, trailers) if part)


@asynccontextmanager
async def open_workshop(
    provider: SandboxProvider,
    commits: Commits,
    *,
    image: str,
    base: str,
    more: Sequence[str] = (),
    saved: str | None,
    ref: str,
    author: str,
    message: str,
    files: tuple[str, ...],
    workspace: SnapshotId | None = None,
) -> AsyncIterator[tuple[Sandbox, Workshop]]:
    """A fresh sandbox with the product's files; `ref` is where it is saved on the host.

    `workspace` is what it begins as, e.g. with the product installed; the files are those of the commits all the same.
    """
    async with (
        provider.open(SandboxSpec(image=image, packages=provider.installs, workspace=workspace)) as sandbox,
        AsyncExitStack() as closing,
    ):
        workshop = Workshop(
            sandbox,
            commits,
            base=base,
            ref=ref,
            author=author,
            message=message,
            files=files,
            provider=provider,
            closing=closing,
        )
        await workshop.clone(more=more, saved=saved)
        yield sandbox, workshop
