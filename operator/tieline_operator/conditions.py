"""Findings into Kubernetes conditions: the one place that knows their form. Pure; called by `plan`.

`lastTransitionTime` moves only when the status flips (or leaves the seeded `Pending`), `observedGeneration` always
stands, the order is that of `ALWAYS_WRITTEN` (with `FieldsIgnored` before `Ready`, which is last), and a message never
outgrows the API's bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from tieline_api.conditions import ALWAYS_WRITTEN, READY_PARTS, ConditionType, Reason
from tieline_api.v1alpha1.scalars import format_timestamp

from tieline_operator.verdicts import Finding

MAX_MESSAGE: Final = 32_768
"""Characters that metav1.Condition admits."""
_CUT: Final = " … (shortened)"


def bounded(message: str) -> str:
    """The message, shortened to what a condition may hold."""
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - len(_CUT)] + _CUT


def ready(findings: Mapping[ConditionType, Finding]) -> Finding:
    """`Ready` from those of `READY_PARTS` that are given: false beats unknown beats true; health plays no part."""
    parts = [(part, findings[part]) for part in READY_PARTS if part in findings]
    failing = [(part, finding) for part, finding in parts if finding.status == "False"]
    unknown = [(part, finding) for part, finding in parts if finding.status == "Unknown"]
    if not failing and not unknown:
        return Finding("True", Reason.READY)
    message = "; ".join(f"{part} is {finding.status} ({finding.reason})" for part, finding in failing or unknown)
    return Finding("False" if failing else "Unknown", Reason.NOT_READY, message)


def conditions(
    kind: str,
    findings: Mapping[ConditionType, Finding],
    generation: int,
    previous: Sequence[Mapping[str, Any]],
    now: datetime,
) -> list[dict[str, Any]]:
    """The whole list of conditions of an object of `kind`, `Ready` included.

    `findings` has every type of `ALWAYS_WRITTEN[kind]` but `Ready`, and `FieldsIgnored` only when it is true.
    `previous` is the list that the object's status holds now.
    """
    complete = {**findings, ConditionType.READY: ready(findings)}
    before = {condition.get("type"): condition for condition in previous}
    order = [*ALWAYS_WRITTEN[kind][:-1], ConditionType.FIELDS_IGNORED, ConditionType.READY]
    written = []
    for part in order:
        if part not in complete:
            continue
        finding, old = complete[part], before.get(str(part), {})
        same = old.get("status") == finding.status and old.get("reason") != Reason.PENDING
        since = old.get("lastTransitionTime") if same else None
        written.append(
            {
                "type": str(part),
                "status": finding.status,
                "observedGeneration": generation,
                "lastTransitionTime": since or format_timestamp(now.replace(microsecond=0)),
                "reason": str(finding.reason),
                "message": bounded(finding.message),
            }
        )
    return written
