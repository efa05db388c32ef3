"""Makes the folders that bubblewrap shows as `/`, from the same Dockerfiles as the images."""

import asyncio
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from macrohard.domain import Value
from macrohard.errors import DefinitionError, SandboxUnavailable
from macrohard.sandbox import debian, dockerfile, host
from macrohard.sandbox import definition as definitions
from macrohard.sandbox.definition import SandboxDefinition
from macrohard.sandbox.images import BuiltImage, Progress, cache_folder, context_files, one_at_a_time, wanted

BUILD_CAPABILITIES: Final = (
    *("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD", "CAP_SETFCAP"),
    *("CAP_SETGID", "CAP_SETUID", "CAP_SYS_CHROOT"),
)
"""What installing Debian packages needs."""


class Rootfs(Value):
    """A folder to be shown as `/`, and how its programs expect to be started."""

    root: Path
    environment: dict[str, str]
    size_bytes: int


def find(definition: SandboxDefinition) -> Rootfs | None:
    """The finished folder for a definition, if it was made before."""
    return read(_folder(definition))


def read(folder: Path) -> Rootfs | None:
    """What stands in such a folder; None if it was not finished."""
    record = folder / "rootfs.json"
    return Rootfs.model_validate_json(record.read_text()) if record.is_file() else None


def folders() -> tuple[Path, ...]:
    """Those of all definitions that there ever were, finished or not."""
    return tuple(sorted(path for path in (cache_folder() / "rootfs").glob("*") if path.is_dir()))


def is_shown(folder: Path) -> bool:
    """Whether a sandbox has it, or something in it, among its mounts."""
    for mounts in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            lines = mounts.read_text().splitlines()
        except OSError:
            # It has ended meanwhile.
            continue
        # The fourth is the folder as its own file system names it, which need not begin as the path here does.
        if any(line.split()[3].endswith((f"/{folder.name}", f"/{folder.name}/root")) for line in lines):
            return True
    return False


async def build_rootfs(names: Sequence[str], *, progress: Progress) -> tuple[BuiltImage, ...]:
    """Make what is not there yet; needs root.

    Raises:
        DefinitionError: a definition is missing or wrong.
        SandboxUnavailable: a build failed; the text ends with what it printed last.
    """
    built = []
    for definition in wanted(names):
        started = time.monotonic()
        found = find(definition)
        cached = found is not None
        if found is None:
            async with one_at_a_time(progress):
                found = find(definition) or await _build(definition, progress)
        built.append(
            BuiltImage(
                name=definition.name,
                tag=definition.tag,
                seconds=round(time.monotonic() - started, 3),
                size_bytes=found.size_bytes,
                cached=cached,
            )
        )
    return tuple(built)


def _folder(definition: SandboxDefinition) -> Path:
    return cache_folder() / "rootfs" / definition.tag.replace("/", "-").replace(":", "-")


async def _build(definition: SandboxDefinition, progress: Progress) -> Rootfs:
    target = _folder(definition)
    # What a killed build left behind.
    await asyncio.to_thread(shutil.rmtree, target, ignore_errors=True)
    root = target / "root"
    root.mkdir(parents=True)
    try:
        environment: dict[str, str] = {}
        if definition.parent_is_ours:
            parent = find(definitions.load(definition.limits.parent))
            assert parent is not None, "parents are made first"
            environment = dict(parent.environment)
            progress(f"{definition.name}: copying {definition.limits.parent}")
            await _command("cp", "--archive", "--reflink=auto", f"{parent.root}/.", str(root))
        else:
            progress(f"{definition.name}: making a base with mmdebstrap")
            async with debian.tarball() as archive:
                await _command("tar", "--extract", f"--file={archive}", f"--directory={root}", "--exclude=./dev/*")
        files = context_files(definition, {} if definition.parent_is_ours else await host.build_files())
        environment = await _carry_out(definition, root, environment, files, progress)
        size = await asyncio.to_thread(size_bytes, root)
        made = Rootfs(root=root, environment=environment, size_bytes=size)
        # Last, because it is what says that the folder is complete.
        (target / "rootfs.json").write_text(made.model_dump_json())
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, target, ignore_errors=True)
        raise
    return made


async def _carry_out(
    definition: SandboxDefinition,
    root: Path,
    environment: dict[str, str],
    files: Mapping[str, tuple[bytes, int]],
    progress: Progress,
) -> dict[str, str]:
    path = definition.folder / "Dockerfile"
    instructions = dockerfile.parse(path)
    given = {"PARENT": definition.limits.parent, **await host.build_arguments()}
    declared = {name: value for name, value in given.items() if name.lower() in host.PROXIES}
    environment, directory = dict(environment), "/"
    for number, instruction in enumerate(instructions, start=1):
        progress(f"{definition.name}: Step {number}/{len(instructions)} : {instruction.word} {instruction.text}")
        text = dockerfile.substitute(instruction.text, {**declared, **environment})
        match instruction.word:
            case "FROM":
                if text != definition.limits.parent:
                    raise DefinitionError(path, f"line {instruction.line}: FROM must be ${{PARENT}}")
            case "ARG":
                name, equals, default = text.partition("=")
                if name in given or equals:
                    declared[name] = given.get(name, default)
            case "ENV":
                environment |= dockerfile.assignments(text)
            case "COPY":
                _copy(path, instruction, text, files, root)
            case "RUN":
                await _run(definition, root, instruction.text, {**declared, **environment}, directory)
            case "WORKDIR":
                directory = text
                (root / directory.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "USER":
                if text not in ("0", "0:0", "root"):
                    raise DefinitionError(path, f"line {instruction.line}: only root builds")
    return environment


def _copy(
    path: Path, instruction: dockerfile.Instruction, text: str, files: Mapping[str, tuple[bytes, int]], root: Path
) -> None:
    source, _, target = text.partition(" ")
    chosen = {
        name.removeprefix(source) if source.endswith("/") else Path(name).name: content
        for name, content in files.items()
        if name == source or (source.endswith("/") and name.startswith(source))
    }
    if not target.startswith("/") or (not chosen and source != "host/"):
        raise DefinitionError(path, f"line {instruction.line}: nothing to copy from {source!r} to {target!r}")
    for name, (content, executable) in chosen.items():
        destination = root / (target.strip("/") + "/" + name if target.endswith("/") else target).strip("/")
        destination.parent.mkdir(parents=True, exist_ok=True)
        destination.write_bytes(content)
        destination.chmod(0o644 | executable)


async def _run(
    definition: SandboxDefinition, root: Path, command: str, environment: Mapping[str, str], directory: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        "bwrap",
        *("--die-with-parent", "--new-session", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--as-pid-1"),
        *("--cap-drop", "ALL"),
        *(word for capability in BUILD_CAPABILITIES for word in ("--cap-add", capability)),
        *("--bind", str(root), "/", "--dev", "/dev", "--proc", "/proc"),
        *("--perms", "1777", "--tmpfs", "/tmp", "--tmpfs", "/run"),
        *("--ro-bind", "/etc/resolv.conf", "/etc/resolv.conf"),
        *("--ro-bind", "/etc/hosts", "/etc/hosts"),
        "--clearenv",
        *(
            "--setenv",
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "--setenv",
            "HOME",
            "/root",
        ),
        *(word for name, value in environment.items() for word in ("--setenv", name, value)),
        *("--chdir", directory, "/bin/sh", "-c", command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise SandboxUnavailable(
            f"building {definition.tag} failed: {command[:200]}\n{output.decode(errors='replace')[-2000:]}"
        )


async def _command(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise SandboxUnavailable(f"{command[0]} failed: {output.decode(errors='replace')[-2000:].strip()}")


def size_bytes(folder: Path) -> int:
    """What the files in it hold."""
    return sum(os.lstat(os.path.join(path, name)).st_size for path, _, names in os.walk(folder) for name in names)
