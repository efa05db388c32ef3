"""Who is told what happens, and whether it reached them."""

from typing import Annotated, get_args

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from macrohard.domain.webhook import Notice
from macrohard.server.access import Administrating
from macrohard.server.api import webhooks
from macrohard.server.forms import understood
from macrohard.server.pages.rendering import page
from macrohard.server.service import Serving

router = APIRouter(prefix="/webhooks")

DELIVERIES = 50


@router.get("")
async def show(request: Request, service: Serving, principal: Administrating) -> Response:
    """Every address with the latest deliveries."""
    return await _page(request, service, principal, made=None)


@router.post("")
async def add(
    request: Request,
    service: Serving,
    principal: Administrating,
    url: Annotated[str, Form(max_length=2000)],
    events: Annotated[tuple[Notice, ...], Form()] = (),
    run: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Tell one more address; its secret is on this page, and never again."""
    wanted = understood(webhooks.WebhookWanted, {"url": url, "events": events, "run": run.strip() or None})
    made = await webhooks.add_webhook(wanted, service, principal)
    return await _page(request, service, principal, made=made)


@router.post("/{webhook}/remove")
async def remove(webhook: str, service: Serving, principal: Administrating) -> Response:
    """Tell it nothing more."""
    await webhooks.remove_webhook(webhook, service, principal)
    return RedirectResponse("/webhooks", status_code=303)


@router.post("/deliveries/{delivery}/resend")
async def send_again(delivery: str, service: Serving, principal: Administrating) -> Response:
    """Once more, now."""
    await webhooks.send_again(delivery, service, principal)
    return RedirectResponse("/webhooks#deliveries", status_code=303)


async def _page(
    request: Request, service: Serving, principal: Administrating, *, made: webhooks.WebhookMade | None
) -> Response:
    told = await webhooks.list_webhooks(service, principal)
    return page(
        request, "webhooks.html.jinja", webhooks=told, made=made, notices=get_args(Notice),
        deliveries=await webhooks.list_deliveries(service, principal, None, DELIVERIES),
    )  # fmt: skip
