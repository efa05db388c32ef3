"""The table `[sandboxes]`: isolation, places, packages."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from macrohard.domain import Tier, Value

HostName = Annotated[str, Field(max_length=253, pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$")]


class SandboxSettings(Value):
    """What a person can set about sandboxes."""

    required: Tier | None = None
    """The weakest isolation that is good enough; where there is none as strong, nothing is run. None: any will do."""
    runtime: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    """The container runtime to use, by its name with the engine, such as "kata"; it is used only if what it starts is
    seen to be isolated as it claims. None: runsc where the engine has it, else the engine's default."""
    places: PositiveInt | None = None
    """How many sandboxes, each with its browser, are in use at once; more wait in line. None: as memory allows."""
    warm: int | None = Field(default=None, ge=0, le=32)
    """How many are kept open ahead of their use. None: two, or one where there are fewer than four places."""
    products: Literal["base", "web"] | None = None
    """The image that products are built, checked and shown in: "base" has the standard libraries, "web" the usual ones
    of Python and Node.js besides. None: web, or base where the built-in model alone is at work, which needs no more."""
    packages: bool = False
    """Whether products can install packages, from a mirror of the registries that this machine's pip and npm use."""
    allow: tuple[HostName, ...] = ()
    """Names of hosts that products under way can reach over HTTPS, besides; nothing else leaves a sandbox."""
