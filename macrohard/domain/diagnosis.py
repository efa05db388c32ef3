"""What was checked about an installation."""

from macrohard.domain.value import Value


class Diagnosis(Value):
    """One row of what `macrohard doctor` shows."""

    check: str
    ok: bool
    needed: bool = True
    """False: something else does as well, or it is made when it is first used."""
    detail: str
    advice: str = ""
    """What to do if it is not well."""
