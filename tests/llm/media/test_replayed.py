"""A replay of a run finds the pictures that the run had ordered, and orders none."""

from macrohard.llm.media import NotAvailable, Picture

from .conftest import Set
from .provider import image


async def test_another_run_with_the_same_orders_gets_the_picture_for_nothing(media: Set) -> None:
    media.provider.images.append(image())
    studio = media.studio()
    made = await studio.image("a bicycle", aspect="16:9", transparent=False, session_id="r-1/1/implement/T-1")
    await studio.close()
    assert isinstance(made, Picture)
    paid = await media.spent()

    replaying = media.studio(images=0)
    again = await replaying.image("a bicycle", aspect="16:9", transparent=False, session_id="r-2/1/implement/T-1")
    other = await replaying.image("a boat", aspect="16:9", transparent=False, session_id="r-2/1/implement/T-1")
    await replaying.close()
    assert isinstance(again, Picture)
    assert again.content == made.content
    assert isinstance(other, NotAvailable)
    assert await media.spent() == paid > 0
    assert media.provider.times("POST", "/v1/images/generations") == 1
