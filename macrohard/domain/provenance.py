"""What a run begins from when it does not begin from nothing: a person's repository, or an earlier product."""

from typing import Literal

from macrohard.domain.value import Value

FROM = "from"
"""Among a run's options: its provenance."""
FORKED_FROM = "forked_from"
"""Among the options of a run that goes on from an iteration of another one: that."""


class Provenance(Value):
    """Where the first commit of a run comes from, settled when the run was begun."""

    kind: Literal["repository", "bundle", "run"]
    place: str
    """The folder or file that the person named, absolute; of a run its id."""
    branch: str = ""
    """What the repository's HEAD was on; empty if it was on none, and for a run."""
    head: str
    """The commit of the person that was taken, or the commit that the earlier run delivered."""
    base: str
    """What stands for it in the run's own repository."""
    uncommitted: tuple[str, ...] = ()
    """Files that differed from HEAD, the first hundred."""
    included: bool = False
    """Whether these changes were taken along."""
    publish: bool = False
    """Whether the result goes back into the repository, as a branch of a name that nothing has."""
    notes: tuple[str, ...] = ()
    """What was left behind or is different from what the person may expect."""
