"""The API server's judgement of one object, without an API server: `tieline lint` says it before `kubectl` does. Pure.

    validate_object(raw)   every problem of an object of the three kinds
    completed_object(raw)  the object as the server would store it

Both read the very CustomResourceDefinitions that are installed, so that lint and server cannot differ about a rule; a
test applies every rule, enum and bound to both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tieline_api.names import API_VERSION
from tieline_api.schema import KINDS, root_schema
from tieline_api.validation.fields import completed, unknown_fields
from tieline_api.validation.metadata import metadata_problems
from tieline_api.validation.problems import Problem, ProblemKind
from tieline_api.validation.rules import rule_problems
from tieline_api.validation.shapes import shape_problems

__all__ = ["Problem", "ProblemKind", "completed_object", "validate_object"]


def validate_object(raw: Mapping[str, Any]) -> list[Problem]:
    """Every problem of one object; empty when the API server would create it.

    Raises:
        ValueError: `apiVersion` and `kind` do not name one of Tieline's kinds.
    """
    schema = _schema_of(raw)
    problems = [*metadata_problems(raw.get("metadata")), *unknown_fields(schema, {**raw, "metadata": {}})]
    complete = completed_object(raw)
    structural = list(shape_problems(schema, complete))
    problems += [problem for _, problem in structural]
    broken = {path for path, problem in structural if problem.kind in ("Required", "Type")}
    problems += rule_problems(schema, complete, broken)
    return problems


def completed_object(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A copy as the API server gives it back: no unknown fields, no nulls, all defaults, status as it is seeded.

    Raises:
        ValueError: `apiVersion` and `kind` do not name one of Tieline's kinds.
    """
    complete: dict[str, Any] = completed(_schema_of(raw), {**raw, "status": None})
    return complete


def _schema_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    kind, version = raw.get("kind"), raw.get("apiVersion")
    if kind not in KINDS or version != API_VERSION:
        known = ", ".join(KINDS)
        raise ValueError(f"{kind} of {version} is none of Tieline's kinds: {known} of {API_VERSION}")
    return root_schema(kind)
