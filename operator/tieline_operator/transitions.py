"""Which Events follow when conditions change: only on transitions; a steady state is silent. Pure; for `plan`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from tieline_api.conditions import ConditionType, Reason

MAX_NOTE: Final = 1024
"""Characters that an Event's note admits."""
_EXPECTED: Final = frozenset({Reason.WAITING_FOR_ROUTERS, Reason.NOT_ACCEPTED, Reason.NOT_READY})
"""Reasons of status False that every edit passes through, or that only repeat another condition."""


@dataclass(frozen=True, slots=True)
class PlannedEvent:
    type: Literal["Normal", "Warning"]
    reason: str
    note: str


def events(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> tuple[PlannedEvent, ...]:
    """Events for the step from one list of conditions to the next.

    Warning when a condition becomes false or is false for another reason, and when fields begin to be ignored; Normal
    when `Ready` becomes true, or another condition after it was false.
    """
    old = {condition.get("type"): condition for condition in before}
    planned = []
    for condition in after:
        event = _event(old.get(condition["type"], {}), condition)
        if event is not None:
            planned.append(event)
    return tuple(planned)


def _event(old: Mapping[str, Any], new: Mapping[str, Any]) -> PlannedEvent | None:
    kind, status, reason = new["type"], new["status"], new["reason"]
    flipped = old.get("status") != status
    if kind == ConditionType.FIELDS_IGNORED:
        changed = flipped or old.get("message") != new["message"]
        return _planned("Warning", new) if changed else None
    if status == "False" and reason not in _EXPECTED:
        return _planned("Warning", new) if flipped or old.get("reason") != reason else None
    if status == "True" and flipped:
        recovered = old.get("status") == "False" and old.get("reason") not in _EXPECTED
        return _planned("Normal", new) if recovered or kind == ConditionType.READY else None
    return None


def _planned(kind: Literal["Normal", "Warning"], condition: Mapping[str, Any]) -> PlannedEvent:
    message = condition["message"] or f"{condition['type']} is {condition['status']}"
    return PlannedEvent(kind, condition["reason"], message[:MAX_NOTE])
