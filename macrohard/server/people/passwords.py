"""Passwords: hashed by Argon2, a few at a time, and checked in the same time whether there is such a user or not."""

import asyncio
from functools import cache

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError

_AT_ONCE = asyncio.Semaphore(2)
"""Each takes 64 MB and a processor for a while."""


@cache
def _hasher() -> PasswordHash:
    return PasswordHash.recommended()


@cache
def _nobodys() -> str:
    return _hasher().hash("")


async def hashed(password: str) -> str:
    """What is kept of a password."""
    async with _AT_ONCE:
        return await asyncio.to_thread(_hasher().hash, password)


async def fits(password: str, kept: str | None) -> bool:
    """Whether it is the password of which this is kept; None: of nobody, which takes as long to find out."""
    async with _AT_ONCE:
        try:
            same = await asyncio.to_thread(lambda: _hasher().verify(password, kept or _nobodys()))
        except UnknownHashError:
            return False
    return same and kept is not None
