"""The system at the root of all images, made with mmdebstrap where no image registry can be reached."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from macrohard.errors import SandboxUnavailable
from macrohard.sandbox import host

OFFICIAL: Final = "debian:bookworm-slim"
LEFT_OUT: Final = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


@asynccontextmanager
async def tarball() -> AsyncIterator[Path]:
    """A minimal Debian 12 as a tar file, removed at the end of the context.

    Raises:
        SandboxUnavailable: mmdebstrap is not installed, or cannot reach a Debian mirror.
    """
    if shutil.which("mmdebstrap") is None:
        raise SandboxUnavailable(
            f"no image registry can be reached for {OFFICIAL}, and mmdebstrap is not installed: "
            "apt-get install --yes mmdebstrap"
        )
    with tempfile.TemporaryDirectory(prefix="macrohard-debian-") as folder:
        target, settings = Path(folder) / "debian.tar", Path(folder) / "apt.conf"
        settings.write_text(await host.apt_settings())
        # Readable for the helper that fetches as another user.
        os.chmod(folder, 0o755)
        sources = await host.apt_sources()
        process = await asyncio.create_subprocess_exec(
            "mmdebstrap",
            "--variant=minbase",
            "--quiet",
            f"--aptopt={settings}",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
            "bookworm",
            str(target),
            *(["-"] if sources else []),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await process.communicate(sources.encode())
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()
        if process.returncode != 0:
            raise SandboxUnavailable(f"mmdebstrap failed: {output.decode(errors='replace')[-2000:].strip()}")
        yield target
