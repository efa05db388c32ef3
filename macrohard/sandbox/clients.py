"""What pip and npm of this machine are configured for, so that sandboxes get packages from where it gets its own."""

import asyncio
import base64
import binascii
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import SecretStr

from macrohard.sandbox import host
from macrohard.sandbox.registries import Registries, Registry

_NPM_LOGIN = re.compile(r"[ \t]*(//[^\s=]*):(_authToken|_auth|username|_password)[ \t]*=[ \t]*(.*?)[ \t\r]*", re.M)


async def configured() -> Registries:
    """Ask pip and npm what they are configured for; one that is not installed has no registry."""
    pip = await host.pip_settings()
    addresses = [*(pip.get("index-url", "") or await _pip_default()).split(), *pip.get("extra-index-url", "").split()]
    if pip.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        addresses = []
    return Registries(
        pypi=tuple(_registries(addresses, authorities=pip.get("cert", ""), proxy=pip.get("proxy", ""))),
        npm=tuple(await _npm()),
    )


async def _pip_default() -> str:
    """The index that pip's own help calls the default."""
    said = re.search(r"--index-url <url>.*?\(default\s+(\S+?)\)", await host.pip("help", "install"), re.S)
    return said[1] if said else ""


async def _npm() -> Sequence[Registry]:
    """The default registry, and those of scopes, with the logins in npm's files of settings."""
    said = await host.output("npm", "config", "list", "--json")
    settings: dict[str, Any] = json.loads(said) if said.startswith("{") else {}
    files = [Path(str(settings.get(option) or os.devnull)) for option in ("globalconfig", "userconfig")]
    logins = _npm_logins(await asyncio.to_thread(_text, files))
    addresses = {"": settings.get("registry")} | {
        name.removesuffix(":registry"): address for name, address in settings.items() if name.endswith(":registry")
    }
    found = []
    for scope, address in addresses.items():
        proxy = settings.get("https-proxy" if str(address).startswith("https:") else "proxy")
        for each in _registries(
            [str(address or "")], authorities=str(settings.get("cafile") or ""), proxy=str(proxy or "")
        ):
            found.append(each.model_copy(update={"scope": scope} | _login(each.address, logins)))
    return found


def _text(files: Sequence[Path]) -> str:
    """Of those that are there and can be read."""
    readable = (path for path in files if path.is_file() and os.access(path, os.R_OK))
    return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in readable)


def _npm_logins(text: str) -> dict[str, dict[str, str]]:
    """What npm's settings hold for each beginning of an address; later lines go before earlier ones."""
    logins: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if found := _NPM_LOGIN.fullmatch(line):
            value = re.sub(r"\$\{(\w+)\??\}", lambda name: os.environ.get(name[1], ""), found[3].strip("\"'"))
            logins.setdefault(found[1].rstrip("/") + "/", {})[found[2]] = value
    return logins


def _login(address: str, logins: Mapping[str, Mapping[str, str]]) -> dict[str, SecretStr]:
    """The login for the longest beginning of this address that has one, as npm looks for it."""
    place = "//" + address.partition("://")[2]
    while place != "//" and place not in logins:
        place = place.rstrip("/").rpartition("/")[0] + "/"
    found = logins.get(place, {})
    try:
        if token := found.get("_authToken"):
            return {"token": SecretStr(token)}
        if pair := found.get("_auth"):
            return {"login": SecretStr(base64.b64decode(pair, validate=True).decode())}
        if password := found.get("_password"):
            word = base64.b64decode(password, validate=True).decode()
            return {"login": SecretStr(f"{found.get('username', '')}:{word}")}
    except (binascii.Error, UnicodeDecodeError):
        # The registry will say that it wants a login.
        return {}
    return {}


def _registries(addresses: Sequence[str], *, authorities: str, proxy: str) -> Iterator[Registry]:
    for address in addresses:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            continue
        login, at, host = parts.netloc.rpartition("@")
        yield Registry(
            address=urlunsplit((parts.scheme, host, parts.path.rstrip("/") + "/", "", "")),
            login=SecretStr(unquote(login)) if at else None,
            certificates=Path(authorities) if authorities and Path(authorities).is_file() else None,
            proxy=SecretStr(proxy) if proxy else None,
        )
