"""Tests of an earlier commit on the code of a later one: what was expected once is not forgotten without a word."""

import re
import time
from collections.abc import Mapping
from pathlib import PurePosixPath

from macrohard.domain import Artifacts, Verdict
from macrohard.domain.environment import NONE
from macrohard.errors import ToolError
from macrohard.product.manifest import read_manifest
from macrohard.product.service import Service, checkout, why_not_installed
from macrohard.sandbox.contract import SandboxProvider, SandboxSpec

NAMED = 8
"""Changed files named in a verdict."""
_FOLDERS = frozenset({"test", "tests", "spec", "specs", "__tests__", "e2e"})
_NAME = re.compile(r"^(?:test_.*|.*_test|.*[.-](?:test|spec)|conftest)\.\w+$")


def is_test(path: str) -> bool:
    """Whether a file belongs to the product's own tests, as far as its path tells."""
    *folders, name = PurePosixPath(path).parts
    return bool(_FOLDERS & set(folders)) or bool(_NAME.match(name))


async def verify_earlier_tests(
    provider: SandboxProvider,
    *,
    bundle: bytes,
    commit: str,
    manifest: bytes,
    changed: Mapping[str, bytes],
    artifacts: Artifacts,
    environment: Mapping[str, str] = NONE,
) -> Verdict:
    """Run the commit's tests once more, with those that were changed or removed as they were before.

    The test command is the earlier one, too. A fresh sandbox is used, and the commit is installed in it.

    Args:
        manifest: the earlier commit's `product.toml`.
        environment: what the tests run with.
        changed: test files of the earlier commit that the commit has otherwise or no more, with their earlier content.

    Raises:
        SandboxUnavailable: a sandbox could not be had, or was lost.
    """
    began = time.monotonic()

    async def verdict(status: str, summary: str, log: str = "") -> Verdict:
        evidence = (await artifacts.put(log.encode(), media_type="text/plain"),) if log else ()
        return Verdict.model_validate(
            {
                "check": "earlier tests", "kind": "earlier tests", "commit": commit, "status": status,
                "summary": summary, "duration_seconds": time.monotonic() - began, "evidence": evidence,
            }
        )  # fmt: skip

    names = sorted(changed)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    which = f"{', '.join(names[:NAMED])}{more} changed"
    async with provider.open(SandboxSpec(image=provider.product_image, packages=provider.installs)) as sandbox:
        try:
            service = await checkout(sandbox, bundle=bundle, commit=commit, environment=environment)
            commands = service.manifest.commands.model_copy(update={"test": read_manifest(manifest).commands.test})
        except ToolError as error:
            return await verdict("not run", f"{which}, and the earlier tests could not be run: {error}")
        service = Service(sandbox, service.manifest.model_copy(update={"commands": commands}), environment=environment)
        installed = await service.install()
        if installed is not None and installed.exit_code != 0:
            return await verdict("not run", f"{which}; not installed: {why_not_installed(installed)}")
        try:
            await sandbox.write({service.root / path: content for path, content in changed.items()})
            run = await service.run_tests()
        except ToolError as error:
            return await verdict("not run", f"{which}, and the earlier tests could not be run: {error}")
    if run.passed:
        return await verdict("passed", f"{which}; as they were before they pass, too: {run.summary}", run.output)
    return await verdict("failed", f"{which}; as they were before they do not pass any more: {run.summary}", run.output)
