"""What people say while a run is at work: the next iteration is for it, and its answer says what was done."""

from collections.abc import Sequence
from dataclasses import dataclass

from macrohard.domain import Plan, Specification
from macrohard.domain.feedback import Feedback
from macrohard.events import FeedbackAnswered, FeedbackTaken, Specified
from macrohard.factory.context import FactoryContext
from macrohard.factory.problems import Problem
from macrohard.factory.state import State


@dataclass(frozen=True)
class Remarks:
    """What stands open at the end of an iteration."""

    done: Sequence[Feedback]
    """What the iteration was to see to, and its work is kept."""
    waiting: Sequence[Feedback]
    """What the next one is to see to."""
    fresh: bool
    """Whether nobody has tried one of those yet."""

    async def taken(self, context: FactoryContext, specification: Specification, *, iteration: int) -> Specification:
        """Have that iteration see to what waits; what a person said is a fact from now on, for all who come later."""
        if not self.waiting:
            return specification
        await context.emit(FeedbackTaken(ids=tuple(each.id for each in self.waiting), iteration=iteration))
        said = tuple(f"The person said of {each.place}: {each.text.strip()}" for each in self.waiting)
        known = specification.assumptions
        told = specification.model_copy(update={"assumptions": (*known, *(each for each in said if each not in known))})
        if told != specification:
            await context.emit(Specified(specification=told))
        return told

    async def answered_by(self, context: FactoryContext, state: State) -> None:
        """Say what became of what the iteration was to see to; whether it is right is the person's to judge."""
        if not self.done:
            return
        tasks = (await context.load(Plan, state["plan"])).tasks
        work = "; ".join(f"{task.title} ({task.agent})" for task in tasks)
        where = f"iteration {state['iteration']}"
        if state["base"] == state.get("good"):
            text = f"Nothing was changed for it in {where}; given to: {work}"
        else:
            text = f"Worked on in {where}, commit {state['base'][:10]}: {work}"
        ids = tuple(each.id for each in self.done)
        await context.emit(FeedbackAnswered(ids=ids, iteration=state["iteration"], text=text))


async def remarks_on(context: FactoryContext, iteration: int, *, kept: bool) -> Remarks:
    """What people said and nobody answered, as the end of this iteration finds it.

    What was handed to the next iteration once is what it gets, also when this is asked again after a crash.
    """
    said = await context.feedback()
    done = [each for each in said if kept and each.taken_in == iteration]
    handed = [each for each in said if each.taken_in == iteration + 1]
    waiting = handed or [each for each in said if each not in done]
    fresh = any(each.taken_in in (None, iteration + 1) for each in waiting)
    return Remarks(done=done, waiting=waiting, fresh=fresh)


async def is_new(context: FactoryContext) -> bool:
    """Whether something was said that nobody has looked at yet."""
    return any(each.taken_in is None for each in await context.feedback())


async def released_without(context: FactoryContext, state: State) -> None:
    """Say of all that is open why the product comes without it: after this nobody looks at it any more."""
    for each in await context.feedback():
        if each.taken_in is None:
            text = "Released without it: it was said when the product was put out. Improve the product to have it."
        else:
            why = state.get("ended") or "no further one followed"
            text = f"Released without it: what iteration {each.taken_in} made of it was not kept, and {why}."
        await context.emit(FeedbackAnswered(ids=(each.id,), iteration=state["iteration"], text=text))


def as_problem(feedback: Feedback) -> Problem:
    """What the person said, for who plans and does the work."""
    return Problem(
        id=feedback.id,
        kind="feedback",
        title=feedback.text if len(feedback.text) <= 100 else f"{feedback.text[:99]}…",
        detail=f"The person who ordered the product said of {feedback.place}: {feedback.text}",
        criterion=feedback.criterion or None,
        severity=4,
    )
