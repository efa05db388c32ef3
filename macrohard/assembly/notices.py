"""What a person is told about models and sandboxes when a run begins."""

from itertools import chain

from macrohard.llm.target import RoleTargets, Target
from macrohard.settings import Settings

_BUILTIN = (
    "The built-in model was used. It follows rules, and knows record-keeping web products, services and tools only; "
    "set MACROHARD_MODEL with a key or an address for a real one."
)
_ALLOWED = (
    "Sandboxes can send anything to {hosts}, as the settings allow it; it is encrypted, so nobody sees what it was."
)


def notices(targets: RoleTargets, settings: Settings, run_model: str) -> tuple[str, ...]:
    """All that is to be told of a run with these targets."""
    told = list[str]()
    if hosts := settings.sandboxes.allow:
        told.append(_ALLOWED.format(hosts=", ".join(hosts)))
    if any(target.endpoint.base_url is None for target in chain(*targets.values())):
        told.append(_BUILTIN)
    # A run that was given another model than that of the settings heeds no role's table.
    here = "" if run_model == settings.model else f' and model = "{run_model}" in the settings, instead of --model'
    return (*told, *(f"{notice}{here}." for notice in _assumed(targets)))


def assumed_windows(targets: RoleTargets) -> tuple[str, ...]:
    """One sentence for each model of which nobody knows how much it reads at once, with the settings to say so."""
    return tuple(f"{notice}." for notice in _assumed(targets))


def _assumed(targets: RoleTargets) -> tuple[str, ...]:
    roles = dict[tuple[str, str], list[str]]()
    windows = dict[tuple[str, str], Target]()
    for role, given in targets.items():
        for target in given:
            if target.context_is_assumed:
                key = (target.model, target.endpoint.name)
                windows[key] = target
                roles.setdefault(key, []).append(f"[roles.{role}]")
    return tuple(
        f"How much {model}@{endpoint} reads at once is not known, so {target.context_tokens:,} tokens are assumed; if "
        f"it is more, set context_tokens in {', '.join(roles[model, endpoint])}"
        for (model, endpoint), target in windows.items()
    )
