from pathlib import Path

import pytest

from macrohard.errors import RequestError
from macrohard.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No settings from this machine; gives the path of the settings file, which does not exist yet."""
    import os

    for name in os.environ:
        if name.startswith(("MACROHARD_", "XAI_", "OPENAI_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / ".config" / "macrohard" / "settings.toml"
    path.parent.mkdir(parents=True)
    return path


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
    assert (target.endpoint.name, target.endpoint.base_url) == ("proxy", "http://proxy:4000/v1")
    assert target.endpoint.api_key.get_secret_value() == "sk-1"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param("iterations = 0", "iterations: Input should be greater than or equal to 1", id="out of range"),
        pytest.param('iteratons = "4"', "there is no setting 'iteratons'; there are api_key,", id="unknown"),
        pytest.param("iterations = ", "is not valid TOML", id="no TOML"),
        pytest.param("[prices.x]\ninput = 'cheap'", "prices.x.input: Input should be a valid number", id="nested"),
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
        ("grok-4.7", "needs a key: set XAI_API_KEY, or api_key in "),
        ("gpt-9", "needs a key: set OPENAI_API_KEY, or api_key in "),
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


def test_every_setting_is_documented() -> None:
    undocumented = {name for name, field in Settings.model_fields.items() if not field.description}
    assert undocumented == {"model_fast", "model_vision", "model_judge"}
