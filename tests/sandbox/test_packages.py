"""Installing packages in real sandboxes that have no network, from a registry on loopback of the host."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from macrohard.domain import Fetched
from macrohard.sandbox import BubblewrapProvider, DockerProvider, SandboxSpec, build_images, choose_provider
from macrohard.sandbox.packages import Packages, hearing_of_fetches
from macrohard.sandbox.registries import PORT
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


@pytest.fixture
def heard() -> Iterator[list[Fetched]]:
    """What was told of fetches in this test."""
    told: list[Fetched] = []

    async def tell(fetched: Fetched) -> None:
        told.append(fetched)

    with hearing_of_fetches(tell):
        yield told


async def test_packages_are_installed_without_a_network_and_the_next_time_without_a_registry(
    provider: Provider, heard: list[Fetched], tmp_path: Path
) -> None:
    upstream = Upstream()
    async with serving(upstream) as registries:
        provider.packages = Packages(registries, cache=tmp_path / "cache")
        async with provider.open(SPEC) as sandbox:
            # The bridge is not a command, so ending all commands does not end it.
            await sandbox.kill_all()
            result = await sandbox.run(INSTALL, timeout_seconds=120)
            assert (result.stdout, result.exit_code, result.hint) == (INSTALLED, 0, None), result.stderr
            (fetched,) = heard
            assert [(each.ecosystem, each.name, each.version, each.cached) for each in fetched.files] == [
                ("pypi", "greeting", "1.0", False),
                ("npm", "@test/greeting", "1.0.0", False),
            ]
            assert fetched.pages == ("/pypi/simple/greeting/", "/npm/@test%2fgreeting")
            assert not fetched.refused
            assert fetched.in_words.startswith("2 packages, 0.0 MB, 0 from the cache")
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
            assert [each.count for each in heard[1].refused] == [1] * 4
            beside = await sandbox.run("pip install -q greeting && python3 -c 'import greeting'", timeout_seconds=60)
            assert (beside.exit_code, beside.stdout, beside.hint) == (0, "hello from a wheel\n", None)
            shared = await sandbox.run("npm install --global @test/greeting", timeout_seconds=60)
            assert shared.exit_code != 0
            assert shared.hint is not None
            assert "python3 -m venv .venv" in shared.hint
            missing = await sandbox.run("pip install -q no-such-thing", timeout_seconds=60)
            assert missing.exit_code == 1
            assert missing.hint is not None
            assert "no registry knows no-such-thing" in missing.hint
    asked = len(upstream.asked)
    assert asked > 0
    async with provider.open(SPEC) as sandbox:
        result = await sandbox.run(INSTALL, timeout_seconds=120)
        assert (result.stdout, result.exit_code) == (INSTALLED, 0), result.stderr
    assert len(upstream.asked) == asked
    assert [each.cached for each in heard[-1].files] == [True, True]


async def test_once_sealed_a_sandbox_fetches_nothing_more(provider: Provider, tmp_path: Path) -> None:
    async with serving(Upstream()) as registries:
        provider.packages = Packages(registries, cache=tmp_path / "cache")
        async with provider.open(SPEC) as sandbox:
            ask = f"curl -sS -m 10 -w '%{{http_code}}' -o /dev/null http://127.0.0.1:{PORT}/pypi/simple/greeting/"
            assert (await sandbox.run(ask, timeout_seconds=60)).stdout == "200"
            holding = await sandbox.spawn(
                f"python3 -c \"import socket; s = socket.create_connection(('127.0.0.1', {PORT})); "
                "print('connected', flush=True); print(s.recv(1), flush=True)\""
            )
            assert await holding.receive_line() == b"connected\n"
            await sandbox.seal()
            assert await holding.receive_line() == b"b''\n"
            result = await sandbox.run(ask + f"; ls /run/macrohard; env | grep {PORT}", timeout_seconds=60)
            assert result.stdout == "000"
            await sandbox.seal()


async def test_where_packages_are_off_installing_fails_at_once_and_says_what_to_do(provider: Provider) -> None:
    assert not provider.installs
    async with provider.open(SPEC) as sandbox:
        around = await sandbox.run(f"ls /run/macrohard; env | grep {PORT}", timeout_seconds=60)
        assert "No such file" in around.stderr
        assert around.stdout == ""
        for command in ("pip install -q greeting 2>&1 | tail -1", "npm install --no-progress greeting"):
            result = await sandbox.run(command, timeout_seconds=60)
            assert not result.timed_out
            assert result.hint is not None
            assert "packages = true" in result.hint
            assert "[sandboxes]" in result.hint
