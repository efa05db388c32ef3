"""What is done when the same failures come back: somebody else with another approach, then the person, then the end."""

from typing import Literal

from macrohard.domain import Question, Specification

Recovery = Literal["go on", "another approach", "ask", "give up"]
RELEASE = "release what holds"
"""The answer that is taken if nobody gives one."""
SHOWN = 5
ANSWERED = "answered"
"""In the place of a question's id: it was asked, answered and acted on; a run asks only once."""


def recovery(repeats: int, *, asked: str, ask: bool) -> Recovery:
    """What comes next when the same failures have come back so many times in a row.

    `asked` is the id of the question that the run stopped at, if it did; `ask` says whether somebody can be asked.
    """
    if repeats == 0:
        return "go on"
    if repeats == 1:
        return "another approach"
    return "ask" if ask and not asked else "give up"


def question_about(specification: Specification, failures: list[str]) -> Question:
    """What the person is asked; they see what fails, and say how to go on."""
    titles = {criterion.id: criterion.text for criterion in specification.criteria}
    shown = [titles.get(failure.partition(":")[0], failure) for failure in failures]
    more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    numbers = [int(question.id.removeprefix("Q-")) for question in specification.questions]
    return Question(
        id=f"Q-{max(numbers, default=0) + 1}",
        text=f"Two agents could not bring this about: {'; '.join(shown[:SHOWN])}{more}. How shall it be done instead?",
        default=RELEASE,
    )


def is_instruction(answer: str) -> bool:
    """Whether the person wants another attempt."""
    return answer.strip().casefold() not in ("", RELEASE)
