"""What the tests of the gateway share."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from macrohard.store import Store
from tests.llm.bureau import Bureau


@pytest.fixture
async def bureau(tmp_path: Path) -> AsyncIterator[Bureau]:
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(await Store.open(None, home=tmp_path))
        yield Bureau(store, stack)
