"""A product as others get it: one commit with its history in a bare repository of its own, to be cloned and packed up.

Whoever may clone it can ask git for any object that lies there, named or not: so nothing else does.
"""

import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from macrohard.workspace.bundle import read_header
from macrohard.workspace.git import git, stream
from macrohard.workspace.repository import MAIN, Repository

PUBLISHING_SECONDS = 120.0
ANSWER_SECONDS = 900.0
"""For all of a clone or an archive, however slow who reads it."""
PROTOCOLS = ("version=1", "version=2")

_ATTRIBUTES = "* -export-ignore -export-subst\n"
"""A product cannot leave files out of its archive, nor have them changed there."""


class Publication:
    """One published commit."""

    def __init__(self, path: Path, commit: str) -> None:
        self._path, self._commit = path, commit

    @classmethod
    async def of(cls, repository: Repository, commit: str, *, folder: Path) -> "Publication":
        """The publication of a commit below `folder`, made when it is first asked for.

        Raises:
            KeyError: there is no such commit.
            Unavailable: git cannot be run.
        """
        path = folder / f"{commit}.git"
        if not path.is_dir():
            draft = folder / f"{commit}.{secrets.token_hex(4)}"
            bundle = await repository.bundle(commit)
            try:
                made = await Repository.create(draft)
                pack = bundle[read_header(bundle).length :]
                packed = await git(draft, "index-pack", "--stdin", input=pack, timeout_seconds=PUBLISHING_SECONDS)
                assert packed.exit_code == 0, packed.problem
                await made.set_branch(MAIN, commit)
                (draft / "info").mkdir()
                (draft / "info" / "attributes").write_text(_ATTRIBUTES, encoding="ascii")
                draft.rename(path)
            except OSError:
                if not path.is_dir():  # Else somebody was faster, and made the same.
                    raise
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        return cls(path, commit)

    def archive(self, name: str) -> AsyncIterator[bytes]:
        """The files of the commit as a zip, in a folder `name`."""
        arguments = ("archive", "--format=zip", f"--prefix={name}/", self._commit)
        return stream(self._path, *arguments, timeout_seconds=ANSWER_SECONDS)

    async def advertise(self, *, protocol: str) -> bytes:
        """What a clone begins with: what there is to be had, in git's smart HTTP protocol."""
        answer = await git(self._path, *self._upload("--http-backend-info-refs"), environment=_speaking(protocol))
        assert answer.whole, answer.problem
        service = b"# service=git-upload-pack\n"
        head = b"" if protocol == "version=2" else b"%04x%s0000" % (len(service) + 4, service)
        return head + answer.output

    def upload(self, request: bytes, *, protocol: str) -> AsyncIterator[bytes]:
        """The answer to one request of a clone, in git's smart HTTP protocol."""
        return stream(
            self._path,
            *self._upload(),
            input=request,
            environment=_speaking(protocol),
            timeout_seconds=ANSWER_SECONDS,
        )

    def _upload(self, *options: str) -> tuple[str, ...]:
        return ("upload-pack", "--stateless-rpc", "--strict", *options, str(self._path))


def _speaking(protocol: str) -> dict[str, str]:
    return {"GIT_PROTOCOL": protocol} if protocol in PROTOCOLS else {}
