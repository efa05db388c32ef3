"""What a sandbox is, whatever stands behind it: commands, processes, files, and streams to its ports."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import PurePosixPath
from typing import Annotated, Protocol, Self

from pydantic import Field, model_validator

from macrohard.domain import Tier, Value

WORKSPACE = PurePosixPath("/workspace")
"""The writable working directory of every sandbox; empty when the sandbox opens, or as in a snapshot."""

LIBRARIES = PurePosixPath("/opt/packages.txt")
"""What is installed for products besides the standard libraries, in words; not in `base`."""

OUTPUT_LIMIT_BYTES = 1 << 20
"""What is kept of each of a command's output streams; the rest is counted and dropped."""


SnapshotId = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""The SHA-256 of a snapshot's content."""


class Snapshot(Value):
    """What stood in a sandbox's workspace and home folder at one time; the content is kept by this installation.

    Kept are files (with holes as holes), folders, links as they are, several names of one file, named pipes, all modes,
    all times of the last change, and names of any bytes. Not kept are running processes, `/tmp`, extended attributes,
    and what is `left_out`. While something writes to the workspace each file is as it was when it was come to.
    """

    id: SnapshotId
    image: str
    """Of the sandbox it was taken in; what is installed in the workspace may need it."""
    size_bytes: int
    files: int
    """Files, folders and links."""
    left_out: int
    """Sockets, and what the user may not read."""
    reasons: tuple[str, ...]
    """Of some of what was left out: path and reason. Written by code in the sandbox."""


Command = str | Sequence[str]
"""A text is for `bash -c`. A sequence is a program, looked for on the path of the environment, with its arguments; no
shell reads it, so that nothing in it needs quotes, and it starts in half the time."""


class SandboxSpec(Value):
    """All that other code can say about a sandbox; flags and mounts are not among it."""

    image: str
    """The name of a folder in `sandboxes/`."""
    join: str | None = None
    """`Sandbox.id` of an open sandbox whose loopback network this one shares (a pod)."""
    packages: bool = False
    """Whether what the provider's `installs` is about can be fetched, until it is sealed. Not together with `join`."""

    workspace: SnapshotId | None = None
    """Of the snapshot that the workspace and the home folder begin as; None: empty.

    A snapshot may hold anything, so nothing that judges a product begins as one of an agent's sandbox.
    """

    @model_validator(mode="after")
    def _one_mirror_in_a_pod(self) -> Self:
        if self.packages and self.join is not None:
            raise ValueError("a sandbox that joins another has that one's mirror, or none")
        return self


class CommandResult(Value):
    """What a command did. A non-zero exit, a timeout and a hit limit are results, not errors."""

    exit_code: int
    """137 after a kill, also after a timeout."""
    stdout: str
    stderr: str
    """Both decoded as UTF-8 with replacement and cut at `OUTPUT_LIMIT_BYTES`."""
    dropped_bytes: int
    timed_out: bool
    limit_hit: str | None
    """In words that an agent understands, e.g. "killed: memory limit 1024 MiB"; None if none was."""
    duration_seconds: float
    hint: str | None = None
    """Why what it wanted from outside could not be fetched, in words that an agent understands; None if all was."""


class Process(Protocol):
    """A long-running command in a sandbox, spoken to over its standard streams.

    Standard output that nobody receives holds the command up once 1 MiB of it waits: send a server's to a file.
    """

    async def send(self, data: bytes) -> None:
        """Write to the process's standard input.

        Raises:
            SandboxUnavailable: the sandbox is gone.
        """

    async def receive_line(self) -> bytes | None:
        """The next line of standard output with its newline; None once the process has closed it.

        Raises:
            SandboxUnavailable: the sandbox is gone.
        """

    def tail(self) -> str:
        """The last 64 KiB of standard error so far, decoded with replacement."""

    async def wait(self) -> int:
        """Wait for the end and give the exit code."""

    async def kill(self) -> None:
        """Kill the process and everything it started that is still its group; returns when it is dead."""


class Stream(Protocol):
    """One TCP connection to a port on the sandbox's own loopback."""

    async def read(self) -> bytes:
        """Some bytes as they come; empty at the end."""

    async def write(self, data: bytes) -> None:
        """Send all of `data`."""

    async def end(self) -> None:
        """Say that nothing more will be sent; what still comes can be read."""

    async def close(self) -> None:
        """Close both directions."""


class Sandbox(Protocol):
    """A locked room: no network but its own loopback, limited memory, processors, processes and disk."""

    @property
    def id(self) -> str: ...

    @property
    def tier(self) -> Tier: ...

    async def run(
        self,
        command: Command,
        *,
        timeout_seconds: float,
        directory: PurePosixPath = WORKSPACE,
        environment: Mapping[str, str] | None = None,
        input: bytes = b"",
    ) -> CommandResult:
        """Run a command and wait for it; 127 is the exit code of a program that is not there.

        After a timeout nothing the command started is still running.

        Raises:
            SandboxUnavailable: the command could not be started at all, or the sandbox was lost.
        """

    async def spawn(
        self,
        command: Command,
        *,
        directory: PurePosixPath = WORKSPACE,
        environment: Mapping[str, str] | None = None,
    ) -> Process:
        """Start a command and return at once.

        Raises:
            SandboxUnavailable: as for `run`.
        """

    async def write(self, files: Mapping[PurePosixPath, bytes]) -> None:
        """Create or replace files as the unprivileged user, with the folders they need.

        Raises:
            ToolError: a path outside the writable folders, or no space left.
            SandboxUnavailable: the sandbox was lost.
        """

    async def read(self, path: PurePosixPath, *, limit_bytes: int) -> bytes:
        """The content of one regular file.

        Raises:
            FileNotFoundError: no such file. IsADirectoryError: a folder.
            ToolError: larger than `limit_bytes`, or not a regular file.
            SandboxUnavailable: the sandbox was lost.
        """

    async def snapshot(self) -> Snapshot:
        """Keep what is in the workspace and the home folder, for other sandboxes to begin as.

        The same content is the same snapshot. One that no sandbox began as for a day is removed.

        Raises:
            ToolError: too many files, too many bytes, folders too deep, or something inside prevents it.
            SandboxUnavailable: the sandbox was lost, or this machine has no room for it.
        """

    async def restore(self, snapshot: SnapshotId) -> None:
        """Let workspace and home folder, which must be empty, be what a snapshot holds.

        Raises:
            ToolError: it does not fit into this sandbox.
            SandboxUnavailable: it is not here any more or was damaged, or the sandbox was lost.
        """

    async def connect(self, port: int) -> Stream:
        """Open a connection to 127.0.0.1:`port` inside.

        Raises:
            ConnectionRefusedError: nothing listens there.
            SandboxUnavailable: the sandbox was lost.
        """

    async def seal(self) -> None:
        """Let nothing be fetched from outside any more; what is under way is cut off. Cannot be undone."""

    async def kill_all(self) -> None:
        """Kill every process of the unprivileged user; none is left when this returns."""


class SandboxProvider(Protocol):
    """Opens sandboxes of one tier."""

    @property
    def tier(self) -> Tier: ...

    @property
    def notice(self) -> str | None:
        """What a person should know about the isolation before relying on it."""

    @property
    def installs(self) -> bool:
        """Whether sandboxes that are opened with `packages` can fetch packages, or reach hosts that a person listed."""

    @property
    def product_image(self) -> str:
        """The image in which products are built, checked and shown; all three in the same."""

    def open(self, spec: SandboxSpec) -> AbstractAsyncContextManager[Sandbox]:
        """A fresh sandbox, destroyed when the context ends, however it ends; never reused.

        Raises:
            SandboxUnavailable: the image is not built, the engine does not answer, a limit of the host is hit, or
                the snapshot to begin as is not here or was damaged.
            ToolError: the snapshot does not fit into this sandbox.
            DefinitionError: `spec.image` is not among `sandboxes/`.
        """

    async def reap(self) -> tuple[str, ...]:
        """Remove what dead processes of this installation left behind; the names of what was removed."""

    async def close(self) -> None:
        """Let go of the engine."""
