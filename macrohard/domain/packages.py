"""What products and agents fetched from outside a sandbox."""

from typing import Literal

from macrohard.domain.value import Value


class PackageFile(Value):
    """One file of a package, as it was given to a sandbox."""

    ecosystem: Literal["pypi", "npm"]
    name: str
    version: str
    file: str
    digest: str
    """What it was checked to hash to: "sha256:…" or "sha512:…", in hexadecimal."""
    size_bytes: int
    cached: bool
    """Whether it was given without asking a registry."""


class RefusedRequest(Value):
    """What was asked for and not given."""

    asked: str
    """A path of the mirror or a host; cut, and without anything that a terminal would obey."""
    reason: str
    count: int = 1


class HostReached(Value):
    """Encrypted traffic with a host of the list, of which only the amount is known."""

    host: str
    connections: int
    bytes_up: int
    bytes_down: int


class Fetched(Value):
    """All that one sandbox asked of the outside during a stretch of time, such as one command."""

    files: tuple[PackageFile, ...] = ()
    pages: tuple[str, ...] = ()
    """Names of the projects and packages whose pages were given."""
    refused: tuple[RefusedRequest, ...] = ()
    more_refused: int = 0
    """Refusals that are only counted, because there were too many of them."""
    hosts: tuple[HostReached, ...] = ()
    notes: tuple[str, ...] = ()
    """What a person should know of the answers, e.g. that a page is old because its registry does not answer."""

    @property
    def in_words(self) -> str:
        """One line for people, e.g. "12 packages, 3.4 MB, 9 of them from the cache"."""
        parts = []
        if self.files:
            size = sum(file.size_bytes for file in self.files) / 1e6
            cached = sum(file.cached for file in self.files)
            count = len(self.files)
            parts.append(f"{count} package{'s' if count > 1 else ''}, {size:.1f} MB, {cached} from the cache")
        parts += [
            f"{each.host}: {each.connections} connections, {each.bytes_up / 1e3:.1f} kB up, "
            f"{each.bytes_down / 1e6:.1f} MB down"
            for each in self.hosts
        ]
        if refused := sum(each.count for each in self.refused) + self.more_refused:
            first = self.refused[0]
            parts.append(f"{refused} refused, such as {first.asked}: {first.reason}")
        return "; ".join([*parts, *self.notes]) or f"{len(self.pages)} pages of packages looked at"
