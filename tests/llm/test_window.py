"""How much a role's models are shown at once."""

import pytest

from macrohard.llm import ModelPrice
from macrohard.llm.target import Capabilities, EndpointSettings, Target
from macrohard.llm.window import context_tokens, prompt_tokens, sees


def target(
    *,
    context: int = 128_000,
    output: int = 16_000,
    step: int | None = None,
    vision: bool = False,
    url: str | None = "http://127.0.0.1",
) -> Target:
    return Target(
        endpoint=EndpointSettings(name="x", base_url=url),
        model="m",
        price=ModelPrice(input=1, cached_input=1, output=1, long_from_tokens=step),
        max_output_tokens=output,
        context_tokens=context,
        capabilities=Capabilities(vision=vision),
    )


@pytest.mark.parametrize(
    ("asked", "tokens"),
    [
        pytest.param(target(), 80_000, id="three quarters less the answer"),
        pytest.param(target(context=500_000, step=200_000), 199_999, id="below the price step"),
        pytest.param(target(context=128_000, step=200_000), 80_000, id="a step that is never reached"),
        pytest.param(target(context=8_000, output=16_000), 4_000, id="an answer may be longer than the window"),
        pytest.param(target(url=None), 5_984_000, id="the built-in model"),
    ],
)
def test_how_long_a_request_should_be(asked: Target, tokens: int) -> None:
    assert prompt_tokens([asked]) == tokens
    assert prompt_tokens([target(context=1_000_000, output=1), asked, target(context=10_000_000)]) <= 750_000
    assert prompt_tokens([asked, target(context=9_000_000)]) == tokens


def test_the_smallest_window_and_the_worst_eyes_count() -> None:
    both = [target(context=500_000, vision=True), target(context=32_000)]
    assert context_tokens(both) == 32_000
    assert not sees(both)
    assert sees(both[:1])
