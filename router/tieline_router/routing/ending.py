"""What the client is told when nothing more is tried: which of several failures, and when to come back. Pure; called by
`attempts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tieline_router.errors import ErrorClass
from tieline_router.routing.decision import Decision
from tieline_router.routing.steps import Failure

LIMITS: Final = frozenset({ErrorClass.STATUS_429, ErrorClass.QUEUE_FULL, ErrorClass.QUEUE_TIMEOUT})
"""Reasons that are told only when nothing else went wrong."""


def last_cause(decision: Decision, failures: Sequence[Failure]) -> ErrorClass:
    """What happened last: why the last attempt failed, or why there was none."""
    return failures[-1].error if failures else decision.refusal or ErrorClass.NO_HEALTHY_BACKEND


def final_error(decision: Decision, failures: Sequence[Failure], refusal: ErrorClass | None) -> ErrorClass:
    """The last failure; a limit only if nothing else went wrong. `refusal`: what a gate said after all that."""
    others = [failure.error for failure in failures if failure.error not in LIMITS]
    return others[-1] if others else refusal or last_cause(decision, failures)


def final_retry_after(decision: Decision, failures: Sequence[Failure], gate: float | None) -> float | None:
    """Seconds after which a new request may fare better: the shortest, if everybody asked named a time. `gate`: what a
    gate estimates."""
    if not failures:
        return decision.shortlist.retry_after if gate is None else gate
    hints = [failure.retry_after for failure in failures] + ([] if gate is None else [gate])
    known = [hint for hint in hints if hint is not None]
    return min(known) if len(known) == len(hints) else None
