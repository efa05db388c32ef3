"""Finds out which sandboxes this machine can offer, by starting one; never by what something says of itself."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from macrohard.domain import TIERS, Diagnosis, Tier, at_least
from macrohard.errors import RequestError, SandboxUnavailable
from macrohard.sandbox import definition as definitions
from macrohard.sandbox.broker import Broker
from macrohard.sandbox.bubblewrap import BubblewrapProvider
from macrohard.sandbox.docker import DockerProvider
from macrohard.sandbox.images import BuiltImage, Progress, build_docker_images
from macrohard.sandbox.prune import Pruned, prune_folders, prune_images, prune_snapshots
from macrohard.sandbox.rootfs import build_rootfs
from macrohard.sandbox.runtimes import GVISOR_ADVICE, USERNS_ADVICE, is_outdated, known_holes

Engine = Literal["auto", "docker", "bubblewrap"]

ADVICE = {
    "docker": "apt-get install --yes docker.io, start it (systemctl start docker), and be root or in group docker",
    "bubblewrap": "as root: apt-get install --yes bubblewrap mmdebstrap",
}

TIER_ADVICE: Final[dict[Tier, str]] = {
    "microvm": (
        "register a runtime with the Docker engine that starts each container in a micro virtual machine and can put "
        "two on one loopback, and name it as `runtime` in the table [sandboxes] of the settings"
    ),
    "gvisor": GVISOR_ADVICE,
    "runc+userns": USERNS_ADVICE,
    "runc": ADVICE["docker"],
    "bubblewrap": ADVICE["bubblewrap"],
}
"""How to get sandboxes of each tier on Debian 12."""


async def choose_provider(
    requested: Engine, *, home: Path, required: Tier | None = None, runtime: str | None = None
) -> DockerProvider | BubblewrapProvider:
    """The provider of the strongest sandboxes there are here, or of the kind that was asked for.

    Its `notice`, if it has one, belongs before the person's eyes and into the report.

    Args:
        requested: which engines may be taken.
        home: what tells this installation's sandboxes from others'.
        required: the weakest isolation that is good enough; None: any.
        runtime: the only one to take of the Docker engine's; None: the strongest that works.

    Raises:
        SandboxUnavailable: there is none; the text says how to get one.
        RequestError: there are some, and none is as strong as required; the text says how to get one that is.
    """
    problems, weaker = [], []
    for engine in _candidates(requested, runtime):
        try:
            provider = await _connected(engine, home=home, runtime=runtime)
        except SandboxUnavailable as error:
            problems.append(f"{engine}: {error}\n  to get it: {ADVICE[engine]}")
            continue
        if required is None or _is_known_to_be(provider, required):
            return provider
        weaker.append(f"{engine}: {_strength(provider)}")
        await provider.close()
    if weaker and required:
        raise RequestError(
            f"sandboxes of tier {required} or stronger are required, and there are none here; nothing was run\n"
            + "\n".join([*weaker, *problems])
            + f"\n  to get {required}: {TIER_ADVICE[required]}"
            + "\n  to go on with less: name another tier with --require-tier, or as `required` in the table [sandboxes]"
        )
    raise SandboxUnavailable("no sandbox can be had on this machine\n" + "\n".join(problems))


async def _connected(
    engine: Literal["docker", "bubblewrap"], *, home: Path, runtime: str | None
) -> DockerProvider | BubblewrapProvider:
    if engine == "docker":
        return await DockerProvider.connect(home=home, runtime=runtime)
    return await BubblewrapProvider.connect(home=home)


def _is_known_to_be(provider: DockerProvider | BubblewrapProvider, required: Tier) -> bool:
    seen = provider.tried if isinstance(provider, DockerProvider) else True
    return seen and at_least(provider.tier, required)


def _strength(provider: DockerProvider | BubblewrapProvider) -> str:
    if isinstance(provider, DockerProvider) and not provider.tried:
        return "it is not known how strong they are before one was started: macrohard sandboxes build base"
    notes = "".join(f"; {problem}" for problem in getattr(provider, "problems", ()))
    return f"the strongest that works is {provider.tier}{notes}"


async def build_images(names: Sequence[str], *, progress: Progress, engine: Engine = "auto") -> tuple[BuiltImage, ...]:
    """Build those images, and what they are built on, that are not there yet.

    Raises:
        DefinitionError: a definition is missing or wrong.
        SandboxUnavailable: no engine is there to build with, or a build failed; the text ends with what it printed.
    """
    problems = []
    for candidate in _candidates(engine, None):
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


async def diagnose(*, home: Path, required: Tier | None = None, runtime: str | None = None) -> tuple[Diagnosis, ...]:
    """What works here and what does not, found by trying; raises nothing."""
    rows: list[Diagnosis] = []
    usable: dict[str, DockerProvider | BubblewrapProvider] = {}
    problems: dict[str, str] = {}
    for engine in _candidates("auto", None):
        try:
            usable[engine] = provider = await _connected(engine, home=home, runtime=runtime)
        except SandboxUnavailable as error:
            problems[engine] = str(error)
            rows.append(Diagnosis(check=f"{engine} sandboxes", ok=False, detail=str(error), advice=ADVICE[engine]))
            continue
        seen = "" if not isinstance(provider, DockerProvider) or provider.tried else " until one was started"
        detail = f"tier {provider.tier}{seen}" + (f". {provider.notice}" if provider.notice else "")
        rows.append(Diagnosis(check=f"{engine} sandboxes", ok=True, detail=detail, advice=""))
    allowed = [usable[engine] for engine in _candidates("auto", runtime) if engine in usable]
    rows += [_tier_row(tier, usable, problems) for tier in TIERS]
    if isinstance(docker := usable.get("docker"), DockerProvider):
        rows += _engine_rows(docker)
    rows.append(_in_all(allowed, required))
    for name in definitions.names() if allowed else ():
        built = await allowed[0].has_image(definitions.load(name))
        rows.append(
            Diagnosis(
                check=f"image {name}",
                ok=built,
                detail=definitions.load(name).tag if built else "not built",
                advice="" if built else "macrohard sandboxes build; or it is built when it is first used",
            )
        )
    for provider in usable.values():
        await provider.close()
    return tuple(rows)


def _in_all(allowed: Sequence[DockerProvider | BubblewrapProvider], required: Tier | None) -> Diagnosis:
    check = "a sandbox can be had"
    if not allowed:
        advice = "; or ".join(ADVICE.values())
        return Diagnosis(check=check, ok=False, detail="neither Docker nor bubblewrap works", advice=advice)
    if required is None:
        return Diagnosis(check=check, ok=True, detail=f"{allowed[0].tier} will be used", advice="")
    enough = [provider for provider in allowed if _is_known_to_be(provider, required)]
    if enough:
        detail = f"{enough[0].tier} will be used; {required} or stronger is required"
        return Diagnosis(check=check, ok=True, detail=detail, advice="")
    detail = f"{required} or stronger is required; {_strength(allowed[0])}"
    return Diagnosis(check=check, ok=False, detail=detail, advice=TIER_ADVICE[required])


def _tier_row(
    tier: Tier, usable: Mapping[str, DockerProvider | BubblewrapProvider], problems: Mapping[str, str]
) -> Diagnosis:
    check = f"tier {tier}"
    engine = "bubblewrap" if tier == "bubblewrap" else "docker"
    provider = usable.get(engine)
    if provider is None:
        detail = f"{engine} sandboxes cannot be had: see there"
        return Diagnosis(check=check, ok=False, detail=detail, advice=TIER_ADVICE[tier])
    if not isinstance(provider, DockerProvider):
        return Diagnosis(check=check, ok=True, detail="works here", advice="")
    if not provider.tried:
        detail = "not known before one was started, for which the image base is needed"
        return Diagnosis(check=check, ok=False, detail=detail, advice="macrohard sandboxes build base")
    if provider.tier == tier:
        return Diagnosis(check=check, ok=True, detail=f"works here, with runtime {provider.runtime}", advice="")
    if at_least(provider.tier, tier):
        return Diagnosis(check=check, ok=True, detail=f"not tried, because {provider.tier} is stronger", advice="")
    match tier:
        case "microvm":
            detail = "no runtime is named that starts micro virtual machines"
        case "gvisor":
            detail = "; ".join(provider.problems) or "the Docker engine has no runtime runsc"
        case _:
            detail = "the Docker engine does not remap users: root in a container is root outside"
    return Diagnosis(check=check, ok=False, detail=detail, advice=TIER_ADVICE[tier])


def _engine_rows(provider: DockerProvider) -> list[Diagnosis]:
    facts, rows = provider.facts, []
    outdated = is_outdated(facts)
    detail = f"version {facts.version}" + (", which its makers mend no longer" if outdated else "")
    advice = "install a newer one from download.docker.com, or keep to your distribution's security updates"
    rows.append(Diagnosis(check="Docker engine", ok=not outdated, detail=detail, advice=advice if outdated else ""))
    if holes := known_holes(facts):
        detail = f"{holes}; sandboxes mount nothing that code inside could choose, which these need"
        advice = f"apt-get install --only-upgrade runc, or a stronger tier: {GVISOR_ADVICE}"
        rows.append(Diagnosis(check="runc", ok=False, detail=detail, advice=advice))
    return rows


def _candidates(requested: Engine, runtime: str | None) -> tuple[Literal["docker", "bubblewrap"], ...]:
    if runtime is not None:
        # Whoever names one does not want less in its place.
        return ("docker",)
    return ("docker", "bubblewrap") if requested == "auto" else (requested,)
