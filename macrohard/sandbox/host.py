"""What a build needs to know of this machine: certificates, package sources, indexes, proxies.

All of it is asked of the tools' own configuration, so that a machine where apt and pip work can build images.
"""

import ast
import asyncio
import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import Final

PROXIES: Final = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
PIP_OPTIONS: Final = ("index-url", "extra-index-url", "trusted-host")
NPM_OPTIONS: Final = ("registry", "strict-ssl")
CERTIFICATES: Final = Path("/usr/local/share/ca-certificates")
SUITES: Final = {"Debian": ("bookworm", "bookworm-updates"), "Debian-Security": ("bookworm-security",)}
KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"


async def build_files() -> dict[str, bytes]:
    """What lands in the image under `/`: the host's own certificates, and how apt reaches Debian from here."""
    files = {
        f"usr/local/share/ca-certificates/{path.name}": path.read_bytes()
        for path in sorted(CERTIFICATES.rglob("*.crt"))
    }
    if sources := await apt_sources():
        files["etc/apt/sources.list"] = sources.encode()
        # The official image's own list, which would be read as well.
        files["etc/apt/sources.list.d/debian.sources"] = b""
    if settings := await apt_settings():
        files["etc/apt/apt.conf.d/90host"] = settings.encode()
    return files


async def apt_sources() -> str:
    """The lines of sources.list for Debian 12 from the mirrors this host uses; empty if it uses none of Debian's."""
    wanted = "$(ORIGIN)|$(LABEL)|$(REPO_URI)|$(CREATED_BY)"
    rows = {
        tuple(line.split("|"))[1:3]
        for line in (await output("apt-get", "indextargets", "--format", wanted)).splitlines()
        if line.startswith("Debian|") and line.endswith("|Packages")
    }
    lines = [
        f"deb [signed-by={KEYRING}] {address} {suite} main\n"
        for label, address in sorted(rows)
        for suite in SUITES.get(label, ())
        if not address.startswith("file:")
    ]
    return "".join(lines)


async def apt_settings() -> str:
    """Those of apt's settings that decide whether it can download here."""
    lines = (await output("apt-config", "dump")).splitlines()
    kept = ("Acquire::http::", "Acquire::https::", "Acquire::Check-", "Acquire::Retries")
    return "".join(f"{line}\n" for line in lines if line.startswith(kept) and not line.endswith('"";'))


async def build_arguments() -> dict[str, str]:
    """Proxies, pip's indexes and npm's registry, as build arguments: the image's files do not hold them."""
    arguments = {}
    for name in PROXIES:
        if value := os.environ.get(name) or os.environ.get(name.upper()):
            arguments[name] = arguments[name.upper()] = value
    settings = await pip_settings()
    for option in PIP_OPTIONS:
        # A folder of this machine is not there in the build.
        addresses = [each for each in settings.get(option, "").split() if not each.startswith(("file:", "/"))]
        if addresses:
            arguments["PIP_" + option.upper().replace("-", "_")] = " ".join(addresses)
    for option in NPM_OPTIONS:
        if value := (await output("npm", "config", "get", option)).strip():
            arguments["npm_config_" + option.replace("-", "_")] = value
    return arguments


async def pip_settings() -> dict[str, str]:
    """What pip is configured for on this machine, by file or environment; several values are separated by spaces."""
    listed = dict(line.split("=", 1) for line in (await pip("config", "list")).splitlines() if "=" in line)
    settings = {}
    for origin in ("global", "install", ":env:"):
        for name, value in listed.items():
            if name.startswith(f"{origin}."):
                settings[name.removeprefix(f"{origin}.")] = str(ast.literal_eval(value))
    return settings


async def pip(*arguments: str) -> str:
    """What pip says: our Python's own, or, where that has none, the machine's."""
    if importlib.util.find_spec("pip"):
        return await output(sys.executable, "-m", "pip", *arguments)
    return await output("pip3", *arguments)


async def output(*command: str) -> str:
    """What a configured tool says; nothing where it is not installed or knows no answer."""
    if shutil.which(command[0]) is None:
        return ""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        # Wide, so that no line is broken.
        env={**os.environ, "COLUMNS": "500"},
    )
    output, _ = await process.communicate()
    return output.decode() if process.returncode == 0 else ""
