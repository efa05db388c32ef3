"""`product.toml`: what is read, and what authors are told."""

import pytest

from macrohard.errors import ToolError
from macrohard.product import read_manifest

WEB = b"""
kind = "web"
name = "Tasks"
[commands]
test = "pytest"
start = "python app.py"
"""


def test_the_shortest_web_product() -> None:
    manifest = read_manifest(WEB)
    assert (manifest.kind, manifest.commands.install, manifest.service.health) == ("web", "", "/")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param(b"\xff\xfe", "product.toml is not a UTF-8 text file", id="no text"),
        pytest.param(b"kind = ", "product.toml is not valid TOML: ", id="no TOML"),
        pytest.param(b"", "kind: Field required; name: Field required; commands: Field required", id="empty"),
        pytest.param(WEB.replace(b"web", b"game"), "kind: Input should be 'web', 'api', 'cli' or 'library'", id="kind"),
        pytest.param(WEB.replace(b"start", b"begin"), "commands.begin: is not a known field", id="unknown command"),
        pytest.param(WEB.replace(b"start =", b"run ="), "a product of kind web needs commands.start", id="no start"),
        pytest.param(WEB.replace(b"web", b"cli"), "a product of kind cli needs commands.run", id="no run"),
        pytest.param(WEB.replace(b'"pytest"', b'""'), "commands.test: String should have at least 1", id="no tests"),
        pytest.param(WEB + b'[service]\nhealth = "health"', "service.health: ", id="no path"),
    ],
)
def test_what_is_wrong_is_named(content: bytes, complaint: str) -> None:
    with pytest.raises(ToolError) as raised:
        read_manifest(content)
    assert str(raised.value).startswith("product.toml")
    assert complaint in str(raised.value)
