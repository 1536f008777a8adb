"""What `evaluate` says of each object: findings for its conditions, and wire parts that may be compiled. Data only.

`Finding` becomes one condition, its `problems` one line each of `tieline lint`; `wire` is None for what must carry no
traffic. Read by `compile`, `plan` and the CLI.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Self

from tieline_api.conditions import Reason
from tieline_api.names import Key
from tieline_api.snapshot import Consumer, Pool, PoolEndpoints, Route, SecretValue
from tieline_api.v1alpha1.providerpool import RouteNamespaces

from tieline_operator.world import Invalid, ObjectId

Truth = Literal["True", "False", "Unknown"]


MAX_LISTED: Final = 10
"""Problems that one message names; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an object, at one place of it."""

    path: str
    """The field, with the index of each list item: `spec.backendRefs[1].name`. It can be looked up in a manifest; empty
    where the object as a whole is meant."""
    message: str
    """What is wrong there, without the path."""
    remedy: str = ""
    """What to do about it; empty when the message says it."""

    def __str__(self) -> str:
        """As a condition says it."""
        return ": ".join(part for part in (self.path, self.message, self.remedy) if part)


@dataclass(frozen=True, slots=True)
class Finding:
    """The state of one condition: status, reason, and a message that says whose turn it is and what to do."""

    status: Truth
    reason: Reason
    message: str = ""
    """For the condition. With `problems` it is their text, shortened to `MAX_LISTED` of them."""
    problems: tuple[Problem, ...] = ()
    """The same taken apart, all of them, each with its place; empty where the message speaks of no manifest."""

    @classmethod
    def of(cls, reason: Reason, *problems: Problem, status: Truth = "False") -> Self:
        """A finding about fields of the object."""
        texts = list(dict.fromkeys(map(str, problems)))
        more = f"; and {len(texts) - MAX_LISTED} more" if len(texts) > MAX_LISTED else ""
        return cls(status, reason, "; ".join(texts[:MAX_LISTED]) + more, problems)

    @property
    def holds(self) -> bool:
        return self.status == "True"


ACCEPTED = Finding("True", Reason.ACCEPTED)
RESOLVED = Finding("True", Reason.RESOLVED_REFS)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Conditions that follow from configuration alone."""

    accepted: Finding = ACCEPTED
    resolved_refs: Finding = RESOLVED
    ignored: tuple[str, ...] = ()
    """Paths of fields that are set and have no effect in this version."""


@dataclass(frozen=True, slots=True)
class PoolVerdict:
    verdict: Verdict
    wire: Pool | None
    """None: the pool carries no traffic (not accepted, or it lacks a secret that it cannot do without)."""
    allowed: RouteNamespaces = field(default_factory=RouteNamespaces)
    """Namespaces whose routes may use it."""
    served: frozenset[str] = frozenset()
    """Names of the models that it offers, whatever its state."""
    secrets: Mapping[str, SecretValue] = field(default_factory=dict, repr=False)
    """Values that `wire` refers to, by id."""


@dataclass(frozen=True, slots=True)
class EndpointsVerdict:
    """Where a SelfHosted pool's servers are. Apart from `PoolVerdict`, because addresses change more often."""

    wire: PoolEndpoints
    observed: bool
    """Whether readiness is observed (Service) or only stated (addresses)."""
    problem: Finding | None = None
    """Why the reference to the Service does not resolve."""

    @property
    def total(self) -> int:
        return sum(not endpoint.terminating for endpoint in self.wire.endpoints)

    @property
    def ready(self) -> int:
        return sum(endpoint.ready and not endpoint.terminating for endpoint in self.wire.endpoints)


@dataclass(frozen=True, slots=True)
class BackendVerdict:
    """One backendRef (or one pool that an omitted list stands for)."""

    pool: Key
    model: str | None
    priority: int
    weight: int
    problem: Finding | None = None
    """None: resolved, and it may carry traffic."""


@dataclass(frozen=True, slots=True)
class RouteVerdict:
    verdict: Verdict
    router_class: str
    wire: Route | None
    """None: conflicted. A route that is not accepted for another reason keeps its names here, without backends, so that
    its callers get an error and never fall to a broader route."""
    backends: tuple[BackendVerdict, ...] = ()


@dataclass(frozen=True, slots=True)
class ConsumerVerdict:
    verdict: Verdict
    wire: Consumer | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All verdicts. One whose inputs did not change is the same Python object as in the evaluation before."""

    pools: Mapping[Key, PoolVerdict]
    endpoints: Mapping[Key, EndpointsVerdict]
    """SelfHosted pools only."""
    routes: Mapping[Key, RouteVerdict]
    consumers: Mapping[Key, ConsumerVerdict]
    invalid: Mapping[ObjectId, Invalid]
    faults: tuple[tuple[ObjectId, Exception], ...] = field(default=(), repr=False, compare=False)
    """Objects that this pass newly failed on by a mistake of ours, for the log; their verdicts go on saying so."""
    memory: object = field(default=None, repr=False, compare=False)
    """What the next `evaluate` reuses; opaque to everybody else."""
