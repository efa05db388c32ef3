"""Which sandboxes are chosen, and what is said where there are none."""

import shutil
from pathlib import Path

import pytest

from macrohard.errors import DefinitionError, SandboxUnavailable
from macrohard.sandbox import (
    BubblewrapProvider,
    DockerProvider,
    SandboxSpec,
    build_images,
    choose_provider,
    diagnose,
)
from macrohard.sandbox.definition import names


@pytest.fixture
def no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")


async def test_docker_comes_first(tmp_path: Path) -> None:
    chosen = await choose_provider("auto", home=tmp_path)
    assert isinstance(chosen, DockerProvider)
    assert chosen.tier in ("gvisor", "runc+userns", "runc")
    await chosen.close()


@pytest.mark.usefixtures("no_engine")
async def test_bubblewrap_comes_with_a_notice(tmp_path: Path) -> None:
    chosen = await choose_provider("auto", home=tmp_path)
    assert isinstance(chosen, BubblewrapProvider)
    assert chosen.tier == "bubblewrap"
    assert "bubblewrap" in chosen.notice
    with pytest.raises(SandboxUnavailable, match="no Docker engine answers"):
        await choose_provider("docker", home=tmp_path)


@pytest.mark.usefixtures("no_engine")
async def test_with_neither_it_is_said_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxUnavailable) as caught:
        await choose_provider("auto", home=tmp_path)
    assert "apt-get install --yes docker.io" in str(caught.value)
    assert "apt-get install --yes bubblewrap" in str(caught.value)
    with pytest.raises(SandboxUnavailable, match=r"docker\.io"):
        await build_images(["base"], progress=print)
    rows = {row.check: row for row in await diagnose(home=tmp_path)}
    assert not rows["a sandbox can be had"].ok
    assert "docker.io" in rows["a sandbox can be had"].advice


async def test_a_diagnosis_names_every_image(tmp_path: Path) -> None:
    await build_images(names(), progress=print)
    rows = {row.check: row for row in await diagnose(home=tmp_path)}
    assert {"docker sandboxes", "bubblewrap sandboxes", "a sandbox can be had"} <= set(rows)
    assert rows["image base"].ok
    assert rows["image browser"].ok


async def test_built_images_are_not_built_again() -> None:
    await build_images(["browser"], progress=print)
    told: list[str] = []
    again = await build_images(["browser"], progress=told.append)
    assert [(image.name, image.cached) for image in again] == [("base", True), ("browser", True)]
    assert all(image.size_bytes > 100_000_000 for image in again)
    assert told == []


async def test_an_image_that_is_not_defined_cannot_be_built() -> None:
    with pytest.raises(DefinitionError, match="no such sandbox"):
        await build_images(["nope"], progress=print)


@pytest.mark.parametrize("engine", ["docker", "bubblewrap"])
async def test_an_image_that_is_not_built_is_named(
    engine: str, tmp_path: Path, repository_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sandboxes" / "bare"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("ARG PARENT\nFROM ${PARENT}\n")
    (folder / "sandbox.yaml").write_text((repository_root / "sandboxes/base/sandbox.yaml").read_text())
    (tmp_path / "sandboxes" / "slim.seccomp.json").write_text("{}")
    provider = await choose_provider("docker" if engine == "docker" else "bubblewrap", home=tmp_path)
    monkeypatch.setenv("MACROHARD_DATA", str(tmp_path))
    with pytest.raises(SandboxUnavailable, match="macrohard sandboxes build bare"):
        async with provider.open(SandboxSpec(image="bare")):
            pass
    await provider.close()


@pytest.mark.parametrize("engine", ["docker", "bubblewrap"])
async def test_a_sandbox_ends_at_its_own_deadline(
    engine: str, tmp_path: Path, repository_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(repository_root / "sandboxes", tmp_path / "sandboxes")
    path = tmp_path / "sandboxes" / "base" / "sandbox.yaml"
    path.write_text(path.read_text().replace("lifetime_seconds: 14400", "lifetime_seconds: 2"))
    provider = await choose_provider("docker" if engine == "docker" else "bubblewrap", home=tmp_path)
    monkeypatch.setenv("MACROHARD_DATA", str(tmp_path))
    async with provider.open(SandboxSpec(image="base")) as sandbox:
        with pytest.raises(SandboxUnavailable, match="its lifetime of 2 s is over"):
            await sandbox.run("sleep 60", timeout_seconds=60)
    await provider.close()
