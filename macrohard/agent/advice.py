"""What a session says to its agent of its own accord, and the entries that record it."""

from macrohard.agent.transcript import Entry, Note, Nudge


def go_on(*, cut_off_tokens: int) -> Entry:
    """The agent called no tool."""
    if cut_off_tokens:
        text = f"Your answer was cut off at {cut_off_tokens:,} tokens before it called a tool. Be brief and call one."
    else:
        text = "Go on with your tools. When your assignment is done, call finish with your report."
    return _said("goes on", text)


def another_approach(trouble: str) -> Entry:
    """The agent repeats itself."""
    return _said(
        "repeats",
        f"You go round in circles: {trouble}. More of the same will not help. Say in one sentence what you took for "
        "granted that may be wrong, look at something you have not looked at yet, and try another approach. "
        "If it cannot be done, call finish and say what is open and what you tried.",
    )


def taken_over(trouble: str) -> Entry:
    """From here on the role `strong` goes on."""
    entry = _said(
        "taken over",
        f"You take this session over from a model that got stuck: {trouble}. Do not rely on what it believed; look at "
        "the files as they are and take another approach.",
    )
    return entry.model_copy(update={"role": "strong"})


def near(nudge: Nudge, limit: str, *, left: float, allowed: float) -> Entry:
    """A limit is near."""
    shown = f"{left:.2f}" if nudge == "cost" else f"{left:.0f}"
    return _said(
        nudge,
        f"Of your limit of {allowed:g} {limit}, {shown} are left; then the session ends without your report. Begin "
        "nothing new: bring what is there to a state that works, and call finish; say there what is open.",
    )


def went_on(lost: str) -> Entry:
    """The process ended in between."""
    return _said("resumed", lost)


def from_person(note: Note) -> Entry:
    """Somebody wrote to the agent."""
    return _said(
        "person",
        f"A person who follows this run writes to you: {note.text.strip()}\nTake it into account from here on; where "
        "it contradicts your assignment, it counts. Go on with your work.",
    )


def _said(nudge: Nudge, text: str) -> Entry:
    return Entry(messages=({"role": "user", "content": text},), nudge=nudge)
