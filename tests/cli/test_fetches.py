"""One line for each install, and for what was refused."""

from macrohard.domain import Fetched, HostReached, PackageFile, RefusedRequest
from macrohard.events import PackagesFetched
from tests.cli.test_display import told


def test_an_install_is_one_line() -> None:
    files = tuple(
        PackageFile(
            ecosystem="npm",
            name=f"p{number}",
            version="1.0.0",
            file=f"p{number}.tgz",
            digest=f"sha512:{number}",
            size_bytes=1_700_000,
            cached=number > 0,
        )
        for number in range(12)
    )
    refused = (RefusedRequest(asked="/npm/none", reason="no registry knows none", count=2),)
    hosts = (HostReached(host="files.example.com:443", connections=1, bytes_up=1500, bytes_down=2_000_000),)
    (line,) = told(
        [
            PackagesFetched(
                iteration=1,
                phase="verify",
                session_id=None,
                fetched=Fetched(files=files, refused=refused, more_refused=3, hosts=hosts),
            )
        ]
    ).splitlines()
    assert line.endswith(
        "checks fetched 12 packages, 20.4 MB, 11 from the cache; files.example.com:443: 1 connections, 1.5 kB up, "
        "2.0 MB down; 5 refused, such as /npm/none: no registry knows none"
    )
