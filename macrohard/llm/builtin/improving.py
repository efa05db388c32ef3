"""The built-in model goes on with a product of its own: the requirement is read again with the change behind it."""

from pydantic import JsonValue

from macrohard.domain import Criterion, JsonObject, Plan, Scenario, Specification, Task
from macrohard.llm.builtin.acceptance import written
from macrohard.llm.builtin.blueprint import Blueprint, Claim, Reading
from macrohard.llm.builtin.conversation import Call, Conversation, Turn, Unreadable
from macrohard.llm.builtin.kinds import of_its_kind
from macrohard.llm.builtin.office import design_of
from macrohard.llm.builtin.understanding import read


def change_analyst(conversation: Conversation) -> Turn:
    """What the change adds and replaces, with the design of the whole and one task; or a refusal, where it would lose
    something that was there.
    """
    material = conversation.material
    earlier = _object(material.get("earlier"))
    before, old = Specification.model_validate(earlier["specification"]), _blueprint(earlier)
    change = str(material.get("requirement", "")).strip()
    reading = _read_again(earlier, change, material)
    new = reading.blueprint
    if new is None or (lost := _lost(old, new)):
        gone = f": {', '.join(lost)} would be gone" if new is not None else ""
        return _refused(before, reading.reason or f"The built-in model cannot make this change of what it made{gone}")
    texts = {claim.text: claim for claim in new.claims}
    fresh = [claim for claim in new.claims if claim.text not in {one.text for one in old.claims}]
    if not any(claim.kind != "not covered" for claim in fresh):
        return _refused(before, "The built-in model sees nothing in this that it knows how to make")
    standing = tuple(texts.get(claim.text, claim) for claim in old.claims)
    superseded: list[JsonValue] = []
    kept = []
    for number, claim in enumerate(standing, 1):
        if claim.text in texts or claim.kind in ("not covered", "field"):
            kept.append(claim)  # What a record has besides does not contradict what it had.
            continue
        instead = next((one for one in fresh if _about(one) == _about(claim)), None)
        if instead is None:
            return _refused(before, f"The built-in model would lose AC-{number} by this change ({claim.text})")
        superseded.append({"criterion": f"AC-{number}", "reason": f"“{change}” From now on: {instead.text}"})
        kept.append(Claim(kind="not covered", text=claim.text, priority=claim.priority))
    whole = new.model_copy(update={"title": old.title, "slug": old.slug, "claims": (*kept, *fresh)})
    criteria = _criteria(whole, first=len(kept) + 1)
    task = Task(
        id="T-1",
        title=f"Change {before.title}",
        agent="full-stack-coder",
        instructions="Write all files as the design says.",
        criteria=tuple(criterion.id for criterion in criteria if criterion.covered),
        files=("./",),
    )
    return _finish(
        {
            "decision": "build",
            "title": before.title,
            "summary": reading.summary,
            "stories": [each for each in reading.stories if each not in before.stories],
            "criteria": [criterion.model_dump(mode="json") for criterion in criteria],
            "superseded": superseded,
            "assumptions": [each for each in reading.assumptions if each not in before.assumptions],
            "exclusions": [
                each.model_dump(mode="json") for each in reading.exclusions if each not in before.exclusions
            ],
            "design": design_of(whole).model_dump(mode="json"),
            "plan": Plan(tasks=(task,)).model_dump(mode="json"),
        }
    )


def scenario_keeper(conversation: Conversation) -> Turn:
    """Write the scenarios anew if records have to hold more than they had to; else all stay as they are."""
    material = conversation.material
    old, new = _blueprint({"design": material.get("earlier_design")}), _blueprint(material)
    given = material.get("scenarios")
    standing = [Scenario.model_validate(each) for each in (given if isinstance(given, list) else [])]
    if not _tightened(old, new):
        return _finish({"mended": []})
    anew = _by_place(written(new).scenarios)
    mended: list[JsonValue] = []
    for place, scenario in _by_place(standing).items():
        if place not in anew or anew[place].steps == scenario.steps:
            continue
        changed = anew[place].model_copy(update={"id": scenario.id})
        reason = "A record has to hold more than before, and this one was refused."
        mended.append({"scenario": changed.model_dump(mode="json"), "reason": reason})
    return _finish({"mended": mended})


def _read_again(earlier: JsonObject, change: str, material: JsonObject) -> Reading:
    requirements = earlier.get("requirements")
    text = "\n".join([*(str(each) for each in (requirements if isinstance(requirements, list) else [])), change])
    answers = {key: str(value) for key, value in _object(material.get("answers")).items()}
    return of_its_kind(read(text, answers), text)


def _lost(old: Blueprint, new: Blueprint) -> list[str]:
    """Fields of records that the new reading does not have, or has as something else."""
    there = {(record.name, field.name): field.type for record in new.records for field in record.fields}
    lost = [
        f"{field.label} of {record.plural.lower()}"
        for record in old.records
        for field in record.fields
        if there.get((record.name, field.name)) != field.type
    ]
    return lost if new.kind == old.kind else ["all of it"]


def _about(claim: Claim) -> tuple[str, str | None, str | None]:
    return claim.kind, claim.record, claim.field


def _criteria(whole: Blueprint, *, first: int) -> tuple[Criterion, ...]:
    untested = {each.criterion: each.reason for each in written(whole).missing}
    return tuple(
        Criterion(
            id=f"AC-{number}",
            text=f"{claim.text} (Built, but not checked: {untested[f'AC-{number}']}.)"
            if f"AC-{number}" in untested
            else claim.text,
            priority=claim.priority,
            source=claim.source,
            covered=claim.kind != "not covered" and f"AC-{number}" not in untested,
        )
        for number, claim in enumerate(whole.claims, 1)
        if number >= first
    )


def _tightened(old: Blueprint, new: Blueprint) -> bool:
    """Whether something is refused now that was accepted."""
    demanded = {(record.name, field.name) for record in old.records for field in record.fields if field.required}
    known = {record.name for record in old.records}
    more = [
        field.name
        for record in new.records
        for field in record.fields
        if record.name in known and field.required and (record.name, field.name) not in demanded
    ]
    return bool(more) or any(rule not in old.rules for rule in new.rules)


def _by_place(scenarios: tuple[Scenario, ...] | list[Scenario]) -> dict[tuple[str, int], Scenario]:
    """By criterion, and which of its scenarios it is."""
    found: dict[tuple[str, int], Scenario] = {}
    for scenario in scenarios:
        place = sum(1 for criterion, _ in found if criterion == scenario.criterion)
        found[scenario.criterion, place] = scenario
    return found


def _blueprint(holder: JsonObject) -> Blueprint:
    model = _object(_object(holder.get("design")).get("data_model"))
    if "blueprint" not in model:
        raise Unreadable("the design holds no blueprint of the built-in model; use one model for a whole run")
    return Blueprint.model_validate(model["blueprint"])


def _refused(before: Specification, reason: str) -> Turn:
    advice = (
        "Say it as the requirement was said, for example “also: price” or “Plants have a due date.”, or name a real "
        "model with --model."
    )
    return _finish({"decision": "refuse", "title": before.title, "reason": f"{reason.rstrip('.')}. {advice}"})


def _finish(report: JsonObject) -> Turn:
    return Turn(calls=(Call(name="finish", arguments=report),))


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}
