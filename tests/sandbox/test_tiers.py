"""Which tier is taken where an engine offers several ways, some of which fail, hang, or are not what they say."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from macrohard.domain import TIERS, Tier
from macrohard.errors import RequestError, SandboxUnavailable
from macrohard.sandbox import DockerProvider, SandboxSpec, build_images, choose_provider, diagnose
from macrohard.sandbox.broker import EngineFacts
from macrohard.sandbox.channel import Hello
from macrohard.sandbox.runtimes import candidates, is_outdated, known_holes, tier_of
from tests.sandbox.engines import private_engine

GVISOR = "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016"
ALL_USERS, SOME_USERS = ["0", "0", "4294967295"], ["0", "100000", "65536"]
FACTS = EngineFacts(
    kind="linux",
    processors=2,
    limits_swap=True,
    version="28.5.1",
    kernel="6.1.0-40-amd64",
    runtimes={"runc": "runc", "runsc": "/usr/bin/runsc", "strict": "/opt/runsc", "kata": "/usr/bin/kata"},
    default_runtime="runc",
    runc="1.3.3",
)


@pytest.fixture(scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """One that offers, besides gVisor, what only looks like a runtime."""
    await build_images(("base",), engine="docker", progress=print)
    hanging = tmp_path_factory.mktemp("runtimes") / "hangs"
    hanging.write_text("#!/bin/sh\nexec sleep 98764\n")
    hanging.chmod(0o755)
    runtimes = {
        "runsc": ("/usr/bin/runsc", "--network=host", "--host-uds=open"),
        "runsc-alone": ("/usr/bin/runsc", "--network=none"),
        "runsc-strict": ("/usr/bin/runsc", "--network=host", "--oci-seccomp"),
        "runsc-bad": ("/usr/bin/runsc", "--platform=nonsense"),
        "runsc-not": ("/usr/sbin/runc",),
        "kata": ("/usr/sbin/runc",),
        "hangs": (str(hanging),),
    }
    async with private_engine(remapped=False, runtimes=runtimes) as address:
        yield address


async def test_gvisor_is_taken_where_a_pod_of_it_works(engine: str, tmp_path: Path) -> None:
    """Although others that are named like it, and are tried as well, do not."""
    provider = await DockerProvider.connect(home=tmp_path, engine=engine)
    try:
        assert (provider.tier, provider.runtime, provider.notice) == ("gvisor", "runsc", None)
        async with provider.open(SandboxSpec(image="base")) as sandbox:
            assert sandbox.tier == "gvisor"
    finally:
        await provider.close()


async def test_a_list_of_system_calls_by_the_engine_does_no_harm(engine: str, tmp_path: Path) -> None:
    """By itself it lets no threads start; the guest's own list, which lies over it, says how else to ask for one."""
    provider = await DockerProvider.connect(home=tmp_path, engine=engine, runtime="runsc-strict")
    try:
        assert provider.tier == "gvisor"
    finally:
        await provider.close()


@pytest.mark.parametrize(
    ("runtime", "complaint"),
    [
        pytest.param("runsc-alone", "cannot share a loopback", id="no pods"),
        pytest.param("runsc-bad", "does not work here", id="does not start"),
        pytest.param("runsc-not", "without gVisor's kernel", id="not gVisor"),
        pytest.param("kata", "no micro virtual machine", id="not a virtual machine"),
        pytest.param("nowhere", "no runtime 'nowhere'", id="not registered"),
    ],
)
async def test_a_runtime_that_is_named_is_taken_or_refused(
    engine: str, runtime: str, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(SandboxUnavailable, match=complaint):
        await DockerProvider.connect(home=tmp_path, engine=engine, runtime=runtime)
    await _nothing_left(engine)


async def test_a_runtime_that_hangs_holds_nobody_up_and_leaves_nothing(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bystander = await DockerProvider.connect(home=tmp_path / "other", engine=engine, runtime="runsc")
    async with bystander.open(SandboxSpec(image="base")) as spared:
        assert len(await asyncio.to_thread(_left, engine)) > 1, "what is there is found"
        monkeypatch.setattr("macrohard.sandbox.docker.PROBE_SECONDS", 2.0)
        # Without clearing up it takes as long as the runtime does.
        async with asyncio.timeout(60):
            with pytest.raises(SandboxUnavailable, match="started no sandbox within 2 s"):
                await DockerProvider.connect(home=tmp_path, engine=engine, runtime="hangs")
        assert (await spared.run("echo well", timeout_seconds=30)).stdout == "well\n"
    await bystander.close()
    await _nothing_left(engine)


async def _nothing_left(engine: str) -> None:
    """Wait until there is no container, and no process that a runtime started for one."""
    async with asyncio.timeout(20):
        # No event tells of the end of another process's children.
        while await asyncio.to_thread(_left, engine):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def _left(engine: str) -> list[str]:
    listing = subprocess.run(["docker", "--host", engine, "ps", "-aq"], capture_output=True, text=True, check=True)
    output = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    processes = [line.split(None, 2) for line in output.splitlines()]
    # Other engines may be at work beside it. What starts this one inherits what its runtimes leave.
    folder = str(Path(engine.removeprefix("unix://")).parent)
    family = {parent for _, parent, words in processes if words.startswith(f"dockerd --config-file {folder}/")}
    while grown := {pid for pid, parent, _ in processes if parent in family} - family:
        family |= grown
    theirs = ("runsc-", "/usr/bin/runsc", "sleep 98764")
    return listing.stdout.split() + [words for pid, _, words in processes if pid in family and words.startswith(theirs)]


async def test_a_plain_container_says_that_it_is_one(tmp_path: Path) -> None:
    chosen = await choose_provider("docker", home=tmp_path)
    await chosen.close()
    assert chosen.tier == "runc"
    assert "plain containers" in (chosen.notice or "")


@pytest.mark.parametrize("required", ["bubblewrap", "runc"])
async def test_what_is_strong_enough_is_taken(required: Tier, tmp_path: Path) -> None:
    chosen = await choose_provider("auto", home=tmp_path, required=required)
    await chosen.close()
    assert chosen.tier == "runc"


@pytest.mark.parametrize("required", ["runc+userns", "gvisor", "microvm"])
async def test_what_is_too_weak_is_refused_with_what_was_found_and_what_to_do(required: Tier, tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        await choose_provider("auto", home=tmp_path, required=required)
    said = str(caught.value)
    assert f"tier {required} or stronger are required" in said
    assert "docker: the strongest that works is runc" in said
    assert "bubblewrap: the strongest that works is bubblewrap" in said
    assert f"to get {required}: " in said


async def test_whoever_names_a_runtime_gets_nothing_weaker(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="no runtime 'kata'"):
        await choose_provider("auto", home=tmp_path, runtime="kata")


async def test_doctor_has_a_row_for_each_tier(tmp_path: Path) -> None:
    rows = {row.check: row for row in await diagnose(home=tmp_path, required="gvisor")}
    there = {tier: rows[f"tier {tier}"].ok for tier in TIERS}
    assert there == {"microvm": False, "gvisor": False, "runc+userns": False, "runc": True, "bubblewrap": True}
    assert all(rows[f"tier {tier}"].advice for tier, works in there.items() if not works)
    assert not rows["a sandbox can be had"].ok
    assert "--network=host" in rows["a sandbox can be had"].advice


@pytest.mark.parametrize(
    ("kernel", "users", "runtime", "tier"),
    [
        (GVISOR, ALL_USERS, "runsc", "gvisor"),
        ("Linux version 4.19.0-gvisor #1 SMP", ALL_USERS, "strict", "gvisor"),
        ("Linux version 6.12.28 (kata@here) #1 SMP", ALL_USERS, "kata", "microvm"),
        ("Linux version 6.1.0-40-amd64 (debian)", SOME_USERS, "runc", "runc+userns"),
        ("Linux version 6.1.0-40-amd64 (debian)", ALL_USERS, "runc", "runc"),
    ],
)
def test_the_tier_is_what_is_seen_inside(kernel: str, users: list[str], runtime: str, tier: Tier) -> None:
    assert tier_of(Hello(uid_map=users, kernel=kernel, python="3.11"), FACTS, runtime) == tier


@pytest.mark.parametrize("runtime", ["runsc", "kata"])
def test_a_name_is_not_believed(runtime: str) -> None:
    hello = Hello(uid_map=ALL_USERS, kernel="Linux version 6.1.0-40-amd64 (debian)", python="3.11")
    with pytest.raises(SandboxUnavailable, match=runtime):
        tier_of(hello, FACTS, runtime)


def test_gvisor_is_tried_before_the_default() -> None:
    # By the names of their programs too.
    assert candidates(FACTS, None) == ("runsc", "strict", "runc")
    assert candidates(FACTS, "kata") == ("kata",)


@pytest.mark.parametrize(
    ("version", "holes"),
    [
        ("1.1.5+ds1-1+deb12u1", ["CVE-2025-31133"]),
        ("1.1.5+ds1-1", ["CVE-2024-21626", "CVE-2025-31133"]),
        ("1.1.11", ["CVE-2024-21626", "CVE-2025-31133"]),
        ("1.2.7", ["CVE-2025-31133"]),
        ("1.3.2", ["CVE-2025-31133"]),
        ("1.2.8", []),
        ("1.3.3", []),
        ("1.4.0", []),
        ("", []),
    ],
)
def test_published_holes_are_known(version: str, holes: list[str]) -> None:
    said = known_holes(FACTS.model_copy(update={"runc": version})) or ""
    assert [hole for hole in ("CVE-2024-21626", "CVE-2025-31133") if hole in said] == holes


@pytest.mark.parametrize(("version", "outdated"), [("20.10.24+dfsg1", True), ("28.5.1", False), ("", False)])
def test_an_engine_that_nobody_mends_is_named(version: str, outdated: bool) -> None:
    assert is_outdated(FACTS.model_copy(update={"version": version})) is outdated
