"""Users of a team's service, the browsers that they let in, and the tokens of their programs."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from sqlalchemy import Select, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from macrohard.domain.people import ApiToken, Role, RoleName, User
from macrohard.domain.project import DEFAULT
from macrohard.errors import Conflict, NotFound, RequestError
from macrohard.store.database import Database
from macrohard.store.tables import IdentityRow, LoginRow, MemberRow, ProjectRow, TokenRow, UserRow

PREFIX = "mh_"
"""Of every API token, so that one which got into a repository is found there."""
LOGIN = timedelta(days=14)
USED = timedelta(minutes=1)
"""How exactly it is kept when a token was used: a write for every request would be too many."""


class Known(NamedTuple):
    """Somebody who showed what lets them in."""

    user: User
    projects: Mapping[str, Role] | None
    """What they may do in each project that they see; None: everything in all of them."""
    token: ApiToken | None
    """What they showed; None: a cookie."""


class People:
    """All users; names are unique, and there is always an admin where there was one.

    Cookies and tokens are random words of 256 bits, of which only the SHA-256 is kept: there is nothing to guess, so
    a slow hash would only be slow.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, name: str, *, role: RoleName, password_hash: str | None) -> User:
        """Add a user, who is a member of the project "default" with this role.

        Raises:
            Conflict: the name is taken.
        """
        row = _new(name, role=role, password_hash=password_hash)
        try:
            async with self._database.write() as session:
                session.add(row)
                await session.flush()
                session.add(MemberRow(project=DEFAULT, user=name, role=role))
        except IntegrityError as error:
            raise Conflict(f"there is a user {name!r} already") from error
        return _user(row, None)

    async def known(self, issuer: str, subject: str) -> User | None:
        """Whom the issuer knows by this subject; None: somebody who was not here yet."""
        wanted = _users().where(IdentityRow.issuer == issuer, IdentityRow.subject == subject)
        async with self._database.read() as session:
            found = (await session.execute(wanted)).one_or_none()
        return None if found is None else _user(found[0], found[1])

    async def arrive(self, issuer: str, subject: str, *, name: str, role: RoleName, adopt: bool) -> User:
        """Somebody came whom the issuer knows by this subject; from now on they have this role, the only admin too.

        Who was not here yet is made, as `name`, and is a member of the project "default"; with `adopt` they are the
        user who has this name and a password, and whom no issuer knows. Who was here keeps the name.

        Raises:
            Conflict: they are deactivated; or they were not here yet, and the name is taken.
        """
        try:
            async with self._database.write() as session:
                identity = await session.get(IdentityRow, (issuer, subject))
                if identity is None:
                    await _meet(session, issuer, subject, name=name, role=role, adopt=adopt)
                row = await _locked(session, name if identity is None else identity.user)
                if row.deactivated_at is not None:
                    raise Conflict(f"{row.name} is deactivated; only an admin of this service can change that")
                await _give(session, row, role)
        except IntegrityError as error:
            raise Conflict(f"somebody who is called {name} came at the same time; log in again") from error
        return _user(row, issuer)

    async def all(self) -> tuple[User, ...]:
        """Every user, by name."""
        async with self._database.read() as session:
            return tuple(_user(found[0], found[1]) for found in await session.execute(_users().order_by(UserRow.name)))

    async def password_hash(self, name: str) -> str | None:
        """What a password of the user is checked against; None: they have none, or nobody of this name is let in."""
        wanted = select(UserRow.password).where(UserRow.name == name, UserRow.deactivated_at.is_(None))
        async with self._database.read() as session:
            return await session.scalar(wanted)

    async def change(
        self,
        name: str,
        *,
        role: RoleName | None = None,
        password_hash: str | None = None,
        active: bool | None = None,
    ) -> User:
        """Give a user another role or password, or say whether they are let in; their browsers must log in again.

        The role is theirs in the project "default", too, if they are a member of it; "admin" is one everywhere.

        Raises:
            NotFound: there is no such user.
            Conflict: there would be no admin left.
        """
        async with self._database.write() as session:
            if role not in (None, "admin") or active is False:
                await _keep_an_admin(session, name)
            row = await _locked(session, name)
            if role is not None:
                await _give(session, row, role)
            if password_hash is not None:
                row.password = password_hash
            if active is not None:
                row.deactivated_at = None if active else datetime.now(UTC)
            await session.execute(delete(LoginRow).where(LoginRow.user == name))
            issuer = await session.scalar(select(IdentityRow.issuer).where(IdentityRow.user == name))
        return _user(row, issuer)

    async def remove(self, name: str) -> None:
        """Remove a user with all that lets them in.

        Raises:
            NotFound: there is no such user.
            Conflict: there would be no admin left.
        """
        async with self._database.write() as session:
            await _keep_an_admin(session, name)
            row = await _locked(session, name)
            await session.execute(delete(LoginRow).where(LoginRow.user == name))
            await session.execute(delete(TokenRow).where(TokenRow.user == name))
            await session.execute(delete(MemberRow).where(MemberRow.user == name))
            await session.execute(delete(IdentityRow).where(IdentityRow.user == name))
            await session.delete(row)

    async def log_in(self, name: str, *, lasting: timedelta = LOGIN) -> str:
        """Let a browser of the user in; gives the word that it is known by."""
        word, now = secrets.token_urlsafe(32), datetime.now(UTC)
        async with self._database.write() as session:
            await session.execute(delete(LoginRow).where(LoginRow.expires_at < now))
            session.add(LoginRow(hash=_hash(word), user=name, created_at=now, expires_at=now + lasting))
        return word

    async def log_out(self, word: str) -> None:
        """Forget the browser."""
        async with self._database.write() as session:
            await session.execute(delete(LoginRow).where(LoginRow.hash == _hash(word)))

    async def of_login(self, word: str) -> Known | None:
        """Whose browser it is; None: nobody's, or no longer."""
        wanted = (
            _users()
            .join(LoginRow, LoginRow.user == UserRow.name)
            .where(LoginRow.hash == _hash(word), LoginRow.expires_at > datetime.now(UTC))
            .where(UserRow.deactivated_at.is_(None))
        )
        async with self._database.read() as session:
            found = (await session.execute(wanted)).one_or_none()
            return None if found is None else Known(_user(found[0], found[1]), await _projects(session, found[0]), None)

    async def make_token(
        self,
        user: str,
        *,
        label: str,
        role: RoleName,
        days: int,
        project: str | None = None,
        until: datetime | None = None,
    ) -> tuple[ApiToken, str]:
        """A token with what it is known by and the token itself, which nobody can be told again.

        It is good for so many days, but not behind `until`; for this project only, if one is named.

        Raises:
            NotFound: there is no such user, or no such project.
            RequestError: the role is more than the user's.
        """
        word, now = PREFIX + secrets.token_urlsafe(32), datetime.now(UTC)
        expires_at = now + timedelta(days=days)
        async with self._database.write() as session:
            owner = await _locked(session, user)
            if project is not None and await session.get(ProjectRow, project, with_for_update=True) is None:
                raise NotFound(f"there is no project {project!r}")
            mine = await _projects(session, owner)
            has = Role.ADMIN if mine is None else max(mine.values(), default=Role.VIEWER)
            if mine is not None and project is not None:
                has = mine.get(project, Role.VIEWER)
            if Role.named(role) > has:
                raise RequestError(f"the role {role} is more than {user} may do, who is {has.name.lower()}")
            row = TokenRow(
                id=f"t-{secrets.token_hex(4)}", hash=_hash(word), user=user, label=label, role=role, created_at=now,
                expires_at=min(expires_at, until or expires_at), used_at=None, project=project,
            )  # fmt: skip
            session.add(row)
        return _token(row), word

    async def tokens(self, user: str) -> tuple[ApiToken, ...]:
        """The user's tokens, the latest first."""
        wanted = select(TokenRow).where(TokenRow.user == user).order_by(TokenRow.created_at.desc(), TokenRow.id)
        async with self._database.read() as session:
            return tuple(_token(row) for row in await session.scalars(wanted))

    async def drop_token(self, user: str, token_id: str) -> None:
        """Make a token of the user good for nothing.

        Raises:
            NotFound: they have no such token.
        """
        async with self._database.write() as session:
            row = await session.get(TokenRow, token_id)
            if row is None or row.user != user:
                raise NotFound(f"{user} has no token {token_id!r}")
            await session.delete(row)

    async def of_token(self, word: str) -> Known | None:
        """Whose token it is; None: nobody's, or it is no longer good."""
        now = datetime.now(UTC)
        wanted = (
            _users()
            .add_columns(TokenRow)
            .join(TokenRow, TokenRow.user == UserRow.name)
            .where(TokenRow.hash == _hash(word), TokenRow.expires_at > now, UserRow.deactivated_at.is_(None))
        )
        async with self._database.read() as session:
            found = (await session.execute(wanted)).one_or_none()
            if found is None:
                return None
            user, issuer, token = found
            known = Known(_user(user, issuer), await _projects(session, user), _token(token))
        if token.used_at is None or token.used_at < now - USED:
            async with self._database.write() as session:
                await session.execute(update(TokenRow).where(TokenRow.id == token.id).values(used_at=now))
        return known


async def _projects(session: AsyncSession, user: UserRow) -> dict[str, Role] | None:
    if user.role == "admin":
        return None
    mine = await session.scalars(select(MemberRow).where(MemberRow.user == user.name))
    return {row.project: Role.named(row.role) for row in mine}


def _users() -> Select[UserRow, str]:
    """Every user, with who says who they are."""
    return select(UserRow, IdentityRow.issuer).outerjoin(IdentityRow, IdentityRow.user == UserRow.name)


def _new(name: str, *, role: RoleName, password_hash: str | None) -> UserRow:
    return UserRow(name=name, role=role, password=password_hash, created_at=datetime.now(UTC), deactivated_at=None)


async def _give(session: AsyncSession, user: UserRow, role: RoleName) -> None:
    """The role, in the project "default" too, if they are a member of it."""
    user.role = role
    in_default = (MemberRow.project == DEFAULT, MemberRow.user == user.name)
    await session.execute(update(MemberRow).where(*in_default).values(role=role))


async def _meet(session: AsyncSession, issuer: str, subject: str, *, name: str, role: RoleName, adopt: bool) -> None:
    there = await session.get(UserRow, name, with_for_update=True)
    if there is None:
        session.add(_new(name, role=role, password_hash=None))
        await session.flush()
        session.add(MemberRow(project=DEFAULT, user=name, role=role))
    else:
        other = await session.scalar(select(IdentityRow.subject).where(IdentityRow.user == name))
        if not adopt or there.password is None or other is not None:
            raise Conflict(
                f"there is another user called {name} here; an admin of this service has to remove that one before"
            )
    session.add(IdentityRow(issuer=issuer, subject=subject, user=name, created_at=datetime.now(UTC)))
    await session.flush()


async def _locked(session: AsyncSession, name: str) -> UserRow:
    row = await session.get(UserRow, name, with_for_update=True)
    if row is None:
        raise NotFound(f"there is no user {name!r}")
    return row


async def _keep_an_admin(session: AsyncSession, name: str) -> None:
    # All admins in one order, before anything else is held: two who remove each other take turns.
    admins = select(UserRow.name).where(UserRow.role == "admin", UserRow.deactivated_at.is_(None))
    admins = admins.order_by(UserRow.name).with_for_update()
    if (await session.scalars(admins)).all() == [name]:
        raise Conflict(f"{name} is the only admin; make somebody else one before")


def _hash(word: str) -> str:
    return sha256(word.encode()).hexdigest()


def _user(row: UserRow, issuer: str | None) -> User:
    return User.model_validate(
        {
            "name": row.name, "role": row.role, "created_at": row.created_at,
            "active": row.deactivated_at is None, "issuer": issuer,
        }
    )  # fmt: skip


def _token(row: TokenRow) -> ApiToken:
    return ApiToken.model_validate(
        {
            "id": row.id, "user": row.user, "label": row.label, "role": row.role,
            "created_at": row.created_at, "expires_at": row.expires_at, "used_at": row.used_at,
            "project": row.project,
        }
    )  # fmt: skip
