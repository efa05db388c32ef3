"""Who is sent to what verification left."""

from typing import Any, cast

from macrohard.factory.verification import invite


async def test_nobody_is_sent_to_a_commit_that_they_had_before_them() -> None:
    # Nothing else is even looked at: what they found then is what triage takes.
    assert await invite({"base": "c0ffee", "noticed_at": "c0ffee"}, cast(Any, _Runtime())) == "triage"


class _Runtime:
    context = None
