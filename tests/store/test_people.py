"""Users, logins and tokens: what is kept of them, and when they stop being good."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from macrohard.domain.people import RoleName, User
from macrohard.errors import Conflict, NotFound, RequestError, StoreUnavailable
from macrohard.store import Store
from macrohard.store.tables import AuditRow, LoginRow, TokenRow


async def dumped(store: Store) -> str:
    """All that the tables of people hold."""
    async with store._database.read() as session:
        tables = [await session.execute(text(f"SELECT * FROM {name}")) for name in ("users", "logins", "tokens")]
        return repr([list(table) for table in tables])


async def test_a_login_ends_by_logout_by_time_and_by_another_role_or_password(store: Store) -> None:
    people = store.people
    await people.add("ada", role="admin", password_hash="x")
    await people.add("bo", role="viewer", password_hash="x")

    async def known(word: str) -> bool:
        return await people.of_login(word) is not None

    word, other = await people.log_in("bo"), await people.log_in("ada")
    assert await known(word)
    assert word not in await dumped(store)
    await people.log_out(word)
    assert not await known(word)

    word = await people.log_in("bo")
    async with store._database.write() as session:
        past = datetime.now(UTC) - timedelta(seconds=1)
        await session.execute(update(LoginRow).where(LoginRow.user == "bo").values(expires_at=past))
    assert not await known(word)

    word = await people.log_in("bo")
    await people.change("bo", role="operator")
    assert not await known(word)
    word = await people.log_in("bo")
    await people.change("bo", password_hash="y")
    assert not await known(word)
    word = await people.log_in("bo")
    await people.remove("bo")
    assert not await known(word)
    assert await known(other)


async def test_a_token_is_known_by_its_hash_until_it_expires_or_is_dropped(store: Store) -> None:
    people = store.people
    await people.add("bo", role="operator", password_hash=None)
    token, word = await people.make_token("bo", label="ci", role="viewer", days=1)
    assert word.startswith("mh_")
    assert word not in await dumped(store)
    assert token.used_at is None
    found = await people.of_token(word)
    assert found is not None
    assert found.token is not None
    assert (found.user.name, found.token.role) == ("bo", "viewer")
    assert (await people.tokens("bo"))[0].used_at is not None
    assert await people.of_token(word + "x") is None

    async with store._database.write() as session:
        past = datetime.now(UTC) - timedelta(seconds=1)
        await session.execute(update(TokenRow).values(expires_at=past))
    assert await people.of_token(word) is None
    token, word = await people.make_token("bo", label="ci", role="viewer", days=1)
    with pytest.raises(NotFound):
        await people.drop_token("ada", token.id)
    await people.drop_token("bo", token.id)
    assert await people.of_token(word) is None


async def test_nobody_gives_a_token_more_than_they_have(store: Store) -> None:
    await store.people.add("bo", role="reviewer", password_hash=None)
    with pytest.raises(RequestError, match="more than bo may do"):
        await store.people.make_token("bo", label="ci", role="operator", days=1)
    with pytest.raises(NotFound):
        await store.people.make_token("eve", label="ci", role="viewer", days=1)


async def test_there_is_always_an_admin(store: Store) -> None:
    people = store.people
    await people.add("ada", role="admin", password_hash=None)
    with pytest.raises(Conflict, match="a user 'ada' already"):
        await people.add("ada", role="viewer", password_hash=None)
    with pytest.raises(Conflict, match="the only admin"):
        await people.remove("ada")
    with pytest.raises(Conflict, match="the only admin"):
        await people.change("ada", role="viewer")
    await people.add("bo", role="admin", password_hash=None)
    answers = await asyncio.gather(people.remove("ada"), people.change("bo", role="viewer"), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) in (["Conflict", "NoneType"], ["Conflict", "User"])
    assert [user.role for user in await people.all()].count("admin") == 1


ISSUER = "https://login.example"


async def test_who_is_known_by_an_issuer_is_made_once_and_has_the_role_that_they_came_with_last(store: Store) -> None:
    people = store.people

    async def arrives(subject: str, *, issuer: str = ISSUER, name: str = "ada", role: RoleName = "viewer") -> User:
        return await people.arrive(issuer, subject, name=name, role=role, adopt=False)

    assert await people.known(ISSUER, "1") is None
    made = await arrives("1", role="admin")
    assert (made.name, made.role, made.issuer, made.active) == ("ada", "admin", ISSUER, True)
    assert await people.known(ISSUER, "1") == made
    again = await arrives("1", name="ada-lovelace", role="viewer")
    assert (again.name, again.role) == ("ada", "viewer"), "the name stays, and the issuer says who is an admin"
    for subject, issuer in (("2", ISSUER), ("1", "https://other.example")):
        with pytest.raises(Conflict, match="another user called ada"):
            await arrives(subject, issuer=issuer)
    at_once = await asyncio.gather(
        *(arrives("3", name="bo") for _ in range(4)), arrives("4", name="bo"), return_exceptions=True
    )
    assert {user.name for user in await people.all()} == {"ada", "bo"}
    assert any(isinstance(answer, User) for answer in at_once)
    assert all(isinstance(answer, (User, Conflict)) for answer in at_once), at_once
    assert await people.password_hash("bo") is None
    await people.remove("bo")
    assert await people.known(ISSUER, "3") is None


async def test_a_password_is_somebody_else_s_unless_it_is_said_not_to_be(store: Store) -> None:
    people = store.people
    await people.add("ada@example.com", role="operator", password_hash="x")

    async def arrives(subject: str, *, adopt: bool) -> User:
        return await people.arrive(ISSUER, subject, name="ada@example.com", role="viewer", adopt=adopt)

    with pytest.raises(Conflict, match="another user"):
        await arrives("1", adopt=False)
    assert (await arrives("1", adopt=True)).role == "viewer"
    assert await people.password_hash("ada@example.com") == "x"
    with pytest.raises(Conflict, match="another user"):
        await arrives("2", adopt=True)


async def test_who_is_deactivated_comes_in_by_no_way(store: Store) -> None:
    people = store.people
    await people.arrive(ISSUER, "1", name="ada", role="admin", adopt=False)
    with pytest.raises(Conflict, match="the only admin"):
        await people.change("ada", active=False)
    await people.add("bo", role="admin", password_hash="x")
    login = await people.log_in("ada")
    _, token = await people.make_token("ada", label="ci", role="viewer", days=1)
    assert (await people.change("ada", password_hash="y", active=False)).active is False
    with pytest.raises(Conflict, match="ada is deactivated"):
        await people.arrive(ISSUER, "1", name="ada", role="admin", adopt=False)
    assert await people.of_login(login) is None
    assert await people.of_login(await people.log_in("ada")) is None
    assert await people.of_token(token) is None
    assert await people.password_hash("ada") is None
    with pytest.raises(Conflict, match="the only admin"):
        await people.remove("bo")
    assert [(user.name, user.active, user.issuer) for user in await people.all()] == [
        ("ada", False, ISSUER),
        ("bo", True, None),
    ]
    assert (await people.change("ada", active=True)).issuer == ISSUER
    assert await people.of_token(token) is not None
    assert await people.of_login(login) is None


ALTERATIONS = {
    "a letter": ("UPDATE audit SET body = replace(body, 'eve', 'bob') WHERE number = 3", 2, "entry 3 was altered"),
    "a hash": ("UPDATE audit SET hash = 'x' WHERE number = 4", 3, "entry 4 was altered"),
    "one removed": ("DELETE FROM audit WHERE number = 2", 1, "entry 2 was removed"),
    "the first removed": ("DELETE FROM audit WHERE number = 1", 0, "entry 1 was removed"),
    "the last removed": ("DELETE FROM audit WHERE number = 5", 4, "the last ones were removed"),
    "all removed": ("DELETE FROM audit", 0, "the last ones were removed"),
    "two exchanged": (
        "UPDATE audit SET number = CASE number WHEN 2 THEN -3 WHEN 3 THEN -2 END WHERE number IN (2, 3);"
        "UPDATE audit SET number = -number WHERE number < 0",
        1,
        "entry 2 does not follow",
    ),
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
async def test_what_was_altered_or_removed_is_found(store: Store, alteration: str) -> None:
    for who in ("ada", "bo", "eve", "\x00\x1b[31m\u202e'", "ada"):
        await store.audit.add("POST /x", who=who, through="browser", address="::1", facts={"status": 200})
    whole = await store.audit.verify()
    assert (whole.entries, whole.problem) == (5, "")
    statements, entries, problem = ALTERATIONS[alteration]
    with pytest.raises((DBAPIError, StoreUnavailable), match="can only grow"):
        async with store._database.write() as session:
            await session.execute(text(statements.partition(";")[0]))
    async with store._database.write() as session:
        # Whoever owns the database can do that.
        for trigger in (
            ("audit_update", "audit_delete") if store._database.is_sqlite else ("audit_only_grows ON audit",)
        ):
            await session.execute(text(f"DROP TRIGGER {trigger}"))
        for statement in statements.split(";"):
            await session.execute(text(statement))
    found = await store.audit.verify()
    assert found.entries == entries
    assert problem in found.problem


async def test_many_writers_make_one_chain(store: Store, url: str, tmp_path: Path) -> None:
    async with await Store.open(url, home=tmp_path / "other") as other:
        await asyncio.gather(
            *(
                each.audit.add("x", who=f"{number}", through="browser", address="", facts={})
                for number in range(20)
                for each in (store, other)
            )
        )
    verdict = await store.audit.verify()
    assert (verdict.entries, verdict.problem) == (40, "")
    page = await store.audit.page(limit=3, before=40)
    assert [entry.number for entry in page] == [39, 38, 37]
    async with store._database.read() as session:
        assert await session.scalar(select(text("hash FROM audit WHERE number = 40"))) == verdict.hash


async def test_a_log_that_is_written_to_while_it_is_checked_is_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        await store.audit.add("POST /x", who="eve", through="browser", address="::1", facts={"status": number})
    read = store._database.read

    @asynccontextmanager
    async def interrupted() -> AsyncIterator[AsyncSession]:
        async with read() as session:
            seen = await session.scalar(select(func.count()).select_from(AuditRow))
            assert seen == 3
            await store.audit.add("POST /y", who="bob", through="browser", address="::1", facts={"status": 200})
            assert await session.scalar(select(func.count()).select_from(AuditRow)) == seen, "one state is seen"
            yield session

    monkeypatch.setattr(store._database, "read", interrupted)
    verdict = await store.audit.verify()
    assert (verdict.entries, verdict.problem) == (3, "")
