"""What a folder of manifests means: every problem with its place, and the evaluation that a router can be fed from.

The rules are not here: `tieline_api.validation` has the API server's, `tieline_operator.evaluate` the operator's. This
module only brings them together and finds the line of each problem. Called by lint, dev and explain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tieline_api.names import CONSUMER, MODEL_ROUTE, PLURALS, PROVIDER_POOL, Key
from tieline_api.names import key as object_key
from tieline_api.validation import validate_object
from tieline_operator.evaluate import evaluate
from tieline_operator.objects import MalformedObject
from tieline_operator.verdicts import Evaluation, Finding, Verdict
from tieline_operator.world import Options, World

from tieline_cli.folder import Folder, ObjectId, Source
from tieline_cli.problems import Problem, has_errors

STANDALONE: Final = Options(
    allow_insecure=True, allow_private=True, allow_cross_namespace=True, loopback_addresses=True
)
"""Without a cluster the author of the manifests is also the operator: what he writes is permitted."""


@dataclass(frozen=True, slots=True)
class Judgement:
    evaluation: Evaluation
    problems: tuple[Problem, ...]


def judge(folder: Folder, version_key: bytes, previous: Evaluation | None = None) -> Judgement:
    """Checks every object, evaluates the good ones together.

    `version_key`: random bytes of this process, which make versions of secrets that tell nothing about their values.
    """
    problems = list(folder.problems)
    good: list[Mapping[str, Any]] = []
    for identity, source in folder.sources.items():
        found = [*_object_problems(identity, source, version_key)]
        problems += found
        if not has_errors(found):
            good.append(source.object)
    world = World.from_objects(good, STANDALONE, version_key)
    evaluation = evaluate(world, previous)
    problems += _verdict_problems(evaluation, folder)
    return Judgement(evaluation, tuple(sorted(problems)))


def _object_problems(identity: ObjectId, source: Source, version_key: bytes) -> Iterator[Problem]:
    """What is wrong with one object, whatever stands beside it."""
    if identity.kind not in PLURALS:
        try:
            World.from_objects([source.object], STANDALONE, version_key)
        except MalformedObject as error:
            field, _, text = str(error).partition(": ")
            yield _problem(identity, source, field, text or field, "")
        return
    for found in validate_object(source.object):
        plain = source.manifest.place_of(path_of(found.path)).plain
        remedy = found.remedy
        if plain is not None and found.kind == "Type":
            remedy = f'write "{plain}": without quotes YAML reads it as something else than text'
        yield _problem(identity, source, found.path, found.message, remedy)


def _problem(identity: ObjectId, source: Source, field: str, message: str, remedy: str) -> Problem:
    line = source.manifest.line_of(path_of(field))
    return Problem(source.file, line, str(identity), field, "error", message, remedy)


def path_of(field: str) -> tuple[str | int, ...]:
    """`spec.models[0].name` as keys and indexes."""
    parts: list[str | int] = []
    for part in field.replace("[", ".[").split("."):
        if part.startswith("[") and part.endswith("]") and part[1:-1].isdigit():
            parts.append(int(part[1:-1]))
        elif part:
            parts.append(part)
    return tuple(parts)


def _verdict_problems(evaluation: Evaluation, folder: Folder) -> Iterator[Problem]:
    """What the objects say of one another: references, names, rights, and fields that have no effect yet."""
    verdicts: list[tuple[str, Key, Verdict]] = [
        *((PROVIDER_POOL, key, each.verdict) for key, each in evaluation.pools.items()),
        *((MODEL_ROUTE, key, each.verdict) for key, each in evaluation.routes.items()),
        *((CONSUMER, key, each.verdict) for key, each in evaluation.consumers.items()),
    ]
    by_key = {(identity.kind, object_key(identity.namespace, identity.name)): identity for identity in folder.sources}
    for broken in evaluation.invalid.values():
        identity = by_key[broken.id.kind, broken.id.key]
        field, _, text = broken.reason.partition(": ")
        yield _problem(identity, folder.sources[identity], field, text or field, "")
    for key, endpoints in evaluation.endpoints.items():
        if endpoints.problem is not None:
            identity = by_key[PROVIDER_POOL, key]
            # Only warnings: in a cluster the Service may come from elsewhere.
            for problem in _finding_problems(identity, folder.sources[identity], endpoints.problem):
                yield replace(problem, severity="warning")
    for kind, key, verdict in verdicts:
        identity = by_key[kind, key]
        source = folder.sources[identity]
        for finding in (verdict.accepted, verdict.resolved_refs):
            if not finding.holds:
                yield from _finding_problems(identity, source, finding)
        for path in verdict.ignored:
            line = source.manifest.line_of(path_of(path))
            message = "is accepted, but has no effect in this version"
            yield Problem(source.file, line, str(identity), path, "warning", message)


def _finding_problems(identity: ObjectId, source: Source, finding: Finding) -> Iterator[Problem]:
    """Each problem of a finding at its own line; a finding about no field stands at the object's spec."""
    if not finding.problems:
        yield _problem(identity, source, "spec", f"{finding.reason}: {finding.message}", "")
    for each in finding.problems:
        yield _problem(identity, source, each.path, f"{finding.reason}: {each.message}", each.remedy)
