"""Telling other programs what happens, instead of having them ask."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field, HttpUrl

from macrohard.domain import Value
from macrohard.domain.webhook import Delivery, Notice, Webhook
from macrohard.server.access import Administrating
from macrohard.server.service import Serving

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

MAX_PAGE = 200


class WebhookWanted(Value):
    """An address, and what it wants to be told."""

    url: HttpUrl = Field(max_length=2000, examples=["https://example.com/hooks/macrohard"])
    events: tuple[Notice, ...] = Field(min_length=1, max_length=20, examples=[["run.waiting", "run.ended"]])
    run: str | None = None
    """Only of this run; null: of every run."""


class WebhookMade(Value):
    """An address that is told from now on."""

    webhook: Webhook
    secret: str
    """Shown this once. What is sent is signed: `Macrohard-Signature: t=SECONDS,v1=HMAC`, where HMAC is the hexadecimal
    HMAC-SHA256, with this secret as key, of SECONDS, a dot, and the body as it came."""


@router.post("", status_code=201)
async def add_webhook(wanted: WebhookWanted, service: Serving, principal: Administrating) -> WebhookMade:
    """Have an address told what happens: each notice at least once, in any order, with `id` as its own."""
    store = service.factory.store
    run_id = None if wanted.run is None else (await store.summary(wanted.run)).id
    webhook, secret = await store.webhooks.add(str(wanted.url), wanted.events, run_id=run_id, by=principal.name)
    return WebhookMade(webhook=webhook, secret=secret)


@router.get("")
async def list_webhooks(service: Serving, principal: Administrating) -> tuple[Webhook, ...]:
    """Every address that is told; secrets are never shown again."""
    return await service.factory.store.webhooks.all()


@router.delete("/{webhook}", status_code=204)
async def remove_webhook(webhook: str, service: Serving, principal: Administrating) -> Response:
    """Tell this address nothing more."""
    await service.factory.store.webhooks.remove(webhook)
    return Response(status_code=204)


@router.get("/deliveries")
async def list_deliveries(
    service: Serving,
    principal: Administrating,
    webhook: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> tuple[Delivery, ...]:
    """What was sent, or is to be, the latest first."""
    return await service.factory.store.webhooks.deliveries(limit=limit, webhook_id=webhook)


@router.post("/deliveries/{delivery}/resend", status_code=202)
async def send_again(delivery: str, service: Serving, principal: Administrating) -> Delivery:
    """Send it once more, now."""
    return await service.factory.store.webhooks.send_again(delivery)
