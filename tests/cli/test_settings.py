import traceback
from pathlib import Path

import pytest

from macrohard.assembly import assumed_windows
from macrohard.assembly.notices import notices
from macrohard.errors import RequestError
from macrohard.llm.target import Capabilities
from macrohard.settings import Settings, load_settings

pytestmark = pytest.mark.usefixtures("bare")


def test_without_anything_the_built_in_model_and_sqlite_at_home_are_used(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.model == "builtin"
    assert settings.home == tmp_path / ".local/share/macrohard"
    assert settings.database == f"sqlite+aiosqlite:///{tmp_path}/.local/share/macrohard/macrohard.db"
    assert {target.endpoint.base_url for (target,) in settings.targets("builtin").values()} == {None}


def test_flags_go_before_variables_before_the_file_before_keys(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAI_API_KEY", "xai-secret")
    assert load_settings().model == "grok-4.7"
    bare.write_text('model = "builtin:careless"\niterations = 2\nbudget_usd = 1.5\n')
    assert load_settings().model == "builtin:careless"
    monkeypatch.setenv("MACROHARD_ITERATIONS", "7")
    assert load_settings().iterations == 7
    assert load_settings(iterations=9, budget_usd=None).iterations == 9
    assert load_settings(iterations=9, budget_usd=None).budget_usd == 1.5


def test_keys_come_from_files_and_are_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("xai-secret\n")
    monkeypatch.setenv("XAI_API_KEY_FILE", str(tmp_path / "key"))
    settings = load_settings(api_key=None)
    (target,) = settings.targets(settings.model)["strong"]
    assert (target.model, target.endpoint.base_url) == ("grok-4.7", "https://api.x.ai/v1")
    assert target.endpoint.api_key.get_secret_value() == "xai-secret"
    monkeypatch.setenv("MACROHARD_API_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("MACROHARD_DATABASE_URL", "postgresql+psycopg://ada:pass@db/macrohard")
    assert "xai-secret" not in repr(load_settings())
    assert "pass" not in repr(load_settings())


def test_roles_have_models_of_their_own_unless_the_run_was_given_one(bare: Path) -> None:
    bare.write_text(
        'base_url = "http://localhost:8000/v1"\nmodel = "big"\nmodel_fast = "small"\n'
        "[prices.big]\ninput = 1\ncached_input = 0.5\noutput = 2\n"
        "[prices.small]\ninput = 0\ncached_input = 0\noutput = 0\n"
    )
    settings = load_settings()
    models = {role: target.model for role, (target,) in settings.targets("big").items()}
    assert models == {"strong": "big", "fast": "small", "vision": "big", "judge": "big"}
    assert {target.model for (target,) in settings.targets("builtin").values()} == {"builtin"}
    assert settings.targets("big")["strong"][0].price.output == 2


def test_openai_variables_serve_other_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://proxy:4000/v1")
    monkeypatch.setenv("MACROHARD_PRICES", '{"some-model": {"input": 1, "cached_input": 1, "output": 1}}')
    (target,) = load_settings().targets("some-model")["judge"]
    assert (target.endpoint.name, target.endpoint.base_url) == ("openai", "http://proxy:4000/v1")
    assert target.endpoint.api_key.get_secret_value() == "sk-1"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param("iterations = 0", "iterations: Input should be greater than or equal to 1", id="out of range"),
        pytest.param(
            'iteratons = "4"', "there is no setting 'iteratons'; there are agents_folder, api_key,", id="unknown"
        ),
        pytest.param("iterations = ", "is not valid TOML", id="no TOML"),
        pytest.param("[prices.x]\ninput = 'cheap'", "prices.x.input: Input should be a valid number", id="nested"),
        pytest.param(
            '[endpoints.lab]\nurl = "x"', "no setting 'endpoints.lab.url'; there are base_url,", id="of a table"
        ),
        pytest.param('[roles.coder]\nmodel = "x"', "roles.coder: Input should be 'strong', 'fast',", id="role"),
        pytest.param('[roles.fast]\neffort = "huge"', "roles.fast.effort: Input should be 'none',", id="effort"),
        pytest.param("[roles.fast]\nfallback = [{}]", "roles.fast.fallback.0.model: Field required", id="in a list"),
        pytest.param('[endpoints.Lab]\nkey = "LAB"', "endpoints.Lab: String should match", id="name of an endpoint"),
        pytest.param('[endpoints.builtin]\nkey = "LAB"', "endpoints: 'builtin' is the model that", id="built-in"),
        pytest.param('[endpoints.lab]\nbase_url = "lab"', "endpoints.lab.base_url: 'lab' is not a web", id="no URL"),
        pytest.param(
            'base_url = "localhost:80"', "base_url: 'localhost:80' is not a web address", id="no URL at the top"
        ),
        pytest.param('sandbox = "podman"', "sandbox: Input should be 'auto', 'docker' or 'bubblewrap'", id="choice"),
    ],
)
def test_mistakes_name_the_file_and_the_key(bare: Path, content: str, complaint: str) -> None:
    bare.write_text(content)
    with pytest.raises(RequestError) as raised:
        load_settings()
    assert str(bare) in str(raised.value)
    assert complaint in str(raised.value)


def test_mistakes_in_variables_and_flags_are_named_as_such(monkeypatch: pytest.MonkeyPatch, bare: Path) -> None:
    with pytest.raises(RequestError, match="--budget: Input should be greater than 0"):
        load_settings(budget_usd=-1)
    monkeypatch.setenv("MACROHARD_PRICES", "{oops")
    with pytest.raises(
        RequestError, match="environment variable MACROHARD_PRICES is not JSON: Expecting property name"
    ):
        load_settings()
    monkeypatch.delenv("MACROHARD_PRICES")
    monkeypatch.setenv("MACROHARD_ITERATIONS", "many")
    with pytest.raises(RequestError, match="environment variable MACROHARD_ITERATIONS: Input should be a valid int"):
        load_settings()
    monkeypatch.setenv("MACROHARD_SETTINGS", str(bare.parent / "other.toml"))
    with pytest.raises(RequestError, match=r"there is no file .*other\.toml"):
        load_settings()


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        ("builtin:perfect", "there are builtin, builtin:careless"),
        ("grok-4.7", "at xai needs a key: set XAI_API_KEY (or XAI_API_KEY_FILE"),
        ("gpt-9", "or run `macrohard keys set openai`"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused_with_advice(model: str, complaint: str) -> None:
    with pytest.raises(RequestError) as raised:
        load_settings().targets(model)
    assert complaint in str(raised.value)


def test_a_model_without_a_price_is_refused_with_the_lines_to_add(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACROHARD_BASE_URL", "http://localhost:1234/v1")
    with pytest.raises(RequestError, match=r'\[prices."qwen"\]\ninput = 0.0'):
        load_settings().targets("qwen")


SECRET = "A1b2C3d4-canary"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f'api_key = "{SECRET}"', id="at the top"),
        pytest.param(f'[endpoints.lab]\nbase_url = "http://lab/v1"\napi_key = "{SECRET}"', id="of an endpoint"),
        pytest.param(f'[endpoints.lab]\nbase_url = "http://lab/v1"\nkey = "{SECRET}"', id="in the place of its name"),
        pytest.param(f'[endpoints.lab]\nbase_url = "http://me:{SECRET}@lab/v1"', id="in an address"),
        pytest.param(f'base_url = "http://lab/v1?key={SECRET}"', id="behind an address"),
        pytest.param(f'oidc_client_secret = "{SECRET}"', id="of a login's provider"),
        pytest.param(f'[oidc]\nclient_secret = "{SECRET}"', id="of a login's provider, in its table"),
    ],
)
def test_a_key_in_the_file_is_refused_with_where_it_belongs_and_never_shown(bare: Path, content: str) -> None:
    bare.write_text(content)
    with pytest.raises(RequestError) as raised:
        load_settings()
    told = "".join(traceback.format_exception(raised.value))
    assert str(bare) in told
    assert "environment" in told or "MACROHARD_API_KEY" in told
    assert SECRET not in told


LAB = """
model = "big@lab"
[endpoints.lab]
base_url = "http://lab:8000/v1/"
key = "LAB_KEY"
wire = "responses"
requests_per_second = 2
tokens_per_minute = 1000
parallel_calls = 3
conversation_header = "x-conversation"
[endpoints.ollama]
base_url = "http://10.0.0.5:11434/v1"
[roles.strong]
effort = "xhigh"
temperature = 0.2
max_output_tokens = 9000
context_tokens = 50000
fallback = [{model = "grok-4.7", endpoint = "xai", effort = "low"}, {model = "qwen3:8b@ollama"}]
[roles.judge]
model = "grok-4.3@xai"
[prices."big@lab"]
input = 1
cached_input = 0.5
output = 2
[prices.big]
input = 7
cached_input = 7
output = 7
"""


def test_roles_go_to_several_endpoints_with_keys_and_limits_of_their_own(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare.write_text(LAB)
    monkeypatch.setenv("LAB_KEY", "lab-secret")
    monkeypatch.setenv("XAI_API_KEY", "xai-secret")
    settings = load_settings()
    targets = settings.targets(settings.model)
    lab, grok, qwen = targets["strong"]
    assert lab.endpoint.model_dump(exclude={"api_key", "silence_seconds"}) == {
        "name": "lab", "base_url": "http://lab:8000/v1", "wire": "responses", "conversation_header": "x-conversation",
        "requests_per_second": 2, "tokens_per_minute": 1000, "parallel_calls": 3,
    }  # fmt: skip
    assert lab.endpoint.api_key.get_secret_value() == "lab-secret"
    assert (lab.model, lab.effort, lab.temperature) == ("big", "xhigh", 0.2)
    assert (lab.max_output_tokens, lab.context_tokens, lab.price.output) == (9000, 50000, 2)
    assert lab.capabilities.efforts == ("xhigh",)
    assert (grok.endpoint.wire, grok.effort, grok.endpoint.conversation_header) == (
        "responses", "low", "x-grok-conv-id",
    )  # fmt: skip
    assert grok.endpoint.api_key.get_secret_value() == "xai-secret"
    assert (qwen.model, qwen.endpoint.base_url) == ("qwen3:8b", "http://10.0.0.5:11434/v1")
    assert qwen.endpoint.api_key.get_secret_value() == ""
    assert (qwen.price.output, qwen.effort, qwen.temperature) == (0, None, None)
    assert [target.model for target in targets["judge"]] == ["grok-4.3"]
    # Nobody says what two of these read at once; of the first, where a role's table says it, it is known there.
    qwen_window, big_window = assumed_windows(targets)
    assert "qwen3:8b@ollama reads" in qwen_window
    assert big_window.endswith("set context_tokens in [roles.fast], [roles.vision].")
    told = notices(settings.targets("big@lab"), settings, "big@lab")
    assert told == (qwen_window, big_window)
    (told_of_run,) = notices(settings.targets("qwen3:8b@ollama"), settings, "qwen3:8b@ollama")
    assert told_of_run.endswith('[roles.judge] and model = "qwen3:8b@ollama" in the settings, instead of --model.')
    (fast,) = targets["fast"]
    assert (fast.model, fast.effort, fast.max_output_tokens) == ("big", None, 16_000)
    # A run with a model of its own takes nothing from the tables.
    (alone,) = settings.targets("grok-4.6@xai")["strong"]
    assert (alone.model, alone.effort, alone.temperature) == ("grok-4.6", "high", 0.7)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("", 900),
        ("patience_seconds = 60", 900),
        ("patience_seconds = 3000", 3000),
        ("patience_seconds = 3000\n[endpoints.ollama]\nsilence_seconds = 120", 120),
    ],
)
def test_who_has_patience_bears_silence_as_long(bare: Path, said: str, seconds: float) -> None:
    bare.write_text(said)
    (target,) = load_settings().targets("qwen3:8b@ollama")["strong"]
    assert target.endpoint.silence_seconds == seconds


def test_grok_is_asked_as_xai_documents_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAI_API_KEY", "xai-secret")
    settings = load_settings()
    targets = settings.targets(settings.model)
    strong, fast = targets["strong"][0], targets["fast"][0]
    assert (strong.endpoint.name, strong.endpoint.wire) == ("xai", "responses")
    assert (strong.effort, fast.effort, strong.temperature) == ("high", "low", 0.7)
    assert (strong.capabilities.source, strong.context_tokens) == ("known", 500_000)
    build = settings.targets("grok-build-0.1")["strong"][0]
    assert (build.effort, build.capabilities.efforts) == (None, ())
    assert strong.price.cost_usd(input_tokens=199_999, cached_tokens=0, output_tokens=0) == pytest.approx(0.399998)
    assert strong.price.cost_usd(input_tokens=200_000, cached_tokens=0, output_tokens=0) == pytest.approx(0.8)


def test_the_key_without_a_name_goes_to_one_endpoint_only(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare.write_text(
        'base_url = "http://lab:8000/v1"\nmodel = "big"\n'
        '[roles.fast]\nmodel = "small@other"\n[endpoints.other]\nbase_url = "http://other/v1"\n'
        "[prices.big]\ninput = 1\ncached_input = 1\noutput = 1\n"
        "[prices.small]\ninput = 1\ncached_input = 1\noutput = 1\n"
    )
    monkeypatch.setenv("MACROHARD_API_KEY", "mine")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    targets = load_settings().targets("big")
    assert targets["strong"][0].endpoint.api_key.get_secret_value() == "mine"
    assert targets["fast"][0].endpoint.api_key.get_secret_value() == ""
    monkeypatch.delenv("MACROHARD_API_KEY")
    assert load_settings().targets("big")["strong"][0].endpoint.api_key.get_secret_value() == ""


@pytest.mark.parametrize(
    ("name", "model", "endpoint"),
    [
        ("qwen3@ollama", "qwen3", "http://127.0.0.1:11434/v1"),
        ("Qwen/Qwen3-8B@vllm", "Qwen/Qwen3-8B", "http://127.0.0.1:8000/v1"),
        ("@cf/meta/llama@lmstudio", "@cf/meta/llama", "http://127.0.0.1:1234/v1"),
        ("/models/a@b.gguf@llamacpp", "/models/a@b.gguf", "http://127.0.0.1:8080/v1"),
        ("builtin:careless", "builtin:careless", None),
        ("builtin@builtin", "builtin", None),
    ],
)
def test_a_model_can_be_written_with_its_endpoint(name: str, model: str, endpoint: str | None) -> None:
    (target,) = load_settings().targets(name)["strong"]
    assert (target.model, target.endpoint.base_url, target.price.output) == (model, endpoint, 0)


def test_an_endpoint_that_nobody_described_is_refused_with_the_lines_to_add(bare: Path) -> None:
    with pytest.raises(RequestError) as raised:
        load_settings().targets("big@lab")
    assert f"Add it to {bare}:\n[endpoints.lab]\nbase_url = " in str(raised.value)
    assert "builtin, llamacpp, lmstudio, ollama, openai, vllm, xai" in str(raised.value)


def test_the_model_of_the_strong_role_names_the_run(bare: Path) -> None:
    bare.write_text('[roles.strong]\nmodel = "qwen3"\nendpoint = "ollama"\n')
    settings = load_settings()
    assert settings.model == "qwen3@ollama"
    assert settings.model_is_chosen
    assert {target.endpoint.name for (target,) in settings.targets(settings.model).values()} == {"ollama"}


def test_a_probe_goes_before_the_table_and_the_person_before_the_probe(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XAI_API_KEY", "xai-secret")
    seen = Capabilities(source="probed", temperature=False, efforts=("low",), vision=False)
    probed = {("https://api.x.ai/v1", "grok-4.7"): seen}
    strong = load_settings().targets("grok-4.7", probed=probed)["strong"][0]
    assert (strong.effort, strong.temperature, strong.capabilities.vision) == (None, None, False)
    assert strong.capabilities.context_tokens == 500_000
    bare.write_text('[roles.strong]\neffort = "high"\ntemperature = 0.5\ncontext_tokens = 300000\n')
    strong = load_settings().targets("grok-4.7", probed=probed)["strong"][0]
    assert (strong.effort, strong.temperature, strong.context_tokens) == ("high", 0.5, 300_000)
    assert strong.capabilities.temperature
    assert "high" in strong.capabilities.efforts


def test_tables_can_be_given_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACROHARD_ENDPOINTS", '{"lab": {"base_url": "http://lab/v1"}}')
    assert load_settings().endpoints["lab"].base_url == "http://lab/v1"
    monkeypatch.setenv("MACROHARD_ENDPOINTS", '{"lab": {"base_url": "lab"}}')
    with pytest.raises(RequestError, match=r"environment variable MACROHARD_ENDPOINTS: lab.base_url: 'lab' is not a"):
        load_settings()


def test_every_setting_is_documented() -> None:
    undocumented = {name for name, field in Settings.model_fields.items() if not field.description}
    assert undocumented == {"model_fast", "model_vision", "model_judge"}


def test_the_secret_of_a_login_s_provider_comes_from_the_environment(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare.write_text('[oidc]\nissuer = "https://login.example"\nclient_id = "m"\n[oidc.roles]\nadmin = ["bosses"]\n')
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    monkeypatch.setenv("MACROHARD_OIDC_CLIENT_SECRET_FILE", str(tmp_path / "secret"))
    settings = load_settings()
    assert settings.oidc is not None
    assert settings.oidc_client_secret is not None
    assert (settings.oidc.called, settings.oidc.roles) == ("login.example", {"admin": ("bosses",)})
    assert settings.oidc_client_secret.get_secret_value() == SECRET
    assert SECRET not in repr(settings)
    bare.write_text('[oidc]\nissuer = "https://login.example"\nclient_id = "m"\n')
    with pytest.raises(RequestError, match="oidc: nobody would be let in: give roles to groups"):
        load_settings()
