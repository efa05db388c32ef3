"""What stands on an agent's bench: a sandbox with the product's files, or a running product to be used."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Protocol

from macrohard.agent.outputs import Outputs
from macrohard.agent.shell import Shell
from macrohard.agent.skills import Skill
from macrohard.agent.trial import Trial
from macrohard.domain import JsonObject, Picture, Value, owns
from macrohard.domain.environment import NONE
from macrohard.errors import ToolError
from macrohard.llm.media import Aspect
from macrohard.product import Artwork, Drawing
from macrohard.product.browser import Visit as Window
from macrohard.sandbox import WORKSPACE, Sandbox

PRODUCT_ROOT = WORKSPACE / "product"


class Answer(Value):
    """What a tool answers."""

    text: str
    pictures: tuple[Picture, ...] = ()
    whole: str = ""
    """What the text was taken from, to be kept for reading on; empty: the text is all."""


class Visit(Protocol):
    """A running product that one agent uses; see `macrohard.product`."""

    whole: str
    """What the last act showed in part only; empty: nothing was left out."""

    async def look(self) -> str:
        """What is there now."""

    async def picture(self) -> Picture | None:
        """The window as it looks now; None if there is no picture of it."""

    async def act(
        self,
        *,
        intention: str,
        expectation: str,
        action: str,
        target: str,
        value: str,
        surprise: int | None,
        remark: str,
        about: int,
    ) -> str:
        """Do one thing and tell what changed.

        Raises:
            ToolError: it cannot be done; the text says what is there instead.
        """

    def record(self) -> JsonObject:
        """The steps so far, for the session's result."""


class Workspace(Protocol):
    """Files under way; see `macrohard.agent.workshop`."""

    async def save(self, *, said: str = "") -> str | None:
        """Keep the present state on the host and give its commit; None if nothing changed since the last one.

        With `said`, what the agent says of the whole of its work becomes part of the commit's message.
        """

    async def window(self, width: int, height: int) -> Window:
        """A browser window of so many pixels on the sandbox's own loopback; the one before is closed.

        Raises:
            ToolError: there is no browser for this assignment.
            SandboxUnavailable: no sandbox for the browser, or it does not start.
        """

    async def changes(self) -> str:
        """The files that differ from what the assignment began with, one to a line; empty if none does."""


class Colleagues(Protocol):
    """Agents that can be asked; see `macrohard.factory.sessions`."""

    async def ask(self, agent: str, question: str, *, number: int, files: dict[str, str]) -> str:
        """The answer to this session's question of that number; the same one is not asked twice.

        Raises:
            ToolError: there is no such agent.
        """


class Easel(Protocol):
    """Where pictures are made; see `macrohard.product`."""

    async def picture(self, prompt: str, *, aspect: Aspect, transparent: bool) -> Artwork:
        """By an image endpoint; raises ToolError where there is none or it refuses, with what to do instead."""

    async def drawing(self, svg: str) -> Drawing:
        """By the agent; raises ToolError with what is wrong with it."""

    async def clip(self, prompt: str, *, seconds: int, aspect: Aspect, first_frame: bytes | None) -> Artwork:
        """By a video endpoint; raises as `picture` does."""


class Bench:
    """What an agent's tools work on."""

    root = PRODUCT_ROOT

    def __init__(
        self,
        *,
        sandbox: Sandbox | None = None,
        workspace: Workspace | None = None,
        visit: Visit | None = None,
        easel: Easel | None = None,
        files: tuple[str, ...] | None = None,
        environment: Mapping[str, str] = NONE,
    ) -> None:
        """`environment` is what the product is started and tested with."""
        self._sandbox, self._visit, self._easel = sandbox, visit, easel
        self.workspace, self.files, self._environment = workspace, files, environment
        self.takes_pictures = False
        """Whether the model behind the agent is shown what things look like; the session says so."""
        self.skills: Mapping[str, Skill] = {}
        """What the agent can read when it needs it; the session says so."""
        self._outputs: Outputs | None = None
        self.asked = 0
        """Questions that were put to colleagues in this session."""
        self._colleagues: Colleagues | None = None
        self._shell: Shell | None = None
        self._trial: Trial | None = None

    @property
    def sandbox(self) -> Sandbox:
        """The sandbox that holds the product's files."""
        if self._sandbox is None:
            raise ToolError("you have no sandbox for this assignment")
        return self._sandbox

    @property
    def shell(self) -> Shell:
        """The shell in the sandbox."""
        if self._shell is None:
            self._shell = Shell(self.sandbox, self.root)
        return self._shell

    @property
    def folder(self) -> PurePosixPath:
        """Where the shell stands."""
        return self._shell.folder if self._shell is not None else self.root

    @property
    def trial(self) -> Trial:
        """The product as it stands in the sandbox, to be tested and run."""
        if self._trial is None:
            window = self.workspace.window if self.workspace is not None else None
            self._trial = Trial(self.sandbox, self.root, window=window, environment=self._environment)
        return self._trial

    @property
    def visit(self) -> Visit:
        """The running product, to be used."""
        if self._visit is None:
            raise ToolError("you have no running product for this assignment")
        return self._visit

    @property
    def easel(self) -> Easel:
        """Where pictures are made."""
        if self._easel is None:
            raise ToolError("no pictures can be made for this assignment")
        return self._easel

    @property
    def colleagues(self) -> Colleagues:
        """Who can be asked."""
        if self._colleagues is None:
            raise ToolError("nobody can be asked in this assignment; decide yourself, and note it in your report")
        return self._colleagues

    @colleagues.setter
    def colleagues(self, colleagues: Colleagues | None) -> None:
        self._colleagues = colleagues

    @property
    def outputs(self) -> Outputs:
        """Long answers of this session's tools."""
        if self._outputs is None:
            raise ToolError("nothing is kept here")
        return self._outputs

    @outputs.setter
    def outputs(self, outputs: Outputs) -> None:
        self._outputs = outputs

    @property
    def has_visit(self) -> bool:
        """Whether there is a browser, whose steps are lost when the process dies and have to be made again."""
        return self._visit is not None

    def record(self) -> JsonObject:
        """What the tools noted beside the agent's report."""
        return self._visit.record() if self._visit is not None else {}

    def owned(self, path: str) -> PurePosixPath:
        """Where a file of the product is that this assignment may write.

        Raises:
            ToolError: it may not, or that is no path of the product.
        """
        relative = PurePosixPath(path)
        if relative.is_absolute() or ".." in relative.parts or not path.strip():
            raise ToolError(f"{path!r} is not a path below the product's root; give it without a leading slash or ..")
        if not self.may_write(str(relative)):
            raise ToolError(f"{path} is not yours to write. Yours are: {', '.join(self.files or ()) or 'none'}")
        return self.root / relative

    def may_write(self, path: str) -> bool:
        """Whether the assignment owns this file of the product."""
        parts = PurePosixPath(path).parts
        return self.files is not None and ".git" not in parts and (self.files == ("",) or owns(self.files, path))
