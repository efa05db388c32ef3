"""What a build needs to know of this machine: certificates, package sources, indexes, proxies.

All of it is asked of the tools' own configuration, so that a machine where apt and pip work can build images.
"""

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import Final

PROXIES: Final = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
PIP_OPTIONS: Final = ("index-url", "extra-index-url", "trusted-host")
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
        for line in (await _output("apt-get", "indextargets", "--format", wanted)).splitlines()
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
    lines = (await _output("apt-config", "dump")).splitlines()
    kept = ("Acquire::http::", "Acquire::https::", "Acquire::Check-", "Acquire::Retries")
    return "".join(f"{line}\n" for line in lines if line.startswith(kept) and not line.endswith('"";'))


async def build_arguments() -> dict[str, str]:
    """Proxies and pip's indexes, as build arguments: the image's files do not hold them."""
    arguments = {}
    for name in PROXIES:
        if value := os.environ.get(name) or os.environ.get(name.upper()):
            arguments[name] = arguments[name.upper()] = value
    listed = await _output(sys.executable, "-m", "pip", "config", "list")
    settings = dict(line.split("=", 1) for line in listed.splitlines() if "=" in line)
    for option in PIP_OPTIONS:
        for origin in (f":env:.{option}", f"install.{option}", f"global.{option}"):
            addresses = settings.get(origin, "").strip("'\"").replace("\\n", " ").split()
            # A folder of this machine is not there in the build.
            if reachable := [address for address in addresses if not address.startswith(("file:", "/"))]:
                arguments["PIP_" + option.upper().replace("-", "_")] = " ".join(reachable)
                break
    return arguments


async def _output(*command: str) -> str:
    """What a configured tool says; nothing where it is not installed or knows no answer."""
    if shutil.which(command[0]) is None:
        return ""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate()
    return output.decode() if process.returncode == 0 else ""
