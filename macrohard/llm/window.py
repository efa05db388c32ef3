"""How much a role's models can be shown at once, and whether pictures are among it."""

from collections.abc import Sequence

from macrohard.llm.target import Target

FULL_SHARE = 0.75
"""Of a context window: beyond it, answers get worse long before they are refused."""
SMALLEST_SHARE = 0.5
"""Of a context window stays for the request, also where settings allow an answer as long as the window."""
BUILTIN_TOKENS = 8_000_000
"""The built-in model has no window, only the limit of its request's body, 32 MiB; it remembers by reading all again."""


def context_tokens(targets: Sequence[Target]) -> int:
    """What a conversation may have, its answer included: the smallest of the targets."""
    return min(_window(target) for target in targets)


def prompt_tokens(targets: Sequence[Target]) -> int:
    """What a request should have at most; the smallest of the targets.

    With the longest answer it fills three quarters of the window, and it is below the step of the price table.
    """
    return min(_prompt(target) for target in targets)


def sees(targets: Sequence[Target]) -> bool:
    """Whether every target takes images: whoever is asked after a failover gets the same conversation."""
    return all(target.capabilities.vision for target in targets)


def _prompt(target: Target) -> int:
    window = _window(target)
    room = max(int(FULL_SHARE * window) - target.max_output_tokens, int(SMALLEST_SHARE * window))
    step = target.price.long_from_tokens
    return min(room, step - 1) if step else room


def _window(target: Target) -> int:
    return BUILTIN_TOKENS if target.endpoint.base_url is None else target.context_tokens
