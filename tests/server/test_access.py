"""The token of one person's machine."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from macrohard.errors import RequestError
from macrohard.server.access import LocalAccess, local_token


def test_all_who_ask_at_once_are_given_the_same_token_which_only_its_owner_can_read(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda _: local_token(tmp_path / "home"), range(32)))
    assert len(tokens) == 1
    assert len(tokens.pop()) > 40
    assert [(path.name, path.stat().st_mode & 0o777) for path in (tmp_path / "home").iterdir()] == [
        ("service-token", 0o600)
    ]


def test_a_process_that_dies_while_it_makes_the_token_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: int) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(secrets, "token_urlsafe", killed)
        with pytest.raises(KeyboardInterrupt):
            local_token(tmp_path)
    assert len(local_token(tmp_path)) > 40


def test_with_an_empty_token_nobody_is_let_in(tmp_path: Path) -> None:
    (tmp_path / "service-token").write_text("\n", encoding="ascii")
    with pytest.raises(RequestError, match="service-token is empty"):
        LocalAccess(tmp_path)
