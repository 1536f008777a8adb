"""The CEL rules of the CRDs, evaluated as the API server does. Pure; the expressions come from the schema as they are.

The evaluator is the library `cel` (Rust). A test applies every rule to both it and a real API server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any, Final

import cel

from tieline_api.structural import Schema
from tieline_api.validation.problems import Path, Problem, show

_WORDS: Final = (
    "true false null in as break const continue else for function if import let loop package namespace return var void "
    "while"
)
_RESERVED: Final = frozenset(_WORDS.split(" "))
"""Words of CEL: a field of that name is `__name__` in a rule (Kubernetes' escaping)."""


def rule_problems(schema: Schema, value: Any, broken: set[Path], path: Path = ()) -> Iterator[Problem]:
    """A problem for each rule that a completed object breaks.

    `broken` are paths where a field is missing or of another type: rules about them or about what holds them are left
    out, because a rule relies on types.
    """
    for rule in schema.get("x-kubernetes-validations", []):
        if not any(other[: len(path)] == path for other in broken) and not _holds(rule["rule"], value):
            message, _, remedy = rule["message"].partition("; ")
            yield Problem(show(path) + rule.get("fieldPath", ""), "Rule", message, remedy)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from rule_problems(schema.get("items", {}), item, broken, (*path, index))
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if "additionalProperties" in schema:
                yield from rule_problems(schema["additionalProperties"], item, broken, (*path, f"[{name}]"))
            else:
                yield from rule_problems(schema.get("properties", {}).get(name, {}), item, broken, (*path, name))


def _holds(rule: str, value: Any) -> bool:
    return _text_holds(rule, value) if isinstance(value, str) else _evaluated(rule, value)


@lru_cache(maxsize=4096)
def _text_holds(rule: str, text: str) -> bool:
    """The same few strings (defaults above all) stand in most objects, and the library compiles an expression anew each
    time."""
    return _evaluated(rule, text)


def _evaluated(rule: str, value: Any) -> bool:
    try:
        return _program(rule).execute({"self": _escaped(value)}) is True
    except (LookupError, RuntimeError, TypeError, ValueError):
        return False  # The API server refuses an object whose rule cannot be evaluated.


@cache
def _program(rule: str) -> cel.Program:
    return cel.compile(rule)


def _escaped(value: Any) -> Any:
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    if isinstance(value, Mapping):
        return {f"__{key}__" if key in _RESERVED else key: _escaped(item) for key, item in value.items()}
    return value
