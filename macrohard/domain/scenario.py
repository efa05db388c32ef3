"""An executable acceptance test of one criterion: steps as data, never code, hidden from coders."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, model_validator

from macrohard.domain.environment import Environment
from macrohard.domain.value import JsonObject, Value

ColourScheme = Literal["light", "dark"] | None


class _Step(Value):
    """Texts may hold placeholders: see `macrohard.product.placeholders`; outside a browser other braces are braces."""

    @property
    def as_told(self) -> JsonObject:
        """The step without the fields that hold without being said; reading it back gives the same step."""
        fields = type(self).model_fields
        return {
            name: value
            for name, value in self.model_dump(mode="json").items()
            if name == "do"
            or fields[name].is_required()
            or getattr(self, name) != fields[name].get_default(call_default_factory=True)
        }


class Open(_Step):
    """Go to a path of the product."""

    do: Literal["open"] = "open"
    path: str = Field(pattern=r"^/")
    colour_scheme: ColourScheme = None
    """What the person has set for all pages, from now on; None: what it was, at first light."""


class Click(_Step):
    """Click the one element of this role and name.

    In a window narrower than 600 pixels what is held is held by a finger, else by the mouse.
    """

    do: Literal["click"] = "click"
    role: str
    name: str
    row: str | None = None
    """Only within the one table row, list item or article that contains this text."""
    button: Literal["left", "right"] = "left"
    hold_ms: int = Field(default=0, ge=0, le=5000)
    """How long it is held down before it is let go."""


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
    """Press a key, e.g. Enter, Tab, Control+A; `ArrowRight*7`: seven times."""

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
    environment: Environment | None = None
    """What it is started with this time, instead of the design's environment; None: with that."""


class Wait(_Step):
    """Let time pass, where the product is about time; every step waits for what the one before led to anyway."""

    do: Literal["wait"] = "wait"
    seconds: float = Field(gt=0, le=10)


class NewBrowser(_Step):
    """Close the browser and open another, as somebody else would: no cookies, nothing stored."""

    do: Literal["new_browser"] = "new_browser"


class Resize(_Step):
    """Give the window this size in CSS pixels."""

    do: Literal["resize"] = "resize"
    width: int = Field(ge=200, le=4000)
    height: int = Field(ge=200, le=4000)
    colour_scheme: ColourScheme = None


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


class SeeFocus(_Step):
    """The element of this role and name has the keyboard's focus."""

    do: Literal["see_focus"] = "see_focus"
    role: str
    name: str


class SeeFits(_Step):
    """Nothing on the page is wider than the window, so that nobody has to scroll sideways."""

    do: Literal["see_fits"] = "see_fits"


class Download(_Step):
    """Clicking the element downloads a file whose text contains all of these texts.

    Of a PDF the text is its words with one space between them; of a spreadsheet (XLSX) each row is a line, and its
    cells, as they were written (12.5, 2026-11-22 00:00:00), are apart by tabs.
    """

    do: Literal["download"] = "download"
    role: str
    name: str
    texts: tuple[str, ...]
    absent: tuple[str, ...] = ()


class Request(_Step):
    """Ask the product's service for something, as a program would; the answer is what the next steps look at.

    Redirects are not followed.
    """

    do: Literal["request"] = "request"
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = "GET"
    path: str = Field(pattern=r"^/")
    """With its query."""
    headers: dict[str, str] = Field(default_factory=dict)
    json_body: JsonValue = None
    """Sent as JSON; None: nothing is."""
    text_body: str | None = None
    """Sent as it is, with the Content-Type of `headers`; not together with `json_body`."""
    client: str = ""
    """Whose cookies are sent and kept; each name is a client of its own."""

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.json_body is not None and self.text_body is not None:
            raise ValueError("json_body or text_body, not both")
        return self


class Together(_Step):
    """Send requests at the same time, and see that the answers have these statuses, whichever has which.

    What comes next asks anew: of these answers none is the last.
    """

    do: Literal["together"] = "together"
    requests: tuple[Request, ...] = Field(min_length=2, max_length=20)
    statuses: tuple[int, ...]
    """One for each request, in any order: 201 and 409, where exactly one of two must succeed."""

    @property
    def as_told(self) -> JsonObject:
        """As of every step."""
        return {**super().as_told, "requests": [request.as_told for request in self.requests]}

    @model_validator(mode="after")
    def _one_status_each(self) -> Self:
        if len(self.statuses) != len(self.requests):
            raise ValueError(f"{len(self.requests)} requests and {len(self.statuses)} statuses: give one for each")
        return self


class SeeStatus(_Step):
    """The last answer has this status."""

    do: Literal["see_status"] = "see_status"
    status: int = Field(ge=100, le=599)


class SeeJson(_Step):
    """In the last answer's JSON, or in that of the last command's output, there is this place, and holds this.

    Of `value`, `count` and `type` at most one is given; with none of them, it may hold anything.
    """

    do: Literal["see_json"] = "see_json"
    at: str = ""
    """As in `items[0].name`; `items[name=Milk].price` is the one element whose `name` is "Milk"; empty: all of it."""
    value: JsonValue = None
    """Objects may hold more than is named here; lists and everything else must be equal."""
    count: int | None = Field(default=None, ge=0)
    """So many elements."""
    type: Literal["any", "text", "number", "boolean", "list", "object"] | None = None
    present: bool = True
    """False: there is no such place, or it holds something else."""

    @property
    def as_told(self) -> JsonObject:
        """As of every step; a null that has to be there is said."""
        wants_null = self.count is None and self.type is None
        return {**super().as_told, **({"value": self.value} if wants_null else {})}

    @model_validator(mode="before")
    @classmethod
    def _may_hold_anything(cls, data: Any) -> Any:
        # A null that was written is a value; one that is only the default is not.
        if isinstance(data, dict) and not {"value", "count", "type"} & set(data):
            return {**data, "type": "any"}
        return data

    @model_validator(mode="after")
    def _holds_one_thing(self) -> Self:
        given = [self.value is not None, self.count is not None, self.type is not None]
        if sum(given) > 1:
            raise ValueError("one of value, count and type, not several")
        return self


class SeeHeader(_Step):
    """The last answer has this header, and it contains this text."""

    do: Literal["see_header"] = "see_header"
    name: str
    text: str = ""
    present: bool = True


KeptName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Around = Annotated[str, Field(pattern=r"^([^*]*\*[^*]*)?$")]


class Keep(_Step):
    """Remember what is at a place of the JSON that `see_json` looks at; later texts have it as `{kept:NAME}`."""

    do: Literal["keep"] = "keep"
    name: KeptName
    at: str = ""
    """As in `see_json`; empty: all of the JSON."""
    header: str = ""
    """Of the last answer, and not its JSON: `Location`, where a redirect leads."""
    like: Around = ""
    """Of the header only what stands where this has `*`: "/orders/*" keeps 17 of /orders/17/edit?x=1; empty: all."""

    @model_validator(mode="after")
    def _from_one_place(self) -> Self:
        if self.header and self.at:
            raise ValueError("at or header, not both")
        if self.like and not self.header:
            raise ValueError("like is for a header; of JSON give the place by at")
        return self


class KeepAddress(_Step):
    """Remember the address of the page that is open, or a part of it; later texts have it as `{kept:NAME}`."""

    do: Literal["keep_address"] = "keep_address"
    name: KeptName
    like: Around = ""
    """Only what stands where this has `*`: "/orders/*" keeps 17 of /orders/17/edit?x=1; empty: path and query."""


class Run(_Step):
    """Run a command as a person would in the product's folder; its output is what the next steps look at."""

    do: Literal["run"] = "run"
    command: str
    input: str = ""
    """What it reads from its standard input, which then ends."""
    environment: dict[str, str] = Field(default_factory=dict)
    timeout_seconds: int = Field(default=30, ge=1, le=120)


class Converse(_Step):
    """Run a command in a terminal of 80 by 24, and type; what then stands there is what the next steps look at."""

    do: Literal["converse"] = "converse"
    command: str
    lines: tuple[str, ...] = ()
    """Each is typed with Return once the screen has come to rest; `<Up>`, `<Ctrl-C>` and the like are keys."""


class SeeExit(_Step):
    """The last command ended with this code; None: with any but 0."""

    do: Literal["see_exit"] = "see_exit"
    code: int | None = 0


class SeeOutput(_Step):
    """The last answer's body, or the last command's output, contains this text, or does not."""

    do: Literal["see_output"] = "see_output"
    text: str
    stream: Literal["any", "stdout", "stderr"] = "any"
    present: bool = True
    exactly: bool = False
    """Is this text, but for space at its ends."""


class PutFile(_Step):
    """Put a text file into the product's folder before what follows."""

    do: Literal["put_file"] = "put_file"
    path: str = Field(pattern=r"^[^/]")
    content: str


class SeeFile(_Step):
    """A file in the product's folder contains this text; or, with `present` false, does not, or is not there."""

    do: Literal["see_file"] = "see_file"
    path: str = Field(pattern=r"^[^/]")
    text: str = ""
    present: bool = True


BrowserStep = (
    Open | Click | Fill | Choose | Check | Press | Upload | Reload | NewBrowser | Resize
    | See | SeeRow | SeeOrder | SeeControl | SeeValue | SeeRows | SeeFocus | SeeFits | Download | KeepAddress
)  # fmt: skip
ServiceStep = Request | Together | SeeStatus | SeeJson | SeeHeader | Keep
TerminalStep = Run | Converse | SeeExit | SeeOutput | PutFile | SeeFile
Step = Annotated[BrowserStep | ServiceStep | TerminalStep | Restart | Wait, Field(discriminator="do")]

ASSERTIONS = frozenset(
    {"see", "see_row", "see_order", "see_control", "see_value", "see_rows", "see_focus", "see_fits", "download"}
    | {"together", "see_status", "see_json", "see_header", "see_exit", "see_output", "see_file"}
)


class Scenario(Value):
    """Each scenario starts with a product that was just started with empty data, and with fresh browsers and clients.

    Steps of a browser, of a program that asks the service, and of a terminal may follow each other in one scenario.
    """

    id: str = Field(pattern=r"^S-[1-9][0-9]*$")
    criterion: str = Field(pattern=r"^AC-[1-9][0-9]*$")
    title: str
    """The behaviour in words, without the steps: this is what a coder is told when it fails."""
    not_shown: str = ""
    """What of the criterion no step can show, so that this scenario leaves it open; empty: it shows all of it."""
    steps: tuple[Step, ...] = Field(min_length=1)

    @property
    def as_told(self) -> JsonObject:
        """For agents: of each step only what does not hold without being said; reading it back gives the same."""
        whole: JsonObject = self.model_dump(mode="json", exclude={"steps"})
        return {**whole, "steps": [step.as_told for step in self.steps]}

    @property
    def asserts(self) -> bool:
        """Whether any step can fail for what the product shows."""
        return any(step.do in ASSERTIONS for step in self.steps)

    @property
    def types(self) -> bool:
        """Whether somebody types commands or puts files down, and so changes more than the product's data."""
        return any(step.do in ("run", "converse", "put_file") for step in self.steps)


class HelperFile(Value):
    """A file that scenarios work with."""

    path: str = Field(pattern=r"^[^/]")
    content: str


class ScenarioSet(Value):
    """What the scenario writer hands in."""

    scenarios: tuple[Scenario, ...]
    files: tuple[HelperFile, ...] = ()
    """They lie in the product's folder at the beginning of each scenario that runs commands."""

    @property
    def laid_out(self) -> "ScenarioSet":
        """The same without files of its own: each scenario that runs commands puts them down first."""
        return ScenarioSet(scenarios=tuple(self.with_files(scenario) for scenario in self.scenarios))

    def with_files(self, scenario: Scenario) -> Scenario:
        """The scenario as it is run."""
        if not any(step.do in ("run", "converse") for step in scenario.steps):
            return scenario
        put = tuple(PutFile(path=file.path, content=file.content) for file in self.files)
        return scenario.model_copy(update={"steps": (*put, *scenario.steps)})
