"""What went into the product follows from what our own checks of its commit fetched."""

from macrohard.domain import Fetched, PackageFile, Phase
from macrohard.events import PackagesFetched
from macrohard.store import Store
from tests.store.test_overview import FIRST, SECOND, ended, tell


def fetched(name: str, *, iteration: int, phase: Phase = "verify") -> PackagesFetched:
    file = PackageFile(
        ecosystem="pypi",
        name=name,
        version="1.0",
        file=f"{name}-1.0.tar.gz",
        digest=f"sha256:{name}",
        size_bytes=9,
        cached=False,
    )
    return PackagesFetched(iteration=iteration, phase=phase, session_id=None, fetched=Fetched(files=(file,)))


async def test_the_packages_of_the_product_are_those_of_the_commit_that_was_kept(store: Store, run_id: str) -> None:
    overview = await tell(
        store,
        run_id,
        [
            fetched("tried-by-an-agent", iteration=1, phase="implement"),
            fetched("zebra", iteration=1),
            fetched("ant", iteration=1),
            fetched("zebra", iteration=1),
            ended(1, FIRST, kept=True),
            fetched("dropped", iteration=2),
            ended(2, SECOND, kept=False),
        ],
    )
    assert [file.name for file in overview.packages] == ["ant", "zebra"]
