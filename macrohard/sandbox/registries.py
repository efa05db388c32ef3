"""The registries that this machine's own package managers use, and what a sandbox gets to see of their pages."""

import base64
import binascii
import html.parser
import ipaddress
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from pydantic import ConfigDict, SecretStr

from macrohard.domain import Value

PORT: Final = 8731
"""Of the mirror, on the loopback of a sandbox. npm's pages need whole addresses, so it cannot be chosen late."""
BOUND: Final = PurePosixPath("/run/macrohard")
"""Where a sandbox has the folder with the mirror's socket."""
PATH_LIMIT: Final = 512
METADATA: Final = frozenset({ipaddress.ip_address("168.63.129.16")})
"""Services for virtual machines at addresses that look public."""

_FILE: Final = r"[A-Za-z0-9@](?:[A-Za-z0-9._+!~-]|%2[Bb]|%21){0,254}"
_NPM_NAME: Final = r"[A-Za-z0-9~][A-Za-z0-9._~-]{0,213}"
_PATHS: Final = (
    re.compile(r"/pypi/simple/(?P<project>[a-z0-9]+(?:-[a-z0-9]+)*)/"),
    re.compile(rf"/pypi/files/(?P<digest>[0-9a-f]{{64}})/(?P<file>{_FILE})"),
    re.compile(rf"/npm/(?P<package>(?:@{_NPM_NAME}(?:/|%2[fF]))?{_NPM_NAME})"),
    re.compile(rf"/npm/-/(?P<digest>[0-9a-f]{{128}})/(?P<file>{_FILE})"),
    # As lock files name them that were written elsewhere.
    re.compile(rf"(?:/npm)?/(?P<of>(?:@{_NPM_NAME}/)?{_NPM_NAME})/-/(?P<tarball>{_FILE})(?<=\.tgz)"),
)
_KINDS: Final = (".whl", ".tar.gz", ".zip", ".tgz")


class Refused(Exception):
    """The sandbox gets this instead of an answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Registry(Value):
    """Where a package manager of this machine asks."""

    address: str
    """Ends with a slash, and holds no name or password."""
    login: SecretStr | None = None
    """`name:password`, sent to this registry only and never shown to a sandbox."""
    token: SecretStr | None = None
    """Sent instead of a login, and as carefully."""
    scope: str = ""
    """Of npm: "@name" if only packages of this scope are asked for there."""
    proxy: SecretStr | None = None
    """The HTTP proxy that the package manager's own settings name; None: what the environment says."""
    certificates: Path | None = None
    """Authorities to trust besides the system's."""


class Registries(Value):
    """What pip and npm of this machine are configured for; folders of this machine are not among it."""

    pypi: tuple[Registry, ...]
    npm: tuple[Registry, ...]

    def of_package(self, name: str) -> tuple[Registry, ...]:
        """Where npm asks for a package: at its scope's own registry, if it has one."""
        scope = name.partition("/")[0]
        return tuple(each for each in self.npm if each.scope == scope) or tuple(
            each for each in self.npm if not each.scope
        )


class Wanted(Value):
    """A path of the mirror that keeps to the grammar."""

    kind: Literal["project", "package", "file"]
    name: str
    """Of the project, of the package, or of the file."""
    digest: str = ""
    """Of the file: SHA-256 or SHA-512, in hexadecimal; empty if it is named by its package."""
    package: str = ""
    """Of the file, if it has no digest."""


class File(Value):
    """One file that a registry's page names. What does not have this digest is not this file."""

    name: str
    address: str
    registry: str
    """The configured address of the registry that names it."""
    algorithm: Literal["sha256", "sha512"]
    digest: str
    ecosystem: Literal["pypi", "npm"]
    package: str
    version: str


class Page(Value):
    """What a sandbox is told of one project or package, and where its files come from."""

    document: bytes
    content_type: str
    files: tuple[File, ...]


def wanted(path: str) -> Wanted | None:
    """What a request asks for; None if the path is none of ours to the letter."""
    if len(path) > PATH_LIMIT:
        return None
    for grammar in _PATHS:
        if found := grammar.fullmatch(path):
            match found.groupdict():
                case {"project": project}:
                    return Wanted(kind="project", name=project)
                case {"package": package}:
                    return Wanted(kind="package", name=unquote(package))
                case {"digest": digest, "file": file}:
                    return Wanted(kind="file", name=unquote(file), digest=digest)
                case {"of": package, "tarball": file}:
                    return Wanted(kind="file", name=unquote(file), package=package)
    return None


class Received(Value):
    """A page as a registry gave it."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    registry: str
    address: str
    """Where it was found, after redirections."""
    content_type: str
    body: bytes


def pypi_page(name: str, received: Sequence[Received]) -> Page:
    """The pages of all indexes that know a project as one; a file that two of them have is the first's.

    Only wheels and source archives with a SHA-256 are on it.

    Raises:
        ValueError: one is not a page of an index.
    """
    entries: dict[str, dict[str, Any]] = {}
    files = []
    for page in received:
        for each in _pypi_files(page):
            digest = (each.get("hashes") or {}).get("sha256")
            file = _file(page, each["filename"], each["url"], "sha256", digest, package=name, version=None)
            if file is None or file.name in entries:
                continue
            entry = {"filename": file.name, "url": f"../../files/{file.digest}/{quote(file.name)}"}
            entry |= {key: each[key] for key in ("requires-python", "yanked") if each.get(key) is not None}
            entries[file.name] = entry | {"hashes": {"sha256": file.digest}}
            files.append(file)
    document = {"meta": {"api-version": "1.0"}, "name": name, "files": list(entries.values())}
    return Page(
        document=json.dumps(document).encode(),
        content_type="application/vnd.pypi.simple.v1+json",
        files=tuple(files),
    )


def _pypi_files(page: Received) -> list[dict[str, Any]]:
    if page.content_type.endswith("json"):
        match json.loads(page.body):
            case {"files": [*files]} if all(_named(file) for file in files):
                return files
        raise ValueError("not the page of a project")
    links = _Links(page.address)
    links.feed(page.body.decode(errors="replace"))
    return links.files


def _named(file: object) -> bool:
    match file:
        case {"filename": str(), "url": str(), "hashes": dict()}:
            return True
    return False


class _Links(html.parser.HTMLParser):
    """The files on an index's page, for those indexes that speak no JSON."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._base, self.files = address, list[dict[str, Any]]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if (address := found.get("href")) is None:
            return
        if tag == "base":
            self._base = urljoin(self._base, address)
        elif tag == "a":
            parts = urlsplit(urljoin(self._base, address))
            algorithm, _, digest = parts.fragment.partition("=")
            file: dict[str, Any] = {
                "filename": unquote(parts.path.rpartition("/")[2]),
                "url": urlunsplit(parts._replace(fragment="")),
                "hashes": {algorithm: digest},
                "requires-python": found.get("data-requires-python"),
            }
            if "data-yanked" in found:
                file["yanked"] = found["data-yanked"] or True
            self.files.append(file)


def npm_page(received: Received) -> Page:
    """A package's page; only versions with a SHA-512 are on it.

    Raises:
        ValueError: it is not the page of a package.
    """
    match json.loads(received.body):
        case {"name": str(name), "versions": dict(versions), "dist-tags": dict(tags)}:
            pass
        case _:
            raise ValueError("not the page of a package")
    files: list[File] = []
    kept: dict[str, dict[str, Any]] = {}
    for number, version in versions.items():
        match version:
            case {"dist": {"tarball": str(address), "integrity": str(integrity)}}:
                name_of_file = unquote(urlsplit(address).path.rpartition("/")[2])
                digest = _sha512(integrity)
                file = _file(received, name_of_file, address, "sha512", digest, package=name, version=number)
            case _:
                continue
        if file is None:
            continue
        files.append(file)
        tarball = f"http://127.0.0.1:{PORT}/npm/-/{file.digest}/{quote(file.name)}"
        kept[number] = {**version, "dist": {"tarball": tarball, "integrity": integrity}}
    document = {
        "name": name,
        "dist-tags": {tag: number for tag, number in tags.items() if number in kept},
        "versions": kept,
    }
    return Page(document=json.dumps(document).encode(), content_type="application/json", files=tuple(files))


def _sha512(integrity: str) -> str | None:
    for each in integrity.split():
        algorithm, _, value = each.partition("-")
        if algorithm == "sha512":
            try:
                return base64.b64decode(value, validate=True).hex()
            except binascii.Error:
                return None
    return None


def _file(
    page: Received,
    name: str,
    address: str,
    algorithm: Literal["sha256", "sha512"],
    digest: object,
    *,
    package: str,
    version: str | None,
) -> File | None:
    """The file, if its name, its address and its digest are such that it can be mirrored."""
    size = {"sha256": 64, "sha512": 128}[algorithm]
    if not isinstance(digest, str) or not re.fullmatch(rf"[0-9a-f]{{{size}}}", digest):
        return None
    if not re.fullmatch(_FILE, quote(name, safe="!+~@")) or not name.endswith(_KINDS):
        return None
    parts = urlsplit(urljoin(page.address, address))
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return None
    full = urlunsplit(parts._replace(fragment=""))
    return File(
        name=name,
        address=full,
        registry=page.registry,
        algorithm=algorithm,
        digest=digest,
        ecosystem="pypi" if version is None else "npm",
        package=printable(package),
        version=printable(_version(name) if version is None else version),
    )


def _version(name: str) -> str:
    """As a wheel's or source archive's name has it."""
    if name.endswith(".whl"):
        return ([*name.split("-"), ""])[1]
    return name.removesuffix(".gz").rpartition(".")[0].rpartition("-")[2]


def public(address: str) -> bool:
    """Whether that address is on the public internet, and not this machine's, its network's or its provider's."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        hidden = found.ipv4_mapped or found.sixtofour
        if hidden or found.teredo or found in ipaddress.ip_network("64:ff9b::/96"):
            return hidden is not None and found.sixtofour is None and public(str(hidden))
    return found.is_global and not found.is_multicast and found not in METADATA


def printable(text: str) -> str:
    """The text on one line, with everything but plain ASCII escaped."""
    return re.sub(r"[^ -~]", lambda found: ascii(found[0])[1:-1], text)


def origin(address: str) -> tuple[str, str, int]:
    """Scheme, host and port.

    Raises:
        ValueError: the address has no port that could be one.
    """
    parts = urlsplit(address)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def check(address: str, registry: Registry, allowed: Iterable[tuple[str, str, int]]) -> None:
    """Check that this address may be asked: at the registry's own host, or at the one that its page names for a file.

    Raises:
        Refused: it may not.
    """
    parts = urlsplit(address)
    try:
        found = origin(address)
    except ValueError as error:
        raise Refused(502, "the registry gave an address that is none") from error
    if found not in allowed or "@" in parts.netloc:
        raise Refused(502, f"the registry redirected to another host: {printable(parts.netloc)[:100]}")
    if found != origin(registry.address) and (found[0] != "https" or found[2] != 443):
        raise Refused(502, f"the registry keeps files where nothing may be asked: {printable(parts.netloc)[:100]}")
