"""An executable acceptance test of one criterion: steps as data, never code, hidden from coders."""

from typing import Annotated, Literal

from pydantic import Field

from macrohard.domain.value import Value


class _Step(Value):
    """Texts may hold placeholders: see `macrohard.product.placeholders`."""


class Open(_Step):
    """Go to a path of the product."""

    do: Literal["open"] = "open"
    path: str = Field(pattern=r"^/")


class Click(_Step):
    """Click the one element of this role and name."""

    do: Literal["click"] = "click"
    role: str
    name: str
    row: str | None = None
    """Only within the one table row, list item or article that contains this text."""


class Fill(_Step):
    """Replace the content of the field with this label; 2026-11-22, 09:30, 2026-11-22T09:30 for dates and times."""

    do: Literal["fill"] = "fill"
    name: str
    value: str


class Choose(_Step):
    """Choose the option with this text in the list with this label."""

    do: Literal["choose"] = "choose"
    name: str
    value: str


class Check(_Step):
    """Tick or untick the box with this label."""

    do: Literal["check"] = "check"
    name: str
    on: bool = True


class Press(_Step):
    """Press a key, e.g. Enter, Tab, Control+A."""

    do: Literal["press"] = "press"
    key: str


class Upload(_Step):
    """Choose a text file for the file field with this label."""

    do: Literal["upload"] = "upload"
    name: str
    filename: str
    content: str


class Reload(_Step):
    """Reload the page."""

    do: Literal["reload"] = "reload"


class Restart(_Step):
    """Stop the product, start it again on the same data, and reload the page."""

    do: Literal["restart"] = "restart"


class NewBrowser(_Step):
    """Close the browser and open another, as somebody else would: no cookies, nothing stored."""

    do: Literal["new_browser"] = "new_browser"


class Resize(_Step):
    """Give the window this size in CSS pixels."""

    do: Literal["resize"] = "resize"
    width: int = Field(ge=200, le=4000)
    height: int = Field(ge=200, le=4000)


class See(_Step):
    """The text is, or is not, visible on the page; in whole words and numbers, letter for letter."""

    do: Literal["see"] = "see"
    text: str
    present: bool = True
    row: str | None = None
    """Only within the table row, list item or article that contains this text."""


class SeeRow(_Step):
    """One table row, list item or article is visible, or none is, that contains all of these texts."""

    do: Literal["see_row"] = "see_row"
    texts: tuple[str, ...] = Field(min_length=1)
    present: bool = True


class SeeOrder(_Step):
    """The texts are visible in this order in the page's main content."""

    do: Literal["see_order"] = "see_order"
    texts: tuple[str, ...] = Field(min_length=2)


class SeeControl(_Step):
    """An element of this role and name is visible, or is not; a picture (role img) has loaded, too."""

    do: Literal["see_control"] = "see_control"
    role: str
    name: str
    present: bool = True
    row: str | None = None


class SeeValue(_Step):
    """The field with this label holds this value; for a list, the chosen option's text; for a box, "on" or "off"."""

    do: Literal["see_value"] = "see_value"
    name: str
    value: str


class SeeRows(_Step):
    """The table or list in the page's main content has exactly so many data rows."""

    do: Literal["see_rows"] = "see_rows"
    count: int = Field(ge=0)


class SeeFits(_Step):
    """Nothing on the page is wider than the window, so that nobody has to scroll sideways."""

    do: Literal["see_fits"] = "see_fits"


class Download(_Step):
    """Clicking the element downloads a file whose text contains all of these texts."""

    do: Literal["download"] = "download"
    role: str
    name: str
    texts: tuple[str, ...]
    absent: tuple[str, ...] = ()


Step = Annotated[
    Open | Click | Fill | Choose | Check | Press | Upload | Reload | Restart | NewBrowser | Resize
    | See | SeeRow | SeeOrder | SeeControl | SeeValue | SeeRows | SeeFits | Download,
    Field(discriminator="do"),
]  # fmt: skip

ASSERTIONS = frozenset({"see", "see_row", "see_order", "see_control", "see_value", "see_rows", "see_fits", "download"})


class Scenario(Value):
    """Each scenario starts with a fresh browser and a product that was just started with empty data."""

    id: str = Field(pattern=r"^S-[1-9][0-9]*$")
    criterion: str = Field(pattern=r"^AC-[1-9][0-9]*$")
    title: str
    """The behaviour in words, without the steps: this is what a coder is told when it fails."""
    driver: Literal["browser"] = "browser"
    steps: tuple[Step, ...] = Field(min_length=1)

    @property
    def asserts(self) -> bool:
        """Whether any step can fail for what the product shows."""
        return any(step.do in ASSERTIONS for step in self.steps)


class ScenarioSet(Value):
    """What the scenario writer hands in."""

    scenarios: tuple[Scenario, ...]
