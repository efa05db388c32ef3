"""Which model is used and shown: the order of discovery, keys, `models` and `doctor`, against servers on loopback."""

import asyncio
import io
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from macrohard.assembly import Probe, open_factory
from macrohard.cli import main
from macrohard.cli.choice import chosen_model
from macrohard.cli.models import print_probes, print_roles
from macrohard.llm.models import discovery, known
from macrohard.settings import load_settings
from tests.cli.conftest import ScriptedFactory
from tests.llm.families import Family, serving
from tests.llm.test_discovery import nobody

Run = Callable[..., tuple[int, str, str]]


@contextmanager
def in_a_thread(family: Family) -> Iterator[Family]:
    """The server beside a command that has an event loop of its own."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    done = asyncio.Event()

    async def served() -> None:
        async with serving(family):
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(served(),))
    thread.start()
    ready.wait()
    try:
        yield family
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()


@pytest.fixture(autouse=True)
def alone(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No keyring or servers of this machine either."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyrings.alt.file.PlaintextKeyring")
    for name, endpoint in known.KNOWN_ENDPOINTS.items():
        if endpoint.local:
            set_address(monkeypatch, name, nobody())


def set_address(monkeypatch: pytest.MonkeyPatch, name: str, base_url: str) -> None:
    """Look for the endpoint there, however busy this machine is."""
    endpoint = known.KNOWN_ENDPOINTS[name].model_copy(update={"base_url": base_url})
    monkeypatch.setitem(known.KNOWN_ENDPOINTS, name, endpoint)
    monkeypatch.setattr(discovery, "ANSWER_SECONDS", 30.0)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `macrohard` in this process: exit code, standard output, standard error."""

    def run(*arguments: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["macrohard", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    return run


@pytest.mark.parametrize(
    ("flag", "variable", "content", "keys", "expected", "said"),
    [
        pytest.param("builtin:careless", "grok-4.6", 'model = "grok-4.5"', ["XAI"], "builtin:careless", "", id="flag"),
        pytest.param(None, "grok-4.6", 'model = "grok-4.5"', ["XAI"], "grok-4.6", "", id="variable"),
        pytest.param(None, None, 'model = "grok-4.5"', ["XAI"], "grok-4.5", "", id="file"),
        pytest.param(
            None, None, '[roles.strong]\nmodel = "m-1@ollama"', ["XAI"], "m-1@ollama", "", id="a role's table"
        ),
        pytest.param(None, None, "", ["XAI", "OPENAI"], "grok-4.7", "", id="key of xAI"),
        pytest.param(None, None, "", ["OPENAI"], "builtin", "add --model NAME@openai; going on", id="key of OpenAI"),
        pytest.param(None, None, 'base_url = "http://lab/v1"', [], "builtin", "add --model NAME; going", id="base_url"),
        pytest.param(
            None, None, "", [], "builtin", "add --model m-1@ollama; going on with the built-in", id="a server"
        ),
        pytest.param("m-1@ollama", None, "", [], "m-1@ollama", "", id="a server by flag"),
    ],
)
def test_the_order_in_which_a_model_is_looked_for(
    factory: ScriptedFactory,
    run: Run,
    bare: Path,
    monkeypatch: pytest.MonkeyPatch,
    flag: str | None,
    variable: str | None,
    content: str,
    keys: list[str],
    expected: str,
    said: str,
) -> None:
    monkeypatch.delenv("MACROHARD_MODEL")
    monkeypatch.setenv("MACROHARD_SETTINGS", str(bare))
    bare.write_text(content)
    if variable:
        monkeypatch.setenv("MACROHARD_MODEL", variable)
    for name in keys:
        monkeypatch.setenv(f"{name}_API_KEY", "A1b2C3d4")
    with in_a_thread(Family()) as ollama:
        set_address(monkeypatch, "ollama", ollama.base_url)
        _, _, err = run("build", "todo app", "--yes", *(["--model", flag] if flag else []))
    (name, arguments), *_ = factory.calls
    assert name == "submit"
    assert isinstance(arguments, tuple)
    assert arguments[1] == expected
    assert said in err
    # Nobody looks around who was told what to take, and nothing is ever sent unasked.
    assert ollama.asked == (["GET /v1/models"] if "m-1@ollama; going" in said else [])


@pytest.mark.parametrize(
    ("typed", "expected"), [("y\n", "m-1@lmstudio"), ("n\n", "builtin"), ("\n", "builtin")], ids=["yes", "no", "enter"]
)
def test_a_person_is_asked_before_a_local_server_is_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bare: Path, typed: str, expected: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    with in_a_thread(Family()) as server:
        set_address(monkeypatch, "lmstudio", server.base_url)
        assert chosen_model(load_settings(), None, ask=True) == expected
    err = capsys.readouterr().err
    assert f"use m-1 at lmstudio ({server.base_url.removesuffix('/v1')})? [y/N]" in err
    assert (f'put model = "m-1@lmstudio" into {bare}' in err) == (expected != "builtin")
    assert server.bodies == []


def test_keys_go_into_the_keyring_and_are_never_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = run("keys", "set", "xai", typed="xai-A1b2C3d4e5f6g7h8\n")
    assert (code, "is kept in the keyring" in out) == (0, True)
    assert load_settings().model == "grok-4.7"
    target = load_settings().targets("grok-4.7")["strong"][0]
    assert target.endpoint.api_key.get_secret_value() == "xai-A1b2C3d4e5f6g7h8"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-A1b2C3d4")
    _, told, _ = run("keys", "list")
    listed = json.loads(run("keys", "list", "--json")[1])
    sources = {row["endpoint"]: row["source"] for row in listed}
    assert sources["openai"] == "environment variable OPENAI_API_KEY"
    assert sources["xai"].startswith("keyring ")
    assert sources["ollama"] is None
    assert "A1b2C3d4" not in told + json.dumps(listed) + repr(load_settings()) + repr(target)
    # The environment goes before the keyring.
    monkeypatch.setenv("XAI_API_KEY", "xai-other")
    assert load_settings().targets("grok-4.7")["strong"][0].endpoint.api_key.get_secret_value() == "xai-other"
    assert "not used as long as there is the environment variable XAI" in run("keys", "set", "xai", typed="new\n")[2]
    monkeypatch.delenv("XAI_API_KEY")
    assert run("keys", "remove", "xai")[0] == 0
    assert load_settings().model == "builtin"
    code, _, err = run("keys", "remove", "xai")
    assert (code, "holds no key for 'xai'" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        (["set", "nowhere"], "key", "there is no endpoint 'nowhere'; there are llamacpp, lmstudio, ollama,"),
        (["set", "builtin"], "key", "the built-in model needs no key"),
        (["set", "xai"], "\n", "that is no key: it is empty"),
        (["set", "xai"], "two words\n", "that is no key"),
    ],
)
def test_what_cannot_be_a_key_is_refused(run: Run, arguments: list[str], typed: str, said: str) -> None:
    code, _, err = run("keys", *arguments, typed=typed)
    assert code == 2
    assert said in err
    assert "two words" not in err


def test_a_machine_without_a_keyring_is_told_what_else_there_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring
    from keyring.backends.fail import Keyring

    monkeypatch.setattr(keyring, "get_keyring", Keyring)
    assert load_settings().model == "builtin"
    code, _, err = run("keys", "set", "xai", typed="A1b2C3d4\n")
    assert code == 2
    assert "this machine has no keyring; set the environment variable XAI_API_KEY, or XAI_API_KEY_FILE" in err
    assert "A1b2C3d4" not in err


def shown_by(run: Run, *command: str) -> str:
    return " ".join(run(*command)[1].split())


LAB = """
model = "m-1@lab"
[endpoints.lab]
base_url = "{url}"
key = "LAB_KEY"
[roles.vision]
model = "Qwen/Qwen3-VL-235B-A22B-Instruct-FP8@lab"
effort = "low"
fallback = [{{model = "grok-4.7@xai"}}]
[prices]
"m-1" = {{input = 1, cached_input = 0.5, output = 2}}
"Qwen/Qwen3-VL-235B-A22B-Instruct-FP8@lab" = {{input = 0.25, cached_input = 0.25, output = 1.125}}
"""


def test_doctor_asks_each_model_once_and_shows_what_it_found(
    run: Run, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", "canary-A1b2C3d4")
    with in_a_thread(Family(key="canary-A1b2C3d4", refuses=["temperature"], entry={"max_model_len": 8192})) as lab:
        bare.write_text(LAB.split("[roles.vision]")[0].format(url=lab.base_url) + LAB[LAB.index("[prices]") :].format())
        assert "How much m-1@lab reads at once is not known, so 32,000 tokens are assumed" in shown_by(run, "models")
        assert "32,000 tokens are assumed: set context_tokens in" in shown_by(run, "doctor", "--no-probe")
        _, out, err = run("doctor")
        assert "are assumed" not in out + shown_by(run, "models")
        assert "asking m-1 at lab what it understands, some 20 small calls, at most $0.06" in err
        assert err.count("m-1 at lab: a picture") == 1
        shown = " ".join(out.split())
        for line in ("✓ tool calls", "✓ pictures", "– temperature", "not sent", "8,192 tokens (max_model_len in"):
            assert line in shown
        asked = len(lab.bodies)
        assert "– temperature" in " ".join(run("doctor")[1].split())
        assert len(lab.bodies) == asked
        models = json.loads(run("models", "--json")[1])
        assert len(lab.bodies) == asked
        run("doctor", "--probe")
        assert len(lab.bodies) == 2 * asked
        told = json.loads(run("doctor", "--no-probe", "--json")[1])
    (strong,) = models["strong"]
    assert (strong["model"], strong["endpoint"], strong["context_tokens"]) == ("m-1", "lab", 8192)
    assert (strong["capabilities"]["source"], strong["capabilities"]["temperature"]) == ("probed", False)
    assert strong["max_output_tokens"] == 4096
    (model,) = told["models"]
    assert model["probe"]["capabilities"]["efforts"] == ["low", "medium", "high"]
    assert {row["check"] for row in told["checks"]} >= {"database", "agents"}
    home = Path(os.environ["HOME"])
    assert not [path for path in home.rglob("*") if path.is_file() and b"canary" in path.read_bytes()]


def test_a_model_that_does_not_answer_makes_doctor_fail_and_is_asked_again(
    run: Run, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_KEY", "canary-A1b2C3d4")
    content = LAB.split("[roles.vision]")[0] + LAB[LAB.index("[prices]") :]
    with in_a_thread(Family(key="another")) as lab:
        bare.write_text(content.format(url=lab.base_url))
        code, out, err = run("doctor")
        assert code == 1
        assert "refused the key (HTTP 401)" in " ".join(out.split())
        assert "canary" not in out + err
    with in_a_thread(Family(tools="words")) as lab:
        bare.write_text(content.format(url=lab.base_url))
        code, out, _ = run("doctor")
        assert code == 1
        assert "agents work by tools" in " ".join(out.split())


def test_the_built_in_model_is_shown_as_such(run: Run) -> None:
    _, out, err = run("doctor")
    assert "builtin at builtin: the built-in model, which follows rules and needs no probe" in out
    assert "asking" not in err
    assert "– model servers on this machine: none on the usual ports" in out


@pytest.mark.parametrize("width", [80, 160])
def test_tables_fit_the_terminal(bare: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("LAB_KEY", "lab-secret")
    monkeypatch.setenv("XAI_API_KEY", "xai-secret")
    bare.write_text(LAB.format(url="http://127.0.0.1:9/v1"))
    settings = load_settings()
    written = io.StringIO()
    console = Console(file=written, width=width, soft_wrap=True, highlight=False)
    print_roles(settings.targets(settings.model), console)
    lines = written.getvalue().splitlines()
    assert max(cell_len(line) for line in lines) <= width
    shown = "".join(written.getvalue().split())
    for part in ("0.25/0.25/1.125", "grok-4.7", "500k", "itsdocs", "assumed", "then", "low", "high"):
        assert part in shown, part
    table, _, _ = written.getvalue().partition("Prices")
    assert ("Qwen/Qwen3-VL-235B-A22B-Instruct-FP8@lab" in table) == (width == 160)
    with in_a_thread(Family(tools="refused", vision="refused")) as lab:
        bare.write_text(LAB.split("[roles.vision]")[0].format(url=lab.base_url) + LAB[LAB.index("[prices]") :].format())
        probes = asyncio.run(_probed())
    written = io.StringIO()
    print_probes(probes, Console(file=written, width=width, soft_wrap=True, highlight=False))
    assert max(cell_len(line) for line in written.getvalue().splitlines()) <= width
    for part in ("toolcalls", "--tool-call-parsertobeset", "notamultimodalmodel"):
        assert part in "".join(written.getvalue().split()), part


async def _probed() -> tuple[Probe, ...]:
    settings = load_settings()
    async with open_factory(settings, sandbox="auto") as factory:
        return await factory.installation.probe("all", tell=lambda line: None)
