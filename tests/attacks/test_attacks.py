"""The quick rows of the table on the strongest sandboxes here, and that a row is called safe only if it is."""

from collections.abc import AsyncIterator, Sequence

import pytest

from macrohard.sandbox import SandboxProvider
from tests.attacks.attack import Attack, Attacker, Ground, Probe, ProbeFailed, engine_client, tries
from tests.attacks.rows import ABSENT, ATTACKS


@pytest.fixture(scope="session")
async def attacker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Attacker]:
    with engine_client() as engine:
        yield Attacker(engine, tmp_path_factory.mktemp("attacks"))


@pytest.mark.parametrize("attack", [pytest.param(each, id=each.id) for each in ATTACKS if each.quick])
async def test_a_quick_row_is_safe(attack: Attack, attacker: Attacker, sandboxes: SandboxProvider) -> None:
    finding = await attacker.attack(attack, sandboxes)
    assert finding.outcome == "safe", finding.detail


def finds(*holes: str) -> Probe:
    async def probe(ground: Ground) -> Sequence[str]:
        return holes

    return probe


async def breaks_down(ground: Ground) -> Sequence[str]:
    raise ProbeFailed("it broke down")


@pytest.mark.parametrize(
    ("probe", "control", "outcome", "detail"),
    [
        pytest.param(finds("a door"), finds("a door"), "unsafe", "a door", id="a hole"),
        pytest.param(finds(), finds(), "control failed", "found nothing", id="blind"),
        pytest.param(finds("a door"), breaks_down, "control failed", "it broke down", id="a broken control"),
        pytest.param(breaks_down, finds("a door"), "unsafe", "it broke down", id="a broken probe"),
        pytest.param(finds(), finds("a door"), "safe", "a door", id="safe"),
        pytest.param(tries({"anything": "true"}), None, "unsafe", "anything", id="a command that succeeds"),
        pytest.param(tries({"nothing": "false"}), None, "control failed", "found nothing", id="one that fails"),
        pytest.param(tries({"death": "kill -9 -1"}), finds("a door"), "unsafe", "ended with 137", id="a dead one"),
    ],
)
async def test_what_came_of_it(
    attacker: Attacker, sandboxes: SandboxProvider, probe: Probe, control: Probe | None, outcome: str, detail: str
) -> None:
    attack = Attack(id=f"made up {id(probe)}", title="made up", probe=probe, control=control)
    finding = await attacker.attack(attack, sandboxes)
    assert (finding.outcome, detail in finding.detail) == (outcome, True), finding.detail


async def test_a_row_that_says_nothing_of_a_tier(attacker: Attacker, sandboxes: SandboxProvider) -> None:
    attack = Attack(id="elsewhere", title="made up", probe=breaks_down, tiers=(), elsewhere="it is elsewhere")
    finding = await attacker.attack(attack, sandboxes)
    assert (finding.outcome, finding.detail) == ("not here", "it is elsewhere")


def test_every_row_has_a_name_of_its_own() -> None:
    ids = [attack.id for attack in ATTACKS] + [row.id for row in ABSENT]
    assert len(set(ids)) == len(ids)
