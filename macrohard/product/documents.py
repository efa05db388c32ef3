"""What a product says about itself to those who have nothing else: its README, its manual, and how it is called."""

import shlex

from macrohard.errors import ToolError
from macrohard.product.service import PORT, Service

DOCUMENT_BYTES = 60_000
"""Of each; more is not read by people either."""
_COMMAND = f"""
for file in README* docs/*.md docs/*.txt; do
  [ -f "$file" ] && printf '\\n=== %s\\n' "$file" && head -c {DOCUMENT_BYTES} "$file"
done
true"""


async def documents(service: Service) -> str:
    """The documents in full, after a line that says what kind of product it is.

    Raises:
        ToolError: they cannot be read.
        SandboxUnavailable: the sandbox was lost.
    """
    result = await service.sandbox.run(_COMMAND, timeout_seconds=30, directory=service.root)
    if result.exit_code != 0:
        raise ToolError(f"the product's documents cannot be read: {result.stderr.strip()}")
    manifest = service.manifest
    first = {
        "cli": f"{manifest.name} is called in this folder as: {manifest.commands.run}",
        "library": f"{manifest.name} is a library; this folder holds it.",
    }.get(manifest.kind, f"{manifest.name} answers on 127.0.0.1:{PORT}; requests name the path alone.")
    given = " ".join(f"{name}={shlex.quote(value)}" for name, value in service.environment.items())
    if given:
        first += f"\nIn its environment stands: {given}"
    return f"{first}\n{result.stdout.strip() or '(It has no README and no manual.)'}"
