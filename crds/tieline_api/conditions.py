"""Condition types and reasons that users see in `kubectl get` and `kubectl describe`. Constants only.

Types follow Kubernetes and Gateway API conventions. A reason is one CamelCase word; the message says what to do. Every
reason is documented in docs/conditions.md (a test compares).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from tieline_api.names import CONSUMER, MODEL_ROUTE, PROVIDER_POOL


class ConditionType(StrEnum):
    ACCEPTED = "Accepted"
    RESOLVED_REFS = "ResolvedRefs"
    PROGRAMMED = "Programmed"
    BACKENDS_HEALTHY = "BackendsHealthy"
    HEALTHY = "Healthy"
    BUDGET_AVAILABLE = "BudgetAvailable"
    FIELDS_IGNORED = "FieldsIgnored"
    READY = "Ready"


ALWAYS_WRITTEN: Final[dict[str, tuple[ConditionType, ...]]] = {
    MODEL_ROUTE: (
        ConditionType.ACCEPTED,
        ConditionType.RESOLVED_REFS,
        ConditionType.PROGRAMMED,
        ConditionType.BACKENDS_HEALTHY,
        ConditionType.READY,
    ),
    PROVIDER_POOL: (
        ConditionType.ACCEPTED,
        ConditionType.RESOLVED_REFS,
        ConditionType.HEALTHY,
        ConditionType.READY,
    ),
    CONSUMER: (
        ConditionType.ACCEPTED,
        ConditionType.RESOLVED_REFS,
        ConditionType.BUDGET_AVAILABLE,
        ConditionType.READY,
    ),
}
"""Types that every object of a kind carries from its first second (seeded in the schema as Unknown/Pending)."""

READY_PARTS: Final = (ConditionType.ACCEPTED, ConditionType.RESOLVED_REFS, ConditionType.PROGRAMMED)
"""`Ready` is true when those of these that the kind has are true; health is apart, so that GitOps tools do not hang."""


class Reason(StrEnum):
    PENDING = "Pending"
    # Accepted
    ACCEPTED = "Accepted"
    INVALID = "Invalid"
    UNSUPPORTED_FIELD = "UnsupportedField"
    CONFLICTED = "Conflicted"
    NOT_PERMITTED = "NotPermitted"
    DUPLICATE_KEY = "DuplicateKey"
    # ResolvedRefs
    RESOLVED_REFS = "ResolvedRefs"
    POOL_NOT_FOUND = "PoolNotFound"
    POOL_NOT_ACCEPTED = "PoolNotAccepted"
    POOL_NOT_RESOLVED = "PoolNotResolved"
    REF_NOT_PERMITTED = "RefNotPermitted"
    MODEL_NOT_SERVED = "ModelNotServed"
    NO_POOLS = "NoPools"
    SECRET_NOT_FOUND = "SecretNotFound"
    SECRET_NOT_LABELLED = "SecretNotLabelled"
    SECRET_KEY_NOT_FOUND = "SecretKeyNotFound"
    SECRET_HOST_NOT_PERMITTED = "SecretHostNotPermitted"
    SERVICE_NOT_FOUND = "ServiceNotFound"
    # Programmed
    PROGRAMMED = "Programmed"
    WAITING_FOR_ROUTERS = "WaitingForRouters"
    REJECTED_BY_ROUTER = "RejectedByRouter"
    NO_ROUTERS = "NoRouters"
    NOT_ACCEPTED = "NotAccepted"
    # Healthy, BackendsHealthy
    HEALTHY = "Healthy"
    SOME_UNHEALTHY = "SomeUnhealthy"
    NO_ENDPOINTS = "NoEndpoints"
    NO_READY_ENDPOINTS = "NoReadyEndpoints"
    NO_HEALTHY_BACKENDS = "NoHealthyBackends"
    NOT_OBSERVED = "NotObserved"
    # BudgetAvailable
    NO_BUDGET = "NoBudget"
    # FieldsIgnored
    NOT_IMPLEMENTED = "NotImplemented"
    # Ready
    READY = "Ready"
    NOT_READY = "NotReady"
