"""No sandbox that can be expressed is made as anything but a locked room: from every definition, on a real engine."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from macrohard.errors import DefinitionError, SandboxUnavailable
from macrohard.sandbox import DockerProvider, SandboxSpec, build_images
from macrohard.sandbox.broker import Broker
from macrohard.sandbox.definition import Limits
from macrohard.sandbox.template import Template

MANY = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FEW = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

mebibytes = st.integers(16, 1 << 20)
limits = st.builds(
    Limits,
    parent=st.just("debian:bookworm-slim"),
    user=st.integers(1000, (1 << 16) - 1),
    memory_mib=mebibytes,
    cpus=st.floats(0.01, 256),
    pids=st.integers(16, 32768),
    workspace_mib=mebibytes,
    tmp_mib=mebibytes,
    seccomp=st.sampled_from(["slim.seccomp.json", "browser.seccomp.json"]),
    lifetime_seconds=st.integers(1, 7 * 86400),
)
words = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["base", "browser", "../base", "host", "container:1", "base\n", "debian:bookworm-slim", "ｂase"]),
)


@pytest.fixture(scope="module")
async def provider(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DockerProvider]:
    await build_images(["base"], engine="docker", progress=print)
    opened = await DockerProvider.connect(home=tmp_path_factory.mktemp("home"))
    yield opened
    await opened.close()


@pytest.fixture
def own_definitions(tmp_path: Path, repository_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `sandboxes/` that can be changed without changing the image's name."""
    shutil.copytree(repository_root / "sandboxes", tmp_path / "sandboxes")
    monkeypatch.setenv("MACROHARD_DATA", str(tmp_path))
    return tmp_path / "sandboxes" / "base" / "sandbox.yaml"


def assert_locked(made: dict[str, Any]) -> None:
    """Said apart from the code that makes it, so that a mistake there is seen."""
    assert made["Privileged"] is False
    assert {name.removeprefix("CAP_") for name in made["CapAdd"]} <= {"SETUID", "SETGID", "KILL"}
    assert made["CapDrop"] == ["ALL"]
    assert made["NetworkMode"] == "none" or made["NetworkMode"].startswith("container:")
    assert made["IpcMode"] == "private"
    for name in ("PidMode", "UTSMode", "UsernsMode", "Cgroup", "CgroupParent"):
        assert not made.get(name)
    for name in ("Binds", "Mounts", "VolumesFrom", "Devices", "DeviceRequests", "DeviceCgroupRules", "PortBindings"):
        assert not made.get(name)
    assert not made.get("GroupAdd")
    assert not made.get("Sysctls")
    assert made["ReadonlyRootfs"] is True
    assert "no-new-privileges:true" in made["SecurityOpt"]
    (profile,) = (each for each in made["SecurityOpt"] if each.startswith("seccomp="))
    assert yaml.safe_load(profile.removeprefix("seccomp="))["defaultAction"] == "SCMP_ACT_ERRNO"
    assert len(made["SecurityOpt"]) == 2
    assert set(made["Tmpfs"]) == {"/workspace", "/tmp", "/home/agent"}
    assert all("size=" in options and "nosuid,nodev" in options for options in made["Tmpfs"].values())
    assert made["Memory"] >= 1 << 20
    assert made["MemorySwap"] in (made["Memory"], -1)
    assert made["PidsLimit"] >= 16
    assert made["NanoCpus"] > 0
    assert made["LogConfig"]["Type"] == "none"
    assert made["AutoRemove"] is True


@MANY
@given(limits=limits)
def test_every_definition_asks_for_a_locked_room(
    limits: Limits, provider: DockerProvider, own_definitions: Path
) -> None:
    own_definitions.write_text(yaml.safe_dump(limits.model_dump()))
    asked = provider.template(SandboxSpec(image="base")).container_config()
    assert_locked(asked["HostConfig"])
    assert "Env" not in asked
    assert asked["User"] == "0:0"


@MANY
@given(image=words, join=st.none() | words)
def test_every_spec_asks_for_a_locked_room_or_is_refused(
    image: str, join: str | None, provider: DockerProvider
) -> None:
    try:
        asked = provider.template(SandboxSpec(image=image, join=join))
    except (DefinitionError, SandboxUnavailable):
        assert image not in ("base", "browser") or join is not None
        return
    assert_locked(asked.host_config())


@FEW
@given(limits=limits)
async def test_every_definition_is_made_as_a_locked_room(
    limits: Limits, provider: DockerProvider, own_definitions: Path
) -> None:
    """What the real engine says it made has passed the audit, and is locked also in other words than the audit's."""
    await asyncio.to_thread(own_definitions.write_text, yaml.safe_dump(limits.model_dump()))
    template = provider.template(SandboxSpec(image="base"))
    broker = await Broker.connect()
    try:
        container = await broker.create(template, name="macrohard-test-template")
        found = await asyncio.to_thread(broker._client.inspect_container, container)
        assert_locked(found["HostConfig"])
        assert found["State"]["Status"] == "created"
    finally:
        await broker.remove("macrohard-test-template")
        await broker.close()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("runtime", ""),
        ("runtime", "/bin/sh"),
        ("runtime", "runc\n"),
        ("network", "host"),
        ("network", "bridge"),
        ("network", "container:macrohard-1"),
        ("network", "none\n"),
        ("image", "debian:bookworm-slim"),
        ("image", "elsewhere/base:0123456789abcdef"),
        ("memory_bytes", 0),
        ("pids", -1),
        ("nano_cpus", 0),
        ("seccomp", ""),
        ("privileged", True),
        ("binds", ["/:/host"]),
    ],
)
def test_a_template_cannot_say_more(field: str, value: object, provider: DockerProvider) -> None:
    template = provider.template(SandboxSpec(image="base"))
    with pytest.raises(ValidationError, match=field):
        Template.model_validate(template.model_dump() | {field: value})
