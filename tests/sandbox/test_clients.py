"""Which registries this machine's own pip and npm are configured for, and with what logins."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from macrohard.sandbox.clients import configured
from macrohard.sandbox.registries import Registry

Configure = Callable[[dict[str, object], str], None]


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Let npm be configured for this, with these lines in its user's file."""

    def configure(settings: dict[str, object], lines: str) -> None:
        user = tmp_path / "npmrc"
        user.write_text(lines)
        said = tmp_path / "said.json"
        said.write_text(json.dumps({**settings, "userconfig": str(user)}))
        program = tmp_path / "npm"
        program.write_text(f"#!/bin/sh\ncat {said}\n")
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return configure


def secret(registry: Registry) -> str | None:
    found = registry.token or registry.login
    return found.get_secret_value() if found else None


async def test_scopes_have_registries_and_logins_of_their_own(npm: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_TOKEN", "from-the-environment")
    word = base64.b64encode(b"word").decode()
    pair = base64.b64encode(b"anna:pass").decode()
    npm(
        {
            "registry": "https://npm.example/",
            "@lab:registry": "https://lab.example/npm/team/",
            "@old:registry": "https://old.example/npm/",
            "@plain:registry": "https://plain.example/",
        },
        "//lab.example/npm/:_authToken=${LAB_TOKEN}\n"
        f"//old.example/npm/:_auth = {pair}\n"
        f"//npm.example/:username=otto\n//npm.example/:_password={word}\n",
    )
    found = await configured()
    assert [(each.scope, each.address, secret(each)) for each in found.npm] == [
        ("", "https://npm.example/", "otto:word"),
        ("@lab", "https://lab.example/npm/team/", "from-the-environment"),
        ("@old", "https://old.example/npm/", "anna:pass"),
        ("@plain", "https://plain.example/", None),
    ]
    assert [each.scope for each in found.of_package("@lab/tool")] == ["@lab"]
    assert [each.scope for each in found.of_package("@other/tool")] == [""]
    assert "environment" not in repr(found)


async def test_pip_without_an_index_has_no_registry(npm: Configure) -> None:
    npm({"registry": "https://npm.example/"}, "")
    assert (await configured()).pypi == ()
