"""Installing packages in real sandboxes that have no network, from a registry on loopback of the host."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from macrohard.sandbox import BubblewrapProvider, DockerProvider, SandboxSpec, build_images, choose_provider
from macrohard.sandbox.mirror import Packages
from tests.sandbox.upstream import Upstream, serving

Provider = DockerProvider | BubblewrapProvider

SPEC = SandboxSpec(image="base", packages=True)
INSTALL = """
set -e
pip install --quiet --no-cache-dir --target here greeting
PYTHONPATH=here python3 -c 'import greeting'
npm install --silent --cache /tmp/npm @test/greeting
node -e 'console.log(require("@test/greeting"))'
"""
INSTALLED = "hello from a wheel\nhello from a tarball\n"


@pytest.fixture(params=["docker", "bubblewrap"])
async def provider(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Provider]:
    await build_images(("base",), engine=request.param, progress=print)
    opened = await choose_provider(request.param, home=tmp_path / "home")
    yield opened
    await opened.close()


async def test_packages_are_installed_without_a_network_and_the_next_time_without_a_registry(
    provider: Provider, tmp_path: Path
) -> None:
    upstream = Upstream()
    async with serving(upstream) as registries:
        provider.packages = Packages(registries, cache=tmp_path / "cache")
        async with provider.open(SPEC) as sandbox:
            # The bridge is not a command, so ending all commands does not end it.
            await sandbox.kill_all()
            result = await sandbox.run(INSTALL, timeout_seconds=120)
            assert (result.stdout, result.exit_code) == (INSTALLED, 0), result.stderr
            assert {each.status for each in provider.packages.requests} == {200}
            refused = "for each in /etc/passwd /npm/.. /pypi/simple/a%2fb/; do curl -s --path-as-is -o /dev/null "
            refused += (
                "-w '%{http_code} ' $PIP_INDEX_URL/../..$each; done; curl -s -X PUT -o /dev/null -w '%{http_code} '"
            )
            refused += " ${npm_config_registry}greeting; echo; touch /run/macrohard/x; rm /run/macrohard/packages.sock;"
            refused += " mv /run/macrohard /tmp; curl -sS http://1.1.1.1; ls /run/macrohard"
            result = await sandbox.run(refused, timeout_seconds=60)
            assert result.stdout.splitlines() == ["400 400 400 405 ", "packages.sock"]
            assert result.stderr.count("Read-only file system") + result.stderr.count("busy") == 3
            assert "Failed to connect" in result.stderr
    asked = len(upstream.asked)
    assert asked > 0
    async with provider.open(SPEC) as sandbox:
        result = await sandbox.run(INSTALL, timeout_seconds=120)
        assert (result.stdout, result.exit_code) == (INSTALLED, 0), result.stderr
    assert len(upstream.asked) == asked


async def test_a_sandbox_that_may_not_has_no_mirror(provider: Provider, tmp_path: Path) -> None:
    async with serving(Upstream()) as registries:
        provider.packages = Packages(registries, cache=tmp_path / "cache")
        async with provider.open(SandboxSpec(image="base")) as sandbox:
            result = await sandbox.run("ls /run/macrohard; env | grep 8731", timeout_seconds=60)
        assert result.exit_code == 1
        assert result.stdout.count("8731") == 0
        assert "No such file" in result.stderr
        assert not provider.packages.requests
