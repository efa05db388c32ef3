"""Driving the product under construction: from its manifest to verdicts and friction logs."""

from macrohard.product.browser import View
from macrohard.product.checks import verify
from macrohard.product.drawing import Drawing, DrawingTable
from macrohard.product.easel import Artwork, Easel
from macrohard.product.film import Ending, Film, NoFilm, make_film
from macrohard.product.manifest import Manifest, read_manifest
from macrohard.product.placeholders import UnknownPlaceholder, check_placeholders, filled, repeated
from macrohard.product.preview import Preview, preview
from macrohard.product.reproduction import reproduce
from macrohard.product.scene import pattern_of
from macrohard.product.service import PORT, Service, checkout
from macrohard.product.svg import SvgRefused
from macrohard.product.usage import UserVisit, VisitRecord, open_visit

__all__ = [
    "PORT",
    "Artwork",
    "Drawing",
    "DrawingTable",
    "Easel",
    "Ending",
    "Film",
    "Manifest",
    "NoFilm",
    "Preview",
    "Service",
    "SvgRefused",
    "UnknownPlaceholder",
    "UserVisit",
    "View",
    "VisitRecord",
    "check_placeholders",
    "checkout",
    "filled",
    "make_film",
    "open_visit",
    "pattern_of",
    "preview",
    "read_manifest",
    "repeated",
    "reproduce",
    "verify",
]
