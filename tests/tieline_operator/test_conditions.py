from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_api.conditions import ALWAYS_WRITTEN, READY_PARTS, ConditionType, Reason
from tieline_api.names import CONSUMER, MODEL_ROUTE, PROVIDER_POOL
from tieline_api.v1alpha1.meta import Condition
from tieline_operator.conditions import MAX_MESSAGE, bounded, conditions, ready
from tieline_operator.verdicts import Finding, Truth

NOW = datetime(2026, 5, 1, 12, 0, 0, 999_999, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
YES, NO, OPEN = (
    Finding("True", Reason.ACCEPTED),
    Finding("False", Reason.INVALID, "why"),
    Finding("Unknown", Reason.PENDING),
)


def all_of(kind: str, finding: Finding = YES) -> dict[ConditionType, Finding]:
    return {part: finding for part in ALWAYS_WRITTEN[kind] if part != ConditionType.READY}


def written(
    findings: dict[ConditionType, Finding], previous: list[dict[str, Any]], now: datetime
) -> list[dict[str, Any]]:
    return conditions(MODEL_ROUTE, findings, 3, previous, now)


@pytest.mark.parametrize("kind", [MODEL_ROUTE, PROVIDER_POOL, CONSUMER])
def test_every_type_that_is_always_written_is_written_in_order(kind: str) -> None:
    found = conditions(kind, all_of(kind), 1, [], NOW)
    assert [item["type"] for item in found] == list(ALWAYS_WRITTEN[kind])


def test_ignored_fields_stand_before_ready_and_only_when_there_are_any() -> None:
    findings = all_of(MODEL_ROUTE) | {ConditionType.FIELDS_IGNORED: Finding("True", Reason.NOT_IMPLEMENTED, "spec.x")}
    assert [item["type"] for item in written(findings, [], NOW)][-2:] == ["FieldsIgnored", "Ready"]


def test_each_condition_has_the_form_of_the_api() -> None:
    for item in written(all_of(MODEL_ROUTE, NO), [], NOW):
        assert Condition.model_validate(item).to_wire() == item
        assert item["lastTransitionTime"] == "2026-05-01T12:00:00Z"
        assert item["observedGeneration"] == 3


def test_the_time_of_transition_moves_only_when_the_status_flips() -> None:
    first = written(all_of(MODEL_ROUTE, YES), [], NOW)
    same = written(all_of(MODEL_ROUTE, Finding("True", Reason.HEALTHY, "other words")), first, LATER)
    assert {item["lastTransitionTime"] for item in same} == {"2026-05-01T12:00:00Z"}
    flipped = written(all_of(MODEL_ROUTE, NO), same, LATER)
    assert {item["lastTransitionTime"] for item in flipped} == {"2026-05-01T13:00:00Z"}


def test_a_seeded_condition_is_no_beginning() -> None:
    seeded = [
        {"type": "Accepted", "status": "Unknown", "reason": "Pending", "lastTransitionTime": "1970-01-01T00:00:00Z"}
    ]
    unknown = Finding("Unknown", Reason.NOT_OBSERVED)
    (accepted, *_) = written(all_of(MODEL_ROUTE, unknown), seeded, NOW)
    assert accepted["lastTransitionTime"] == "2026-05-01T12:00:00Z"


def test_a_message_never_outgrows_the_api() -> None:
    long = "x" * (MAX_MESSAGE + 1)
    assert len(bounded(long)) == MAX_MESSAGE
    assert bounded(long).endswith("(shortened)")
    assert bounded("x" * MAX_MESSAGE) == "x" * MAX_MESSAGE
    findings = all_of(MODEL_ROUTE, Finding("False", Reason.INVALID, long))
    assert all(len(item["message"]) <= MAX_MESSAGE for item in written(findings, [], NOW))


statuses = st.sampled_from(["True", "False", "Unknown"])


@given(st.dictionaries(st.sampled_from(list(ConditionType)), statuses, min_size=1))
def test_ready_follows_from_its_parts_alone(stated: dict[ConditionType, Truth]) -> None:
    findings = {part: Finding(status, Reason.PENDING) for part, status in stated.items()}
    parts = [stated[part] for part in READY_PARTS if part in stated]
    finding = ready(findings)
    expected = "False" if "False" in parts else "Unknown" if "Unknown" in parts else "True"
    assert finding.status == expected
    assert finding.reason == (Reason.READY if expected == "True" else Reason.NOT_READY)


def test_ready_names_what_it_waits_for() -> None:
    finding = ready({ConditionType.ACCEPTED: YES, ConditionType.RESOLVED_REFS: NO, ConditionType.PROGRAMMED: OPEN})
    assert finding.message == "ResolvedRefs is False (Invalid)"
