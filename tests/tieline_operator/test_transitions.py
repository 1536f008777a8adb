from typing import Any

import pytest
from tieline_operator.transitions import MAX_NOTE, events


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


READY = condition("Ready", "True", "Ready")
NOT_READY = condition("Ready", "False", "NotReady", "ResolvedRefs is False")
MISSING = condition("ResolvedRefs", "False", "PoolNotFound", "no pool a")
UNSERVED = condition("ResolvedRefs", "False", "ModelNotServed", "no model b")
RESOLVED = condition("ResolvedRefs", "True", "ResolvedRefs")
WAITING = condition("Programmed", "False", "WaitingForRouters", "1/2")
PROGRAMMED = condition("Programmed", "True", "Programmed", "2/2")
REFUSED = condition("Programmed", "False", "RejectedByRouter", "router a refused")
SEEDED = condition("ResolvedRefs", "Unknown", "Pending")
IGNORED = condition("FieldsIgnored", "True", "NotImplemented", "spec.hedging")
MORE_IGNORED = condition("FieldsIgnored", "True", "NotImplemented", "spec.hedging, spec.mirrors")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], [READY], [("Normal", "Ready")]),
        ([NOT_READY], [READY], [("Normal", "Ready")]),
        ([READY], [READY], []),
        ([READY], [NOT_READY], []),
        ([], [RESOLVED], []),
        ([SEEDED], [RESOLVED], []),
        ([SEEDED], [MISSING], [("Warning", "PoolNotFound")]),
        ([], [MISSING], [("Warning", "PoolNotFound")]),
        ([MISSING], [MISSING | {"message": "no pool c"}], []),
        ([MISSING], [UNSERVED], [("Warning", "ModelNotServed")]),
        ([MISSING], [RESOLVED], [("Normal", "ResolvedRefs")]),
        ([PROGRAMMED], [WAITING], []),
        ([WAITING], [PROGRAMMED], []),
        ([PROGRAMMED], [REFUSED], [("Warning", "RejectedByRouter")]),
        ([REFUSED], [PROGRAMMED], [("Normal", "Programmed")]),
        ([], [IGNORED], [("Warning", "NotImplemented")]),
        ([IGNORED], [IGNORED], []),
        ([IGNORED], [MORE_IGNORED], [("Warning", "NotImplemented")]),
        ([IGNORED], [], []),
    ],
)
def test_an_event_tells_of_a_transition_and_of_nothing_else(
    before: list[dict[str, Any]], after: list[dict[str, Any]], expected: list[tuple[str, str]]
) -> None:
    assert [(event.type, event.reason) for event in events(before, after)] == expected


def test_a_note_fits_into_an_event() -> None:
    (event,) = events([], [MISSING | {"message": "x" * 5000}])
    assert len(event.note) == MAX_NOTE


def test_a_note_is_never_empty() -> None:
    assert events([], [READY])[0].note == "Ready is True"
