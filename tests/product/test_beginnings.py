"""What judges a product begins as an empty sandbox: no snapshot, least of all one of an agent, can be slipped in."""

import ast
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from macrohard import product
from macrohard.domain import Finding, Scenario, Tier, Verdict
from macrohard.errors import SandboxUnavailable
from macrohard.product.browser import View
from macrohard.product.reproduction import reproduce
from macrohard.product.scene import Act
from macrohard.product.usage import open_visit
from macrohard.sandbox import Sandbox, SandboxSpec
from tests.product.conftest import MemoryArtifacts

COMMIT = "a" * 40
CRASH = Finding(
    id="F-1",
    commit=COMMIT,
    found_by="phone",
    category="crash",
    severity=4,
    title="it broke",
    detail="after a click",
    step=1,
)


class Watching:
    """Opens nothing, and remembers what it was asked for."""

    tier: Tier = "runc"
    notice: str | None = None
    installs = True
    product_image = "base"

    def __init__(self) -> None:
        self.asked: list[SandboxSpec] = []

    def open(self, spec: SandboxSpec) -> AbstractAsyncContextManager[Sandbox]:
        self.asked.append(spec)
        raise SandboxUnavailable("only watching")

    async def reap(self) -> tuple[str, ...]:
        return ()

    async def close(self) -> None:
        return None


async def verified(provider: Watching) -> None:
    async def tell(verdict: Verdict) -> None:
        raise AssertionError(verdict)

    await product.verify(
        provider, bundle=b"", commit=COMMIT, kind="web", scenarios=list[Scenario](), artifacts=MemoryArtifacts(),
        on_verdict=tell, already={},
    )  # fmt: skip


async def visited(provider: Watching) -> None:
    async with open_visit(
        provider, bundle=b"", commit=COMMIT, artifacts=MemoryArtifacts(), visitor="phone",
        view=View(width=400, height=800),
        keyboard_only=False,
    ):  # fmt: skip
        raise AssertionError("it cannot be opened")


async def reproduced(provider: Watching) -> None:
    acts = (Act(action="click", target='button "Save"', value=""),)
    await reproduce(provider, (CRASH,), acts, bundle=b"", commit=COMMIT, view=View(width=400, height=800))


@pytest.mark.parametrize("judging", [verified, visited, reproduced])
async def test_checks_and_visits_begin_empty(judging: Callable[[Watching], Awaitable[None]]) -> None:
    provider = Watching()
    with pytest.raises(SandboxUnavailable, match="only watching"):
        await judging(provider)
    assert provider.asked
    assert [spec.workspace for spec in provider.asked] == [None] * len(provider.asked)


def slips_in(source: str) -> list[str]:
    """The calls by which a snapshot could get into a sandbox."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [
        ast.unparse(call)
        for call in calls
        if any(keyword.arg in ("workspace", None) for keyword in call.keywords if _is(call, "SandboxSpec"))
        or _is(call, "restore")
        or (_is(call, "model_copy") and "workspace" in ast.unparse(call))
    ]


def _is(call: ast.Call, name: str) -> bool:
    return (isinstance(call.func, ast.Name) and call.func.id == name) or (
        isinstance(call.func, ast.Attribute) and call.func.attr == name
    )


def test_no_code_about_products_knows_snapshots() -> None:
    assert slips_in("async with open(SandboxSpec(image='base', workspace=x)) as s:\n await s.restore(x)")
    files = sorted(Path(product.__path__[0]).rglob("*.py"))
    assert len(files) > 10
    assert {file.name: found for file in files if (found := slips_in(file.read_text()))} == {}
