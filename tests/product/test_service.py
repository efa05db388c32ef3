"""A product in a sandbox: started, stopped with all it started, and its data wiped."""

import pytest

from macrohard.errors import ToolError
from macrohard.product import PORT, Service, checkout
from macrohard.product.service import ROOT
from macrohard.sandbox import SandboxProvider, SandboxSpec
from tests.product.conftest import MakeCommit, Pod


async def shell(service: Service, command: str) -> str:
    return (await service.sandbox.run(command, timeout_seconds=10, directory=ROOT)).stdout.strip()


async def test_a_restart_keeps_the_data_and_a_wipe_does_not(tasks: Pod) -> None:
    service = tasks.service
    await service.restart(wiped=True)
    await shell(service, "mkdir -p data && echo '[]' > data/tasks.json")
    await service.restart()
    assert await shell(service, "ls data") == "tasks.json"
    await service.restart(wiped=True)
    assert await shell(service, "ls") == "app.py\nproduct.toml\ntests"


async def test_data_that_belongs_to_the_product_survives_a_wipe(
    provider: SandboxProvider, make_commit: MakeCommit
) -> None:
    install = {"product.toml": {"python3 --version": "mkdir -p data && echo 1 > data/version"}}
    commit = make_commit("tasks", install)
    async with provider.open(SandboxSpec(image="base")) as sandbox:
        service = await checkout(sandbox, bundle=commit.bundle, commit=commit.commit)
        await service.prepare()
        await shell(service, "echo 2 > data/version; touch data/more")
        await service.restart(wiped=True)
        assert await shell(service, "ls data; cat data/version") == "version\n1"
        await service.stop()


async def test_what_a_product_has_locked_is_put_back_all_the_same(tasks: Pod) -> None:
    service = tasks.service
    await service.stop()
    await service.renew()
    before = await shell(service, "ls -A . ~ /tmp; cat app.py")
    for path in (".", "~", "/tmp"):
        await shell(service, f"cd {path} && mkdir -p data/deep/er && touch data/deep/er/file && chmod 500 data/deep")
    await shell(service, "mkdir data/sealed && chmod 000 data/sealed ~/data && echo 1 > app.py && chmod 500 data .")
    await service.wipe()
    assert await shell(service, "ls") == "app.py\nproduct.toml\ntests"
    await shell(service, "mkdir -p data/deep/er && chmod 000 data/deep && chmod 500 .")
    await service.renew()
    assert await shell(service, "ls -A . ~ /tmp; cat app.py") == before


async def test_what_left_the_group_is_stopped_too(provider: SandboxProvider, make_commit: MakeCommit) -> None:
    commit = make_commit("tasks", {"product.toml": {'"python3 app.py"': '"setsid python3 app.py & sleep 60"'}})
    async with provider.open(SandboxSpec(image="base")) as sandbox:
        service = await checkout(sandbox, bundle=commit.bundle, commit=commit.commit)
        await service.start()
        await service.stop()
        with pytest.raises(ConnectionRefusedError):
            await sandbox.connect(PORT)


@pytest.mark.parametrize(
    ("start", "complaint"),
    [
        pytest.param("echo bye; exit 3", "the start command ended; it must keep running. It wrote: bye", id="ends"),
        pytest.param("sleep 60", "not healthy 1 seconds after the start: nothing listens", id="does not listen"),
        pytest.param("python3 -m http.server", "/health answers 404", id="not healthy"),
        pytest.param(
            "while true; do printf 'hello\\\\n' | timeout 1 python3 -c 'import socket,os; s=socket.create_server"
            '((\\"127.0.0.1\\", 8000)); c,_=s.accept(); c.send(b\\"hello\\\\n\\")\'; done',
            "Its process was alive all the time, and the machine's load was ",
            id="no HTTP",
        ),
    ],
)
async def test_a_start_that_fails_says_why(
    provider: SandboxProvider,
    make_commit: MakeCommit,
    monkeypatch: pytest.MonkeyPatch,
    start: str,
    complaint: str,
) -> None:
    monkeypatch.setattr("macrohard.product.service.START_SECONDS", 1.0)
    commit = make_commit("tasks", {"product.toml": {'"python3 app.py"': f'"{start}"'}})
    async with provider.open(SandboxSpec(image="base")) as sandbox:
        service = await checkout(sandbox, bundle=commit.bundle, commit=commit.commit)
        with pytest.raises(ToolError) as raised:
            await service.start()
    assert complaint in str(raised.value)


async def test_a_commit_that_is_not_there_is_said(provider: SandboxProvider, make_commit: MakeCommit) -> None:
    async with provider.open(SandboxSpec(image="base")) as sandbox:
        with pytest.raises(ToolError, match="could not be checked out"):
            await checkout(sandbox, bundle=make_commit("tasks").bundle, commit="f" * 40)


@pytest.mark.parametrize(
    ("output", "passed", "count"),
    [
        pytest.param("===== 12 passed in 0.1s =====", True, 12, id="pytest"),
        pytest.param("Ran 3 tests in 0.001s\\n\\nOK", True, 3, id="unittest"),
        pytest.param("Ran 0 tests in 0.000s", False, 0, id="unittest without tests"),
        pytest.param("# tests 4\\n# pass 4\\n# fail 0", True, 4, id="node"),
        pytest.param("  5 passing (10ms)", True, 5, id="mocha"),
        pytest.param("TAP version 13\\n1..7", True, 7, id="TAP"),
        pytest.param("Tests:       \\033[1m\\033[32m2 passed\\033[39m\\033[22m, 2 total", True, 2, id="jest in colour"),
        pytest.param("all good", False, None, id="no count"),
    ],
)
async def test_tests_are_counted(
    tasks: Pod, monkeypatch: pytest.MonkeyPatch, output: str, passed: bool, count: int | None
) -> None:
    await tasks.service.stop()
    commands = tasks.service.manifest.commands.model_copy(update={"test": f"printf '{output}\\n'"})
    monkeypatch.setattr(tasks.service, "manifest", tasks.service.manifest.model_copy(update={"commands": commands}))
    run = await tasks.service.run_tests()
    assert (run.passed, run.count) == (passed, count)
