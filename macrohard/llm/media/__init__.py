"""Generated pictures and clips: one interface over the providers, with their refusals as results and a budget."""

from macrohard.llm.media.magic import ENDINGS, Kind, kind_of
from macrohard.llm.media.orders import FolderOrders, Order, Orders
from macrohard.llm.media.price import KNOWN_MEDIA_PRICES, MediaPrice
from macrohard.llm.media.results import Aspect, Clip, NotAvailable, Picture, Refused
from macrohard.llm.media.target import MediaPlan, MediaSettings, MediaTarget

__all__ = [
    "ENDINGS",
    "KNOWN_MEDIA_PRICES",
    "Aspect",
    "Clip",
    "FolderOrders",
    "Kind",
    "MediaPlan",
    "MediaPrice",
    "MediaSettings",
    "MediaTarget",
    "NotAvailable",
    "Order",
    "Orders",
    "Picture",
    "Refused",
    "kind_of",
]
