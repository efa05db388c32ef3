"""The built-in model at a desk: analyst, designer, planner, scenario writer, manager."""

from collections.abc import Mapping

from pydantic import JsonValue

from macrohard.domain import Criterion, Design, JsonObject, Look, Plan, Scenario, ScenarioSet, Specification, Task
from macrohard.domain.scenario import ASSERTIONS
from macrohard.llm.builtin import tool, webapi
from macrohard.llm.builtin.acceptance import scenarios, written
from macrohard.llm.builtin.blueprint import Blueprint, Claim, Reading
from macrohard.llm.builtin.conversation import Call, Conversation, Turn, Unreadable
from macrohard.llm.builtin.kinds import of_its_kind
from macrohard.llm.builtin.understanding import read
from macrohard.llm.builtin.webapp import conventions, parts, screens

ACCENTS = ("#2563eb", "#0f766e", "#7c3aed", "#b45309", "#be123c", "#15803d", "#4338ca", "#a21caf")
"""All with a contrast of at least 4.5 to 1 against white."""


FEW_CRITERIA = 4
"""Of pages up to so many, and of other products always, the reader hands in design and plan as well."""


def analyst(conversation: Conversation) -> Turn:
    """Read the requirement into a specification."""
    return _finish(_specification(conversation).model_dump(mode="json"))


def reader(conversation: Conversation) -> Turn:
    """Read the requirement into a specification, and what is small into design and plan as well."""
    specification = _specification(conversation)
    report: JsonObject = {"specification": specification.model_dump(mode="json")}
    reading = _read(conversation.material)
    few = specification.kind != "web" or len(specification.criteria) <= FEW_CRITERIA
    if specification.decision == "build" and reading.blueprint and few:
        whole = Task(
            id="T-1",
            title=f"Build {specification.title}",
            agent="full-stack-coder",
            instructions="Write all files as the design says.",
            criteria=tuple(criterion.id for criterion in specification.criteria if criterion.covered),
            files=("./",),
        )
        report["design"] = design_of(reading.blueprint).model_dump(mode="json")
        report["plan"] = Plan(tasks=(whole,)).model_dump(mode="json")
    return _finish(report)


def _specification(conversation: Conversation) -> Specification:
    reading = _read(conversation.material)
    claims = reading.blueprint.claims if reading.blueprint else ()
    # What no scenario can be written for cannot be shown to hold: it is said now, not found out later.
    untested = {each.criterion: each.reason for each in written(reading.blueprint).missing} if reading.blueprint else {}
    return Specification(
        decision=reading.decision,
        reason=reading.reason,
        title=reading.title,
        summary=reading.summary,
        kind=reading.blueprint.kind if reading.blueprint else "web",
        stories=reading.stories,
        criteria=tuple(_criterion(f"AC-{number}", claim, untested) for number, claim in enumerate(claims, 1)),
        assumptions=reading.assumptions,
        questions=reading.questions,
        exclusions=reading.exclusions,
    )


def _criterion(criterion: str, claim: Claim, untested: Mapping[str, str]) -> Criterion:
    untold = f" (Built, but not checked: {untested[criterion]}.)" if criterion in untested else ""
    return Criterion(
        id=criterion,
        text=f"{claim.text}{untold}",
        priority=claim.priority,
        source=claim.source,
        covered=claim.kind != "not covered" and criterion not in untested,
    )


def designer(conversation: Conversation) -> Turn:
    """Lay down screens, data model and look."""
    if flaws := _list(conversation.material.get("contract_flaws")):
        return _finish({"answers": ["The design holds as it is." for _ in flaws]})
    reading = _read(conversation.material)
    if reading.blueprint is None:
        raise Unreadable("the material's requirement is one that the specification refuses")
    return _finish(design_of(reading.blueprint).model_dump(mode="json"))


def design_of(blueprint: Blueprint) -> Design:
    """Screens or routes, conventions and look; the blueprint is its data model."""
    accent = ACCENTS[sum(map(ord, blueprint.slug)) % len(ACCENTS)]
    kinds = ", ".join(record.plural.lower() for record in blueprint.records)
    if blueprint.kind == "api":
        return Design(
            summary=f"A service that lists, gives, adds and changes {kinds} in JSON over HTTP.",
            routes=webapi.routes(blueprint),
            conventions=webapi.conventions(),
            data_model={"blueprint": blueprint.model_dump(mode="json", exclude_defaults=True)},
        )
    if blueprint.kind == "cli":
        return Design(
            summary=f"A command-line tool that lists, shows, adds and changes {kinds}.",
            commands=tool.calls(blueprint),
            conventions=tool.conventions(),
            data_model={"blueprint": blueprint.model_dump(mode="json", exclude_defaults=True)},
        )
    return Design(
        summary=f"Pages that list, show, add and change {kinds}; every page works without a mouse and on a phone.",
        screens=screens(blueprint),
        conventions=conventions(blueprint),
        data_model={"blueprint": blueprint.model_dump(mode="json", exclude_defaults=True)},
        look=Look(accent=accent),
    )


def planner(conversation: Conversation) -> Turn:
    """Divide the product into parts that can be written at once."""
    blueprint = blueprint_of(conversation.material)
    tasks = []
    for number, part in enumerate(parts(blueprint), 1):
        tasks.append(
            Task(
                id=f"T-{number}",
                title=part.title,
                agent=part.agent,
                instructions=f"Write {', '.join(part.files)} as the design says.",
                criteria=tuple(f"AC-{index + 1}" for index in part.claims),
                files=part.files,
                depends_on=tuple(f"T-{earlier + 1}" for earlier in part.after),
            )
        )
    return _finish(Plan(tasks=tuple(tasks)).model_dump(mode="json"))


def scenario_writer(conversation: Conversation) -> Turn:
    """Write a scenario for every criterion that is covered; what somebody objects to is withdrawn."""
    if objections := _list(conversation.material.get("objections")):
        return _finish({"scenarios": [], "withdrawn": [_scenario(each).id for each in objections]})
    wanted = {c.id for c in Specification.model_validate(conversation.material["specification"]).criteria if c.covered}
    made = tuple(each for each in scenarios(blueprint_of(conversation.material)) if each.criterion in wanted)
    return _finish(ScenarioSet(scenarios=made).model_dump(mode="json"))


def scenario_reviewer(conversation: Conversation) -> Turn:
    """Object to scenarios that rules can see through: without an assertion, or of a criterion that is not there or that
    says something else than what was read by rules.
    """
    specification = Specification.model_validate(conversation.material["specification"])
    criteria = {criterion.id: criterion.text for criterion in specification.criteria}
    read = _read_by_rules(conversation.material)
    accepted: list[JsonValue] = []
    objections: list[JsonValue] = []
    for given in _list(conversation.material.get("scenarios")):
        scenario = _object(given)
        kinds = {_kind(step) for step in _list(scenario.get("steps"))}
        if not kinds & ASSERTIONS:
            objections.append(_objection(scenario, "cannot fail", "No step asserts anything."))
        elif scenario["criterion"] not in criteria:
            objections.append(_objection(scenario, "not its criterion", f"There is no {scenario['criterion']}."))
        elif (text := read.get(criterion := str(scenario["criterion"]))) not in (None, criteria[criterion]):
            reason = f"{criterion} was changed to what the built-in model cannot check; this only shows: {text}"
            objections.append(_objection(scenario, "not its criterion", reason))
        else:
            accepted.append(scenario["id"])
    return _finish({"accepted": accepted, "objections": objections})


def _read_by_rules(material: JsonObject) -> dict[str, str]:
    """What each criterion says that this model read; of other models' designs none."""
    try:
        claims = blueprint_of(material).claims
    except Unreadable:
        return {}
    return {f"AC-{number}": claim.text for number, claim in enumerate(claims, 1)}


def _kind(step: JsonValue) -> str:
    """What a step does, however it is told: as a line, or as an object."""
    return step.partition(" ")[0] if isinstance(step, str) else str(_object(step).get("do"))


def _objection(scenario: JsonObject, flaw: str, reason: str) -> JsonObject:
    return {"scenario": scenario["id"], "flaw": flaw, "reason": reason}


def _scenario(objection: JsonValue) -> Scenario:
    return Scenario.model_validate(objection["scenario"] if isinstance(objection, dict) else None)


def manager(conversation: Conversation) -> Turn:
    """One repair task over all of the product's files: whoever repairs must follow a failure wherever it leads."""
    problems = conversation.material.get("problems")
    files = [str(file) for file in _list(conversation.material.get("files"))]
    owned = tuple(dict.fromkeys(f"{file.partition('/')[0]}/" if "/" in file else file for file in files))
    titles: list[str] = []
    criteria: list[str] = []
    for problem in _list(problems):
        if isinstance(problem, dict):
            titles.append(str(problem.get("title")))
            if problem.get("criterion"):
                criteria.append(str(problem["criterion"]))
    task = Task(
        id="T-1",
        title=f"Repair {len(titles)} problem{'s' if len(titles) != 1 else ''}",
        agent="bug-fixer" if "bug-fixer" in _object(conversation.material.get("agents")) else "full-stack-coder",
        instructions="\n".join(f"- {title}" for title in titles),
        criteria=tuple(dict.fromkeys(criteria)),
        files=owned,
    )
    first = "; ".join(title.rstrip(".") for title in titles[:4])
    note = f"Repair what failed or was noticed: {first}{'; …' if len(titles) > 4 else ''}"
    return _finish({"tasks": [task.model_dump(mode="json")], "dismissed": [], "note": note})


def blueprint_of(material: JsonObject) -> Blueprint:
    """The blueprint in the design's data model.

    Raises:
        Unreadable: another model made the design.
    """
    design = material.get("design")
    model = design.get("data_model") if isinstance(design, dict) else None
    blueprint = model.get("blueprint") if isinstance(model, dict) else None
    if blueprint is None:
        raise Unreadable("the design holds no blueprint of the built-in model; use one model for a whole run")
    return Blueprint.model_validate(blueprint)


def look_of(material: JsonObject) -> Look:
    """The design's tokens."""
    design = material.get("design")
    return Look.model_validate(design["look"]) if isinstance(design, dict) and design.get("look") else Look()


def _read(material: JsonObject) -> Reading:
    answers = material.get("answers")
    given = {key: str(value) for key, value in answers.items()} if isinstance(answers, dict) else {}
    requirement = str(material.get("requirement", ""))
    return of_its_kind(read(requirement, given), requirement)


def _finish(report: JsonObject) -> Turn:
    return Turn(calls=(Call(name="finish", arguments=report),))


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
