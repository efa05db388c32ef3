"""Finds out which sandboxes this machine can offer, by starting one; never by what something says of itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from macrohard.domain import Value
from macrohard.errors import SandboxUnavailable
from macrohard.sandbox import definition as definitions
from macrohard.sandbox.broker import Broker
from macrohard.sandbox.bubblewrap import BubblewrapProvider
from macrohard.sandbox.docker import DockerProvider
from macrohard.sandbox.images import BuiltImage, Progress, build_docker_images
from macrohard.sandbox.prune import Pruned, prune_folders, prune_images, prune_snapshots
from macrohard.sandbox.rootfs import build_rootfs

Engine = Literal["auto", "docker", "bubblewrap"]

ADVICE = {
    "docker": "apt-get install --yes docker.io, start it (systemctl start docker), and be root or in group docker",
    "bubblewrap": "as root: apt-get install --yes bubblewrap mmdebstrap",
}


class Diagnosis(Value):
    """One row of what `macrohard doctor` shows."""

    check: str
    ok: bool
    detail: str
    advice: str
    """What to do about it; empty if nothing."""


async def choose_provider(requested: Engine, *, home: Path) -> DockerProvider | BubblewrapProvider:
    """The provider of the strongest sandboxes there are here, or of the kind that was asked for.

    Its `notice`, if it has one, belongs before the person's eyes and into the report.

    Raises:
        SandboxUnavailable: there is none; the text says how to get one.
    """
    problems = []
    for engine in _candidates(requested):
        try:
            if engine == "docker":
                return await DockerProvider.connect(home=home)
            return await BubblewrapProvider.connect(home=home)
        except SandboxUnavailable as error:
            problems.append(f"{engine}: {error}\n  to get it: {ADVICE[engine]}")
    raise SandboxUnavailable("no sandbox can be had on this machine\n" + "\n".join(problems))


async def build_images(names: Sequence[str], *, progress: Progress, engine: Engine = "auto") -> tuple[BuiltImage, ...]:
    """Build those images, and what they are built on, that are not there yet.

    Raises:
        DefinitionError: a definition is missing or wrong.
        SandboxUnavailable: no engine is there to build with, or a build failed; the text ends with what it printed.
    """
    problems = []
    for candidate in _candidates(engine):
        try:
            if candidate == "bubblewrap":
                await BubblewrapProvider.check()
                return await build_rootfs(names, progress=progress)
            broker = await Broker.connect()
        except SandboxUnavailable as error:
            problems.append(f"{candidate}: {error}\n  to get it: {ADVICE[candidate]}")
            continue
        try:
            return await build_docker_images(broker, names, progress=progress)
        finally:
            await broker.close()
    raise SandboxUnavailable("no sandbox images can be built on this machine\n" + "\n".join(problems))


async def prune(*, home: Path, progress: Progress) -> tuple[Pruned, ...]:
    """Remove snapshots that nobody used for long, and what was made for definitions that have changed since.

    The latter from the engine, if one answers, and from here.

    Raises:
        DefinitionError: a definition is wrong, so that it is not known what is needed.
        SandboxUnavailable: the engine stopped answering.
    """
    pruned = [*prune_snapshots(home), *await prune_folders(progress=progress)]
    try:
        broker = await Broker.connect()
    except SandboxUnavailable as error:
        progress(f"images of Docker are left as they are: {error}")
        return tuple(pruned)
    try:
        return (*pruned, *await prune_images(broker))
    finally:
        await broker.close()


async def diagnose(*, home: Path) -> tuple[Diagnosis, ...]:
    """What works here and what does not, found by trying; raises nothing."""
    rows = []
    usable = []
    for engine in _candidates("auto"):
        try:
            provider = await choose_provider(engine, home=home)
        except SandboxUnavailable as error:
            rows.append(Diagnosis(check=f"{engine} sandboxes", ok=False, detail=str(error), advice=ADVICE[engine]))
            continue
        usable.append(provider)
        detail = f"tier {provider.tier}" + (f". {provider.notice}" if provider.notice else "")
        rows.append(Diagnosis(check=f"{engine} sandboxes", ok=True, detail=detail, advice=""))
    rows.append(
        Diagnosis(
            check="a sandbox can be had",
            ok=bool(usable),
            detail=f"{usable[0].tier} will be used" if usable else "neither Docker nor bubblewrap works",
            advice="" if usable else "; or ".join(ADVICE.values()),
        )
    )
    for name in definitions.names() if usable else ():
        built = await usable[0].has_image(definitions.load(name))
        rows.append(
            Diagnosis(
                check=f"image {name}",
                ok=built,
                detail=definitions.load(name).tag if built else "not built",
                advice="" if built else "macrohard sandboxes build; or it is built when it is first used",
            )
        )
    for provider in usable:
        await provider.close()
    return tuple(rows)


def _candidates(requested: Engine) -> tuple[Literal["docker", "bubblewrap"], ...]:
    return ("docker", "bubblewrap") if requested == "auto" else (requested,)
