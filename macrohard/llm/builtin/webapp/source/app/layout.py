"""Writing HTML, and the frame around every page."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from .declarations import Product

_VOID = frozenset({"input", "link", "meta", "br", "hr"})


class Html(str):
    """Text that is HTML already; any other text is escaped where it is put into a page."""

    __slots__ = ()


@dataclass(frozen=True)
class Message:
    """Something to tell the person at the top of a page."""

    text: str
    is_problem: bool = False
    details: tuple[str, ...] = ()


def tag(element: str, /, *children: object, **attributes: str | int | bool | None) -> Html:
    """An element; `class_` and `aria_label` are written class and aria-label; None and False are left out."""
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if element in _VOID:
        return Html(f"<{element}{written}>")
    return Html(f"<{element}{written}>{join(children)}</{element}>")


def join(children: Iterable[object]) -> Html:
    """Several pieces of a page one after the other; None is nothing, text is escaped."""
    pieces = []
    for child in children:
        if isinstance(child, Html):
            pieces.append(child)
        elif isinstance(child, str):
            pieces.append(Html(escape(child)))
        elif isinstance(child, Iterable):
            pieces.append(join(child))
        elif child is not None:
            raise TypeError(f"{child!r} is no part of a page")
    return Html("".join(pieces))


def page(
    product: Product, heading: str, *content: object, here: str = "", message: Message | None = None, version: str = ""
) -> bytes:
    """A complete page; `here` is the address of the navigation's link that is current."""
    body = tag(
        "body",
        tag("a", "Skip to content", href="#content", class_="skip"),
        tag("header", tag("div", _brand(product), _navigation(product, here), class_="bar"), class_="top"),
        tag("main", _told(message), *content, id="content", tabindex="-1"),
        class_="with-overview" if product.has_overview else None,
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", heading if heading == product.title else f"{heading} · {product.title}"),
        tag("link", rel="icon", href=f"/static/icon.svg?{version}", type="image/svg+xml"),
        tag("link", rel="stylesheet", href=f"/static/style.css?{version}"),
        tag("script", src=f"/static/app.js?{version}", defer=True),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n".encode()


def _brand(product: Product) -> Html:
    initial = tag("span", product.title[:1].upper(), class_="mark", aria_hidden="true")
    return tag("div", initial, tag("span", product.title), class_="brand")


def _navigation(product: Product, here: str) -> Html:
    links = [("Overview", "/")] if product.has_overview else []
    links += [(record.plural, record.address) for record in product.records]
    views = [(view.label, view.address) for view in product.views]
    return tag(
        "nav",
        tag("ul", (_entry(text, address, here) for text, address in links)),
        tag("ul", (_entry(text, address, here) for text, address in views), class_="views") if views else None,
        aria_label="Main",
    )


def _entry(text: str, address: str, here: str) -> Html:
    return tag("li", tag("a", text, href=address, aria_current="page" if address == here else None))


def _told(message: Message | None) -> Html | None:
    if message is None:
        return None
    details = [tag("p", detail) for detail in message.details]
    if message.is_problem:
        return tag("div", tag("p", message.text), details, role="alert", class_="message problem", id="problems")
    return tag("div", tag("p", message.text), details, role="status", class_="message done")
