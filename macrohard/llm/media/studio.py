"""The one object that all pictures and clips of a run are ordered from: availability, agreed numbers, money, orders."""

import asyncio
import hashlib
import math
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from macrohard.domain import Artifacts, JsonObject
from macrohard.events import Emit, ModelCalled
from macrohard.llm.budget import Ledger
from macrohard.llm.media.client import Broken, MediaClient, NotFetched, Said
from macrohard.llm.media.family import Family, Made, Progress, decoded, family_of, refusal
from macrohard.llm.media.magic import clip_type, picture_type
from macrohard.llm.media.orders import Order, Orders
from macrohard.llm.media.results import Aspect, Clip, NotAvailable, Picture, Refused
from macrohard.llm.media.target import MediaPlan, MediaTarget
from macrohard.llm.unbroken import unbroken

PICTURE_LIMIT_BYTES: Final = 20 << 20
CLIP_LIMIT_BYTES: Final = 64 << 20
CLIP_SECONDS_AT_MOST: Final = 600
"""How long a clip is waited for, from when it was ordered; the provider's own client does so, too."""
ASKED_AT_MOST: Final = 4
PROMPT_CHARACTERS: Final = 4000
_LATER = frozenset({429, 500, 502, 503, 504, 529})
_NOT_HERE = frozenset({400, 401, 403, 404, 405})


class Studio:
    """Pictures and clips for one run.

    A wish that was fulfilled before is not ordered again: the same words in the same session give the same file. What
    an endpoint turns out not to offer is remembered for as long as the studio lives.
    """

    def __init__(
        self,
        plan: MediaPlan,
        *,
        ledger: Ledger,
        orders: Orders,
        artifacts: Artifacts,
        emit: Emit,
        first_pause_seconds: float = 1.0,
    ) -> None:
        self._plan, self._ledger, self._orders, self._artifacts, self._emit = plan, ledger, orders, artifacts, emit
        self._pause_seconds = first_pause_seconds
        self._clients: dict[str, MediaClient] = {}
        self._listed: dict[str, frozenset[str] | None] = {}
        self._missing: dict[tuple[str, str], str] = {}
        self._counting = asyncio.Lock()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def close(self) -> None:
        """Let go of connections."""
        for client in self._clients.values():
            await client.close()

    async def image(
        self, prompt: str, *, aspect: Aspect, transparent: bool, session_id: str
    ) -> Picture | Refused | NotAvailable:
        """One picture.

        Raises:
            LimitExceeded: the run's budget does not allow the worst case of it.
        """
        target = self._plan.image
        if target is None:
            return NotAvailable(reason="no image endpoint is set ([media] image in the settings)")
        family, prompt = family_of(target.model), prompt[:PROMPT_CHARACTERS]
        key = _key("image", _within_run(session_id), prompt, aspect, str(transparent))
        async with self._turns[key]:
            order = await self._orders.find(key)
            if order is not None and order.is_over and (known := await self._picture_of(order)) is not None:
                return known
            if (reason := await self._why_not(target)) is not None:
                return NotAvailable(reason=reason)
            order = await self._begin(target, "image", key=key, session_id=session_id, allowed=self._plan.images)
            if order is None:
                return NotAvailable(reason=f"the {self._plan.images} pictures agreed for a product are used up")
            return await self._make_picture(target, family, order, prompt, aspect, transparent)

    async def video(
        self, prompt: str, *, seconds: int, aspect: Aspect, first_frame: bytes | None, session_id: str
    ) -> Clip | Refused | NotAvailable:
        """One clip; may take minutes. A run that is taken up again goes on waiting for what it ordered.

        Raises:
            LimitExceeded: as for `image`.
        """
        target = self._plan.video
        if target is None:
            return NotAvailable(reason="no video endpoint is set ([media] video in the settings)")
        family, prompt = family_of(target.model), prompt[:PROMPT_CHARACTERS]
        if not family.offers_video:
            return NotAvailable(reason=f"{target.model}: {target.endpoint.name} offers no videos that can be asked for")
        seconds = min(max(seconds, 1), self._plan.clip_seconds)
        frame = hashlib.sha256(first_frame).hexdigest() if first_frame is not None else ""
        key = _key("clip", _within_run(session_id), prompt, aspect, str(seconds), frame)
        async with self._turns[key]:
            order = await self._orders.find(key)
            if order is not None and order.state == "asked":
                # Whether it was taken is not known, and to ask again might be to pay again.
                worst = _clip_cost(target, order)
                return await self._failed(
                    target, order, "the process ended while it was being ordered", cost_usd=worst, exact=False
                )
            if order is not None and order.is_over and (known := await self._clip_of(order)) is not None:
                return known
            if (reason := await self._why_not(target)) is not None:
                return NotAvailable(reason=reason)
            if order is None or order.state != "pending":
                order = await self._begin(
                    target,
                    "clip",
                    key=key,
                    session_id=session_id,
                    allowed=self._plan.clips,
                    seconds=float(seconds),
                    with_first_frame=first_frame is not None,
                )
                if order is None:
                    return NotAvailable(reason=f"the {self._plan.clips} clips agreed for a product are used up")
                body = family.video_request(
                    target.model, prompt, seconds=seconds, aspect=aspect, first_frame=first_frame
                )
                ordered = await self._order_clip(target, family, order, body)
                if not isinstance(ordered, Order):
                    return ordered
                order = ordered
            return await self._await_clip(target, family, order)

    # --- pictures -------------------------------------------------------------------------------------------------

    async def _make_picture(
        self, target: MediaTarget, family: Family, order: Order, prompt: str, aspect: Aspect, transparent: bool
    ) -> Picture | Refused | NotAvailable:
        began = time.monotonic()
        request = family.image_request(target.model, prompt, aspect=aspect, transparent=transparent)
        said = await self._told(target, order, lambda client: client.post("/images/generations", request))
        if not isinstance(said, Said):
            return said
        made = family.image_answer(said.body)
        cost, exact = _picture_cost(target, made)
        if made.refused:
            billed = cost if made.cost_usd is not None or family.bills_refusals else 0.0
            return await self._refused(target, order, made.refused, cost_usd=billed, exact=exact)
        content: bytes | None = decoded(made.encoded) if made.encoded else None
        problem = "the answer holds no picture"
        if content is None and made.url:
            try:
                content = await self._client(target).download(made.url, limit_bytes=PICTURE_LIMIT_BYTES)
            except NotFetched as error:
                problem = str(error)
        if content is not None and len(content) > PICTURE_LIMIT_BYTES:
            content, problem = None, f"the picture is larger than {PICTURE_LIMIT_BYTES >> 20} MiB"
        media_type = picture_type(content) if content is not None else None
        if content is None or media_type is None:
            problem = problem if content is None else "what came is neither PNG, JPEG nor WebP"
            return await self._failed(target, order, problem, cost_usd=cost, exact=exact)
        digest = await self._artifacts.put(content, media_type=media_type)
        done = await self._end(
            order,
            state="done",
            digest=digest,
            revised_prompt=made.revised_prompt[:PROMPT_CHARACTERS],
            cost_usd=cost,
            exact=exact,
        )
        await self._tell(done, time.monotonic() - began)
        return await self._picture_of(done) or NotAvailable(reason="the picture could not be kept")

    async def _picture_of(self, order: Order) -> Picture | Refused | NotAvailable | None:
        """What came of an order; None if its file is gone."""
        if order.state != "done":
            return _other_end(order)
        try:
            content = await self._artifacts.get(order.digest)
        except KeyError:
            return None
        media_type = picture_type(content)
        assert media_type is not None, "only pictures are kept as done"
        return Picture(
            content=content,
            media_type=media_type,
            endpoint=order.endpoint,
            model=order.model,
            cost_usd=order.cost_usd,
            exact=order.exact,
            revised_prompt=order.revised_prompt,
        )

    # --- clips ----------------------------------------------------------------------------------------------------

    async def _order_clip(
        self, target: MediaTarget, family: Family, order: Order, body: JsonObject
    ) -> Order | Refused | NotAvailable:
        said = await self._told(target, order, lambda client: client.post("/videos/generations", body))
        if not isinstance(said, Said):
            return said
        number = said.body.get("request_id")
        if not isinstance(number, str) or not _is_number(number):
            worst = _clip_cost(target, order)
            return await self._failed(target, order, "the order has no request_id", cost_usd=worst, exact=False)
        pending = order.model_copy(update={"state": "pending", "request_id": number})
        await self._orders.keep(pending)
        return pending

    async def _await_clip(self, target: MediaTarget, family: Family, order: Order) -> Clip | Refused | NotAvailable:
        pause, began = self._pause_seconds, time.monotonic()
        while True:
            progress = await self._progress(target, family, order)
            if progress.state != "pending":
                break
            if (datetime.now(UTC) - order.asked_at).total_seconds() > CLIP_SECONDS_AT_MOST:
                progress = Progress(
                    state="failed", reason=f"it was not done after {CLIP_SECONDS_AT_MOST // 60} minutes"
                )
                break
            await asyncio.sleep(pause)
            pause = min(pause * 1.2, 5 * self._pause_seconds)
        cost = progress.cost_usd if progress.cost_usd is not None else _clip_cost(target, order)
        exact = progress.cost_usd is not None
        if progress.state == "refused":
            return await self._refused(target, order, progress.reason, cost_usd=cost, exact=exact)
        if progress.state == "failed":
            return await self._failed(target, order, progress.reason, cost_usd=cost, exact=exact)
        try:
            # At once, because the address is good for a day at most.
            content = await self._client(target).download(progress.url, limit_bytes=CLIP_LIMIT_BYTES)
        except NotFetched as error:
            return await self._failed(target, order, str(error), cost_usd=cost, exact=exact)
        media_type = clip_type(content)
        if media_type is None:
            return await self._failed(target, order, "what came is neither MP4 nor WebM", cost_usd=cost, exact=exact)
        digest = await self._artifacts.put(content, media_type=media_type)
        seconds = progress.seconds or order.seconds
        done = await self._end(order, state="done", digest=digest, cost_usd=cost, exact=exact, seconds=seconds)
        await self._tell(done, time.monotonic() - began)
        return await self._clip_of(done) or NotAvailable(reason="the clip could not be kept")

    async def _progress(self, target: MediaTarget, family: Family, order: Order) -> Progress:
        """How far it is; an endpoint that cannot say just now makes it pending for a while longer."""
        try:
            said = await self._client(target).get(f"/videos/{order.request_id}")
        except Broken:
            return Progress(state="pending")
        if said.status in _LATER:
            return Progress(state="pending")
        if said.status >= 300:
            if reason := refusal(said.status, said.body, said.text):
                return Progress(state="refused", reason=reason)
            return Progress(state="failed", reason=f"its state cannot be asked for: {said.status} {said.text[:200]}")
        return family.progress(said.status, said.body)

    async def _clip_of(self, order: Order) -> Clip | Refused | NotAvailable | None:
        if order.state != "done":
            return _other_end(order)
        try:
            content = await self._artifacts.get(order.digest)
        except KeyError:
            return None
        media_type = clip_type(content)
        assert media_type is not None, "only clips are kept as done"
        return Clip(
            content=content,
            media_type=media_type,
            seconds=order.seconds,
            endpoint=order.endpoint,
            model=order.model,
            cost_usd=order.cost_usd,
            exact=order.exact,
        )

    # --- orders and money -----------------------------------------------------------------------------------------

    async def _begin(
        self,
        target: MediaTarget,
        kind: str,
        *,
        key: str,
        session_id: str,
        allowed: int,
        seconds: float = 0.0,
        with_first_frame: bool = False,
    ) -> Order | None:
        """Reserve what it costs at worst and record the order; None if there were enough of its kind."""
        async with self._counting:
            orders = await self._orders.all()
            taken = sum(1 for order in orders if order.kind == kind and order.key != key and order.counts)
            if taken >= allowed:
                return None
            order = Order(
                key=key,
                kind="image" if kind == "image" else "clip",
                session_id=session_id,
                endpoint=target.endpoint.name,
                model=target.model,
                state="asked",
                asked_at=datetime.now(UTC),
                seconds=seconds,
                with_first_frame=with_first_frame,
            )
            worst = target.price.image if kind == "image" else _clip_cost(target, order)
            reservation = await self._ledger.reserve(session_id=session_id, worst_case_usd=worst, worst_case_tokens=0)
            order = order.model_copy(update={"reservation": reservation})
            await self._orders.keep(order)
        return order

    async def _end(self, order: Order, **changes: object) -> Order:
        """Settle and record how it ended; both are done even when we are cancelled between them."""
        ended = Order.model_validate({**order.model_dump(), **changes})

        async def settle_and_keep() -> None:
            await self._ledger.settle(ended.reservation, actual_usd=ended.cost_usd, actual_tokens=0)
            await self._orders.keep(ended)

        await unbroken(settle_and_keep())
        return ended

    async def _refused(
        self, target: MediaTarget, order: Order, reason: str, *, cost_usd: float, exact: bool
    ) -> Refused:
        ended = await self._end(order, state="refused", reason=reason, cost_usd=cost_usd, exact=exact)
        await self._tell(ended, 0.0)
        return Refused(reason=reason, endpoint=target.endpoint.name, model=target.model, cost_usd=cost_usd)

    async def _failed(
        self, target: MediaTarget, order: Order, reason: str, *, cost_usd: float, exact: bool
    ) -> NotAvailable:
        ended = await self._end(order, state="failed", reason=reason, cost_usd=cost_usd, exact=exact)
        await self._tell(ended, 0.0)
        return NotAvailable(reason=f"{target.model} at {target.endpoint.name}: {reason}")

    async def _tell(self, order: Order, seconds: float) -> None:
        if not order.cost_usd and order.state != "done":
            return
        await self._emit(
            ModelCalled(
                session_id=order.session_id,
                endpoint=order.endpoint,
                model=order.model,
                input_tokens=0,
                output_tokens=0,
                cost_usd=order.cost_usd,
                seconds=seconds,
            )
        )

    # --- the endpoint ---------------------------------------------------------------------------------------------

    async def _told(
        self, target: MediaTarget, order: Order, ask: Callable[[MediaClient], Awaitable[Said]]
    ) -> Said | Refused | NotAvailable:
        """An answer below 300, asked for again where it was not taken; else how the order ended."""
        worst = target.price.image if order.kind == "image" else _clip_cost(target, order)
        pause, said = self._pause_seconds, None
        for attempt in range(1, ASKED_AT_MOST + 1):
            try:
                said = await ask(self._client(target))
            except Broken as error:
                # What may have been taken may have been billed, and is not asked for again.
                if error.sent or attempt == ASKED_AT_MOST:
                    cost = worst if error.sent else 0.0
                    return await self._failed(target, order, str(error), cost_usd=cost, exact=False)
                said = None
            if said is not None and said.status not in _LATER:
                break
            asked_for = said.retry_after_seconds if said is not None else None
            if attempt < ASKED_AT_MOST:
                await asyncio.sleep(min(asked_for if asked_for is not None else pause * random.uniform(0.7, 1.3), 60))
            pause *= 2
        assert said is not None
        if said.status < 300:
            return said
        if reason := refusal(said.status, said.body, said.text):
            billed = worst if family_of(target.model).bills_refusals else 0.0
            return await self._refused(target, order, reason, cost_usd=billed, exact=False)
        reason = f"answered {said.status}: {' '.join(said.text.split())[:200]}"
        if said.status in _NOT_HERE:
            self._missing[target.endpoint.name, target.model] = f"{target.model} at {target.endpoint.name} {reason}"
        return await self._failed(target, order, reason, cost_usd=0.0, exact=True)

    async def _why_not(self, target: MediaTarget) -> str | None:
        """What is known against asking this endpoint for this model; its list of models is asked for once."""
        if (known := self._missing.get((target.endpoint.name, target.model))) is not None:
            return known
        name = target.endpoint.name
        async with self._counting:
            if name not in self._listed:
                self._listed[name] = await self._models(target)
        listed = self._listed[name]
        if listed is not None and target.model not in listed:
            makers = sorted(model for model in listed if "image" in model or "imagine" in model or "video" in model)
            offered = f"; of this kind it lists {', '.join(makers)}" if makers else ""
            return f"{name} does not list {target.model}{offered}"
        return None

    async def _models(self, target: MediaTarget) -> frozenset[str] | None:
        """Names and aliases of the models that the endpoint lists; None if it does not tell."""
        try:
            said = await self._client(target).get("/models")
        except Broken:
            return None
        data = said.body.get("data")
        if said.status != 200 or not isinstance(data, list):
            return None
        found: set[str] = set()
        for model in data:
            if isinstance(model, dict):
                aliases = model.get("aliases")
                found |= {str(model.get("id")), *(str(each) for each in (aliases if isinstance(aliases, list) else ()))}
        return frozenset(found)

    def _client(self, target: MediaTarget) -> MediaClient:
        return self._clients.setdefault(target.endpoint.name, MediaClient(target.endpoint))


def _other_end(order: Order) -> Refused | NotAvailable:
    if order.state == "refused":
        return Refused(reason=order.reason, endpoint=order.endpoint, model=order.model, cost_usd=order.cost_usd)
    return NotAvailable(reason=f"{order.model} at {order.endpoint}: {order.reason}")


def _picture_cost(target: MediaTarget, made: Made) -> tuple[float, bool]:
    """What a picture cost, and whether the provider says so."""
    if made.cost_usd is not None:
        return made.cost_usd, True
    counted = target.price.image_usd(input_tokens=made.input_tokens, output_tokens=made.output_tokens)
    return (target.price.image if counted is None else counted), False


def _clip_cost(target: MediaTarget, order: Order) -> float:
    return target.price.clip_usd(seconds=math.ceil(order.seconds), with_first_frame=order.with_first_frame)


def _within_run(session_id: str) -> str:
    """The session's name without the run's id: orders are kept by run, and a replay finds those of the original."""
    return session_id.partition("/")[2] or session_id


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def _is_number(text: str) -> bool:
    """Whether a provider's number may stand in an address."""
    return 0 < len(text) <= 200 and all(letter.isalnum() or letter in "-_.:" for letter in text) and ".." not in text
