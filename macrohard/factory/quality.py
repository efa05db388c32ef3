"""Whether a product's own tests can fail: on lines broken on purpose, and without the change they were written for."""

from collections.abc import Mapping

from macrohard.domain import Verdict
from macrohard.domain.environment import NONE
from macrohard.domain.ground import Ground
from macrohard.errors import ToolError
from macrohard.factory.baseline import NAMED, results_in, run_tests
from macrohard.factory.context import FactoryContext
from macrohard.product.earlier import is_test
from macrohard.product.manifest import FILE
from macrohard.product.mutation import FILE_BYTES, Source, is_mutable, verify_test_quality

FILES = 60
"""Changed files of which lines are chosen; more are not looked at."""


async def quality_of_tests(
    context: FactoryContext, commit: str, tests: Verdict, *, environment: Mapping[str, str] = NONE
) -> tuple[Verdict, ...]:
    """What can be told about the own tests of a commit, which pass; none where nothing can.

    Lines are chosen from those that this run has written; the tests run with `environment`. Raises as
    `macrohard.product.verify` does.
    """
    first = await context.first_commit()
    changed = await context.repository.changed_files(first, commit)
    sources = await _sources(context, first, commit, changed)
    found = await verify_test_quality(
        context.sandboxes,
        bundle=await context.repository.bundle(commit),
        commit=commit,
        sources=sources,
        artifacts=context.artifacts,
        environment=environment,
    )
    verdicts = (found,) if found else ()
    if context.ground is not None and (
        new := await _new_tests(context, context.ground, commit, changed, tests, environment)
    ):
        verdicts = (*verdicts, new)
    return verdicts


async def _sources(context: FactoryContext, first: str, commit: str, changed: tuple[str, ...]) -> dict[str, Source]:
    there = set(await context.repository.files(commit))
    sources = {}
    for path in [path for path in changed if path in there and is_mutable(path)][:FILES]:
        try:
            content = await context.repository.read(commit, path, limit_bytes=FILE_BYTES)
            text = content.decode()
        except (ToolError, UnicodeDecodeError):
            # Too large, or no text: nobody wrote it as code.
            continue
        sources[path] = Source(text=text, lines=await context.repository.added_lines(first, commit, path))
    return sources


async def _new_tests(
    context: FactoryContext,
    ground: Ground,
    commit: str,
    changed: tuple[str, ...],
    tests: Verdict,
    environment: Mapping[str, str],
) -> Verdict | None:
    """Whether any test fails on the existing product as it was before; None if that cannot be told."""
    repository, before = context.repository, ground.commit
    code = [path for path in changed if not is_test(path) and path != FILE]
    if not any(is_mutable(path) for path in code):
        return None
    if not any(is_test(path) for path in changed):
        return await _verdict(context, commit, "failed", "no test was added or changed for it", "")
    there = set(await repository.files(before))
    old = {path: await repository.read(before, path) if path in there else None for path in code}
    without = await run_tests(context, commit, environment=environment, instead=old)
    if without.problem:
        return None
    output = (await context.artifacts.get(without.output)).decode(errors="replace")
    passing, _ = results_in((await context.artifacts.get(tests.evidence[0])).decode(errors="replace"))
    if passing:
        fail = sorted(set(passing) - set(without.passed))
        more = f" and {len(fail) - NAMED} more" if len(fail) > NAMED else ""
        named = f"{len(fail)} of {len(passing)} tests: {', '.join(fail[:NAMED])}{more}" if fail else ""
    elif ground.baseline.exit_code == 0:
        named = "some tests" if without.exit_code != 0 else ""
    else:
        # They failed before, too, and do not say which.
        return None
    if named:
        return await _verdict(context, commit, "passed", f"without the change these fail: {named}", output)
    said = "tests were added or changed, and all of them pass without the change, too"
    return await _verdict(context, commit, "failed", said, output)


async def _verdict(context: FactoryContext, commit: str, status: str, summary: str, log: str) -> Verdict:
    evidence = (await context.artifacts.put(log.encode(), media_type="text/plain"),) if log else ()
    return Verdict.model_validate(
        {
            "check": "new tests", "kind": "new tests", "commit": commit, "status": status, "summary": summary,
            "duration_seconds": 0.0, "evidence": evidence,
        }
    )  # fmt: skip
