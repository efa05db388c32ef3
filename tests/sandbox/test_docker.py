"""What only the Docker provider does: checking the engine's work, and clearing up after the dead."""

import json
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.utils import kwargs_from_env

from macrohard.errors import SandboxUnavailable
from macrohard.sandbox import DockerProvider, SandboxSpec, build_images
from macrohard.sandbox.owner import Owner, installation, this_process
from macrohard.sandbox.template import Template, audit

SETTINGS = Template(
    image="macrohard/base:0123456789abcdef",
    command=("guest",),
    runtime="runc",
    network="none",
    folders={"/tmp": "size=1m"},
    seccomp="{}",
    memory_bytes=1 << 20,
    limits_swap=True,
    pids=16,
    nano_cpus=10**9,
    labels={"io.macrohard.instance": "1"},
)


def as_asked() -> dict[str, Any]:
    """What an engine reports of a container made from `SETTINGS`."""
    return {
        "HostConfig": SETTINGS.host_config()
        | {
            "CapAdd": ["CAP_KILL", "CAP_SETGID", "CAP_SETUID"],
            "Binds": None,
            "PidMode": "",
            "PortBindings": {},
            "ConsoleSize": [0, 0],
            "CgroupnsMode": "private",
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
            "MaskedPaths": ["/proc/asound", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
            "ReadonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
        "Config": {**SETTINGS.container_config(), "Volumes": None, "Labels": {**SETTINGS.labels, "of the image": "x"}},
        "Mounts": [],
    }


def test_what_was_asked_for_passes_the_audit() -> None:
    audit(as_asked(), SETTINGS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Privileged", True),
        ("NetworkMode", "host"),
        ("PidMode", "host"),
        ("IpcMode", "host"),
        ("UsernsMode", "host"),
        ("ReadonlyRootfs", False),
        ("CapAdd", ["KILL", "SETGID", "SETUID", "SYS_ADMIN"]),
        ("CapDrop", None),
        ("SecurityOpt", ["seccomp=unconfined"]),
        ("Binds", ["/:/host"]),
        ("Mounts", [{"Type": "bind", "Source": "/var/run/docker.sock"}]),
        ("Devices", [{"PathOnHost": "/dev/mem"}]),
        ("Memory", 0),
        ("PidsLimit", None),
        ("AutoRemove", False),
        ("LogConfig", {"Type": "json-file"}),
        ("PortBindings", {"80/tcp": [{}]}),
        ("NanoCpus", 0),
        ("MemorySwap", -1),
        ("Ulimits", []),
        ("Tmpfs", {}),
        ("CgroupnsMode", "container:1"),
        ("CgroupParent", "/"),
        ("Runtime", "weaker"),
        ("Runtime", ""),
        ("MaskedPaths", []),
        ("ReadonlyPaths", None),
        ("RestartPolicy", {"Name": "always"}),
        ("OomKillDisable", True),
        ("NobodyHasHeardOf", "this"),
    ],
)
def test_anything_weaker_does_not(name: str, value: object) -> None:
    found = as_asked()
    found["HostConfig"][name] = value
    with pytest.raises(SandboxUnavailable, match=name):
        audit(found, SETTINGS)


@pytest.mark.parametrize(
    ("name", "value"),
    [("Volumes", {"/data": {}}), ("User", "0:1"), ("Entrypoint", ["sh"]), ("Image", "other"), ("Labels", {})],
)
def test_another_container_does_not(name: str, value: object) -> None:
    found = as_asked()
    found["Config"][name] = value
    with pytest.raises(SandboxUnavailable, match=name):
        audit(found, SETTINGS)


@pytest.mark.parametrize("name", [*SETTINGS.host_config(), "MaskedPaths", "ReadonlyPaths"])
def test_what_the_engine_says_nothing_about_does_not(name: str) -> None:
    found = as_asked()
    del found["HostConfig"][name]
    with pytest.raises(SandboxUnavailable, match=name):
        audit(found, SETTINGS)


@pytest.mark.parametrize("found", [{}, {"HostConfig": None, "Config": []}, {"HostConfig": {}, "Config": {}}])
def test_no_answer_does_not(found: dict[str, Any]) -> None:
    with pytest.raises(SandboxUnavailable, match="was not started"):
        audit(found, SETTINGS)


async def test_the_dead_are_cleared_away_and_nothing_else(tmp_path: Path) -> None:
    engine = docker.APIClient(version="auto", **kwargs_from_env())
    built = await build_images(["base"], engine="docker", progress=print)
    me = this_process()
    dead = me.model_copy(update={"started": "1"})
    elsewhere = me.model_copy(update={"namespace": "1", "pid": 4_000_000})
    here, other = installation(tmp_path), installation(tmp_path / "other")

    def create(instance: str, owner: Owner | None) -> str:
        labels = {"io.macrohard.instance": instance} | ({"io.macrohard.lease": owner.lease} if owner else {})
        return str(engine.create_container(built[0].tag, command="true", labels=labels)["Id"])

    orphan = create(here, dead)
    spared = [create(here, me), create(here, elsewhere), create(here, None), create(other, dead)]
    try:
        provider = await DockerProvider.connect(home=tmp_path)
        async with provider.open(SandboxSpec(image="base")) as sandbox:
            assert len(await provider.reap()) == 1
            assert (await sandbox.run("echo alive", timeout_seconds=10)).stdout == "alive\n"
        await provider.close()
        left = {container["Id"] for container in engine.containers(all=True)}
        assert orphan not in left
        assert set(spared) <= left
    finally:
        for container in [orphan, *spared]:
            if container in {each["Id"] for each in engine.containers(all=True)}:
                engine.remove_container(container, force=True)
        engine.close()


async def test_no_engine_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    with pytest.raises(SandboxUnavailable, match="no Docker engine answers"):
        await DockerProvider.connect(home=tmp_path)


def test_the_browser_profile_allows_only_what_chromium_needs_for_its_own_sandbox(repository_root: Path) -> None:
    def allowed(name: str) -> set[tuple[str, str]]:
        rules = json.loads((repository_root / "sandboxes" / f"{name}.seccomp.json").read_text())["syscalls"]
        return {
            (call, json.dumps(rule.get("args")))
            for rule in rules
            if rule["action"] == "SCMP_ACT_ALLOW"
            for call in rule["names"]
        }

    more = allowed("browser") - allowed("slim")
    assert more == {(call, "null") for call in ("chroot", "clone", "setns", "unshare")}
