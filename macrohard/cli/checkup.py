"""`macrohard doctor`: this machine, the settings and the models, and what to do about what is missing."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from macrohard.assembly import Probe, open_factory
from macrohard.cli.drive import output, until_interrupted
from macrohard.cli.models import print_probes, probes_as_json, usable
from macrohard.cli.options import print_json
from macrohard.cli.terminal import one_line, printable
from macrohard.domain import Diagnosis
from macrohard.errors import RequestError
from macrohard.settings import Settings

if TYPE_CHECKING:
    from macrohard.client import Client

_SERVERS = "model servers on this machine"


def check_up(settings: Settings, which: Literal["new", "all", "none"], *, as_json: bool) -> int:
    """Print what is found; the exit code: 0 if everything that is needed is well.

    `which` models are asked what they understand: see `Factory.probe`.
    """
    rows, probes = until_interrupted(_found(settings, which))
    if as_json:
        told = {"checks": [row.model_dump(mode="json") for row in rows], "models": probes_as_json(probes)}
        print_json(told)
    else:
        _print_rows(rows)
        print_probes(probes, output())
    well = _is_well(rows) and all(usable(probe) for probe in probes)
    return 0 if well else 1


def check_up_there(service: "Client", *, as_json: bool) -> int:
    """Print what a service finds on its own machine; the exit code: 0 if everything that it needs is well."""
    rows = service.doctor()
    if as_json:
        print_json({"checks": [row.model_dump(mode="json") for row in rows]})
    else:
        _print_rows(rows)
    return 0 if _is_well(rows) else 1


def _print_rows(rows: Sequence[Diagnosis]) -> None:
    for row in rows:
        mark = "✓" if row.ok else "✗" if row.needed else "–"
        print(f"{mark} {printable(row.check)}: {printable(row.detail)}")
        if row.advice and not row.ok:
            print(f"    {printable(row.advice)}")
    sys.stdout.flush()


def _is_well(rows: Sequence[Diagnosis]) -> bool:
    return all(row.ok or not row.needed for row in rows)


async def _found(
    settings: Settings, which: Literal["new", "all", "none"]
) -> tuple[tuple[Diagnosis, ...], tuple[Probe, ...]]:
    async with open_factory(settings, sandbox=settings.sandbox) as factory:
        rows = await factory.installation.diagnose()
        if not settings.model_is_chosen and not settings.endpoints and not settings.base_url:
            rows = (*rows, await _local())
        if settings.oidc is not None:
            rows = (*rows, await _login(settings))
        try:
            probes = await factory.installation.probe(
                which, tell=lambda text: print(one_line(text, 200), file=sys.stderr)
            )
        except RequestError:
            probes = ()  # It stands among the rows, with what to do.
        return rows, probes


async def _login(settings: Settings) -> Diagnosis:
    from macrohard.server.people.oidc import RETURN, provider_of

    try:
        provider = provider_of(settings)
    except RequestError as error:
        return Diagnosis(check="login", ok=False, detail="[oidc] is set, and cannot be used", advice=str(error))
    assert provider is not None
    return await provider.diagnose(f"https://NAME{RETURN} for the NAME by which people reach the service")


async def _local() -> Diagnosis:
    from macrohard.llm.models.discovery import local_servers

    found = await local_servers()
    if not found:
        advice = "for a real model set XAI_API_KEY, or start Ollama, LM Studio, llama.cpp or vLLM; see docs/models.md"
        return Diagnosis(check=_SERVERS, ok=False, needed=False, detail="none on the usual ports", advice=advice)
    told = "; ".join(f"{server.title} at {server.base_url}: --model {server.first_choice}" for server in found)
    return Diagnosis(check=_SERVERS, ok=True, needed=False, detail=told)
