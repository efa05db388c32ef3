"""The only module that speaks to a Docker engine: what a template cannot express, nobody here can ask for."""

import asyncio
import io
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import docker
import requests
import urllib3
from docker.constants import DEFAULT_UNIX_SOCKET
from docker.errors import APIError, DockerException, ImageNotFound, NotFound, StreamParseError
from docker.utils import kwargs_from_env
from pydantic import AwareDatetime

from macrohard.domain import Value
from macrohard.errors import SandboxUnavailable
from macrohard.sandbox.template import Template, audit

LABEL: Final = "io.macrohard"
BUILD_SECONDS: Final = 3600.0
TRANSFER_SECONDS: Final = 3600.0
OURS: Final = re.compile(r"macrohard/\w+:[0-9a-f]{16}")
PRINTED_LINES: Final = 40
AT_ONCE: Final = 16
ENGINE_ERRORS: Final = (
    *(DockerException, StreamParseError, requests.RequestException, urllib3.exceptions.HTTPError),
    *(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError),
)
SILENT: Final = (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)

Answer = TypeVar("Answer")


class Patience(Value):
    """After how many seconds without a sign of life from the engine a request fails."""

    answer_seconds: int = 60
    pull_seconds: int = 20
    """Short, because there is another way to get the same system."""
    build_seconds: int = 600
    """Long, because a step of a build can be at work without printing."""


class EngineFacts(Value):
    """What an engine says of itself."""

    kind: str
    processors: int
    limits_swap: bool
    version: str
    kernel: str
    """The release of the kernel that it runs on."""
    runtimes: Mapping[str, str]
    """The program of each by name; empty where the engine does not tell."""
    default_runtime: str
    runc: str
    """The version of runc, or what the engine calls it; empty if it does not tell."""


class Held(Value):
    """A container with our label."""

    id: str
    name: str
    labels: Mapping[str, str]


class Stored(Value):
    """An image that an engine holds under a name."""

    tag: str
    size_bytes: int
    """With all it is built on."""
    created: AwareDatetime


class _Client(docker.APIClient):
    """One that never waits without end: docker's own switches its time limit off for builds, pulls and imports."""

    def request(self, method: str | bytes, url: str | bytes, **settings: Any) -> requests.Response:  # type: ignore[override]
        settings["timeout"] = settings.get("timeout") or self.timeout
        return super().request(method, url, **settings)

    def saved(self, tags: Sequence[str]) -> Iterator[bytes]:
        """Several images as one tar file, which docker's own can do for one only."""
        response = self.get(self._url("/images/get"), params={"names": list(tags)}, stream=True)  # type: ignore[attr-defined]
        self._raise_for_status(response)  # type: ignore[attr-defined]
        return iter(response.iter_content(1 << 20))


class Broker:
    """A connection to one engine. Every method waits no longer than its patience allows.

    Each raises SandboxUnavailable, with what to do about it, when the engine does not answer, breaks off, fails, or
    has no disk left.
    """

    def __init__(self, version: str, patience: Patience, settings: Mapping[str, Any]) -> None:
        self._version, self._patience, self._settings = version, patience, settings
        self._client = self._new_client(patience.answer_seconds)
        # Of its own, so that an engine that hangs holds nobody else up.
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="docker")

    @classmethod
    async def connect(cls, *, patience: Patience | None = None, address: str | None = None) -> "Broker":
        """Find the engine at that address, a URL; None: at `DOCKER_HOST`, or the one on this machine."""
        patience = patience or Patience()
        settings = {"base_url": address} if address else kwargs_from_env()
        with _in_words("connecting", patience.answer_seconds):
            # By hand, because the client leaks its socket when nobody is there.
            async with asyncio.timeout(patience.answer_seconds):
                reader, writer = await _open(_address(settings))
                try:
                    writer.write(b"GET /version HTTP/1.0\r\nHost: docker\r\n\r\n")
                    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
                finally:
                    writer.close()
            if not head:
                raise ConnectionResetError("it hung up")
            if b" 200 " not in head.split(b"\r\n")[0]:
                raise DockerException(f"it answers {head[:100].decode(errors='replace')!r}")
            try:
                version = json.loads(body)["ApiVersion"]
            except (ValueError, KeyError, TypeError) as error:
                raise DockerException("it does not answer as a Docker engine does") from error
            return cls(str(version), patience, settings)

    async def facts(self) -> EngineFacts:
        found = await self._ask("asking what it is", lambda client: client.info())
        return EngineFacts(
            kind=str(found.get("OSType")),
            processors=found.get("NCPU") or 1,
            limits_swap=bool(found.get("SwapLimit", True)),
            version=str(found.get("ServerVersion") or ""),
            kernel=str(found.get("KernelVersion") or ""),
            runtimes={
                name: str((each or {}).get("path") or "") for name, each in (found.get("Runtimes") or {}).items()
            },
            default_runtime=str(found.get("DefaultRuntime") or "runc"),
            runc=await self._ask("asking for its versions", _runc_version),
        )

    async def create(self, template: Template, *, name: str) -> str:
        """Make a container, compare what the engine says it made with the template, and give its id.

        Also when this raises, a container of that name may be there; `remove` it.

        Raises:
            SandboxUnavailable: as ever, or the image is not there, or something else was made than was asked for.
        """

        def made(client: docker.APIClient) -> tuple[str, Mapping[str, Any]]:
            try:
                created = client.create_container_from_config(  # type: ignore[no-untyped-call]
                    template.container_config(), name=name
                )
            except ImageNotFound as error:
                image = template.image.removeprefix("macrohard/").partition(":")[0]
                raise SandboxUnavailable(
                    f"the image of sandbox {image!r} is not built: macrohard sandboxes build {image}"
                ) from error
            container = str(created["Id"])
            return container, client.inspect_container(container)

        container, found = await self._ask(f"making a sandbox from {template.image}", made)
        audit(found, template)
        return container

    async def attach(self, container: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to a container's standard streams; the engine's frames come out of it."""
        with _in_words("attaching to a sandbox", self._patience.answer_seconds):
            async with asyncio.timeout(self._patience.answer_seconds):
                reader, writer = await _open(_address(self._settings))
                try:
                    writer.write(
                        f"POST /containers/{container}/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\n"
                        "Host: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n".encode()
                    )
                    head = await reader.readuntil(b"\r\n\r\n")
                    if not head.startswith((b"HTTP/1.1 101 ", b"HTTP/1.1 200 ")):
                        raise DockerException(f"it refuses: {head.splitlines()[0].decode(errors='replace')}")
                except BaseException:
                    writer.close()
                    raise
                return reader, writer

    async def start(self, container: str) -> None:
        await self._ask("starting a sandbox", lambda client: client.start(container))

    async def remove(self, container: str) -> None:
        """Kill and remove it, by id or name; it is gone when this returns, or was not there."""

        def removed(client: docker.APIClient) -> None:
            with suppress(NotFound):
                try:
                    client.remove_container(container, force=True, v=True)
                except APIError as error:
                    # It ended by itself, and the engine is at it.
                    if error.status_code != 409:
                        raise
                    client.wait(container, condition="removed")

        await self._ask("removing a sandbox", removed)

    async def held(self, instance: str) -> Sequence[Held]:
        """The containers of one installation, running or not."""
        found = await self._ask(
            "listing sandboxes",
            lambda client: client.containers(all=True, filters={"label": f"{LABEL}.instance={instance}"}),
        )
        # The engine filters; that nobody else's is touched must not hang on it.
        return [
            Held(id=each["Id"], name=each["Names"][0].lstrip("/"), labels=each["Labels"])
            for each in found
            if (each.get("Labels") or {}).get(f"{LABEL}.instance") == instance
        ]

    async def image(self, tag: str) -> Stored | None:
        """The image of that name; None if there is none."""

        def inspected(client: docker.APIClient) -> Stored | None:
            try:
                found = client.inspect_image(tag)  # type: ignore[no-untyped-call]
            except ImageNotFound:
                return None
            return Stored(tag=tag, size_bytes=found["Size"], created=found["Created"])

        return await self._ask(f"looking for {tag}", inspected)

    async def images(self) -> Sequence[Stored]:
        """Every image with a name in `macrohard/`."""
        found = await self._ask("listing images", lambda client: client.images())
        return [
            Stored(tag=tag, size_bytes=each["Size"], created=datetime.fromtimestamp(each["Created"], UTC))
            for each in found
            for tag in each.get("RepoTags") or ()
            if tag.startswith("macrohard/")
        ]

    async def used(self) -> Mapping[str, int]:
        """How many containers there are of each image, by the name it was asked for with."""
        found = await self._ask("listing containers", lambda client: client.containers(all=True))
        return Counter(str(each["Image"]) for each in found)

    async def remove_image(self, tag: str) -> bool:
        """Remove a name and what no other name needs; False if a container needs it."""

        def removed(client: docker.APIClient) -> bool:
            try:
                client.remove_image(tag)
            except ImageNotFound:
                return True
            except APIError as error:
                if error.status_code == 409:
                    return False
                raise
            return True

        return await self._ask(f"removing {tag}", removed)

    async def pull(self, image: str) -> None:
        """Get an image from its registry."""
        repository, _, version = image.partition(":")

        def pulled(_: docker.APIClient) -> None:
            with closing(self._new_client(self._patience.pull_seconds)) as client:
                for message in _bounded(client.pull(repository, tag=version, stream=True, decode=True)):
                    if "error" in message:
                        raise DockerException(message["error"])

        await self._ask(f"pulling {image}", pulled, self._patience.pull_seconds)

    async def import_root(self, archive: Path, *, tag: str) -> None:
        """Make an image of one layer from a tar file."""
        repository, _, version = tag.partition(":")

        def imported(_: docker.APIClient) -> None:
            with closing(self._new_client(self._patience.build_seconds)) as client:
                answer = client.import_image_from_file(str(archive), repository=repository, tag=version)
            # Failures that come after the first byte come with a status that says all is well.
            for line in answer.splitlines():
                if "error" in (message := json.loads(line)):
                    raise DockerException(message["error"])

        await self._ask(f"importing {tag}", imported, self._patience.build_seconds)

    async def build(
        self, tag: str, *, context: bytes, arguments: Mapping[str, str], tell: Callable[[str], None]
    ) -> None:
        """Build an image from a tar file with a Dockerfile; `tell` is called with each line that is printed.

        Raises:
            SandboxUnavailable: as ever, or a step failed; the text ends with what was printed last.
        """
        loop = asyncio.get_running_loop()
        printed: list[str] = []

        def built(client: docker.APIClient) -> None:
            messages = client.build(
                fileobj=io.BytesIO(context),
                custom_context=True,
                tag=tag,
                buildargs=dict(arguments),
                rm=True,
                forcerm=True,
                network_mode="host",
                decode=True,
                timeout=self._patience.build_seconds,
            )
            for message in _bounded(messages):
                if "error" in message:
                    raise DockerException(f"{message['error']}\n{''.join(printed)[-2000:].rstrip()}\n")
                text = message.get("stream", "")
                printed.append(text)
                del printed[:-PRINTED_LINES]
                for line in text.splitlines():
                    if line.strip():
                        loop.call_soon_threadsafe(tell, line.rstrip())

        await self._ask(f"building {tag}", built, self._patience.build_seconds)

    async def save(self, tags: Sequence[str], write: Callable[[bytes], None]) -> None:
        """Give `write` those images of ours as one tar file, in pieces; what it raises ends the saving.

        It is called from a thread of the broker's, and goes on being called if this is cancelled.
        """
        assert all(OURS.fullmatch(tag) for tag in tags)

        def saved(_: docker.APIClient) -> None:
            deadline = time.monotonic() + TRANSFER_SECONDS
            with closing(self._new_client(self._patience.build_seconds)) as client:
                for chunk in client.saved(tags):
                    if time.monotonic() > deadline:
                        raise TimeoutError
                    write(chunk)

        await self._ask("saving images", saved, self._patience.build_seconds)

    async def load(self, chunks: Iterator[bytes]) -> tuple[str, ...]:
        """Load a tar file of images, and give the names that the engine says it gave them."""

        def loaded(_: docker.APIClient) -> tuple[str, ...]:
            names = []
            with closing(self._new_client(self._patience.build_seconds)) as client:
                for message in _bounded(client.load_image(chunks)):  # type: ignore[no-untyped-call]
                    if "error" in message:
                        raise DockerException(message["error"])
                    said, _colon, tag = str(message.get("stream", "")).strip().partition(": ")
                    if said == "Loaded image":
                        names.append(tag)
            return tuple(names)

        return await self._ask("loading images", loaded, self._patience.build_seconds)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    async def _ask(
        self, doing: str, question: Callable[[docker.APIClient], Answer], silence_seconds: int | None = None
    ) -> Answer:
        with _in_words(doing, silence_seconds or self._patience.answer_seconds):
            return await asyncio.get_running_loop().run_in_executor(self._threads, partial(question, self._client))

    def _new_client(self, silence_seconds: int) -> _Client:
        return _Client(version=self._version, timeout=silence_seconds, **self._settings)


def _runc_version(client: docker.APIClient) -> str:
    for part in client.version().get("Components") or ():
        if part.get("Name") == "runc":
            # Debian's own number, which tells what is mended in it, stands in the place of a commit.
            detailed = str((part.get("Details") or {}).get("GitCommit") or "")
            return detailed if "deb" in detailed else str(part.get("Version") or "")
    return ""


def _address(settings: Mapping[str, Any]) -> str:
    return str(settings.get("base_url", DEFAULT_UNIX_SOCKET))


async def _open(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    where = urlsplit(address)
    match where.scheme:
        case "unix" | "http+unix":
            return await asyncio.open_unix_connection(where.path, limit=1 << 20)
        case "tcp" | "http":
            return await asyncio.open_connection(where.hostname, where.port, limit=1 << 20)
        case scheme:
            raise SandboxUnavailable(f"a Docker engine at {scheme}:// cannot be used; give a UNIX socket")


def _bounded(messages: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    deadline = time.monotonic() + BUILD_SECONDS
    for message in messages:
        if time.monotonic() > deadline:
            raise TimeoutError
        yield message


@contextmanager
def _in_words(doing: str, silence_seconds: int) -> Iterator[None]:
    try:
        yield
    except ENGINE_ERRORS as error:
        raise SandboxUnavailable(f"{doing}: {_problem(error, silence_seconds)}") from error


def _problem(error: BaseException, silence_seconds: int) -> str:
    said = str(error.explanation or error) if isinstance(error, APIError) else str(error)
    if "no space left on device" in said.lower():
        return (
            f"the disk of the Docker engine is full ({said.strip()}). Make room: macrohard sandboxes prune; "
            "docker system df shows what else is there."
        )
    if isinstance(error, SILENT):
        return (
            f"the Docker engine did not answer within {silence_seconds} s. "
            "See journalctl --unit docker; systemctl restart docker helps if it hangs."
        )
    if isinstance(error, APIError) and error.is_server_error():
        return f"the Docker engine failed ({said.strip()}). See journalctl --unit docker."
    if isinstance(error, DockerException):
        return f"the Docker engine refuses: {said.strip()}"
    return (
        f"no Docker engine answers ({said.strip() or type(error).__name__}). "
        "See systemctl status docker; systemctl start docker if it is not running."
    )
