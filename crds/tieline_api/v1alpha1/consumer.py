"""Consumer: who calls, with what money and what rights. Types only."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le, MaxLen
from pydantic import Field

from tieline_api.names import CONSUMER
from tieline_api.v1alpha1.identifiers import ItemName, NamespaceName, ObjectName
from tieline_api.v1alpha1.markers import Atomic, ListMap, Rule
from tieline_api.v1alpha1.meta import ApiObject, Condition, Shape
from tieline_api.v1alpha1.references import ApiKey, SecretKeyRef
from tieline_api.v1alpha1.scalars import Concurrency, DecimalString, Rate, ServerTime, Timestamp
from tieline_api.v1alpha1.selectors import Constraints, ModelAccess

Period = Literal["Day", "Week", "Month", "Total"]


class ConsumerKey(Shape):
    """A key that callers present."""

    name: ItemName
    """Tells the consumer's keys apart."""
    secret_ref: SecretKeyRef
    """Where the key stands. Only its hash leaves the Secret."""
    expires_at: Timestamp | None = None
    """From this time on the key is refused, such as "2027-03-01T00:00:00Z". Default: never."""


class ServiceAccountRef(Shape):
    """A service account of the cluster."""

    ATOMIC = True

    name: ObjectName
    """Name of the service account."""
    namespace: NamespaceName
    """Namespace of the service account."""


class Identity(Shape):
    """A caller inside the cluster that needs no key."""

    RULES = (
        Rule(
            cel="(self.type == 'ServiceAccount') == has(self.serviceAccount)",
            message="is required for type ServiceAccount; write serviceAccount: {name: …, namespace: …}",
            field=".serviceAccount",
            reason="FieldValueRequired",
        ),
    )

    type: Literal["ServiceAccount"]
    """Kind of identity."""
    service_account: ServiceAccountRef | None = None
    """The service account; for type ServiceAccount."""


class Budget(Shape):
    """Money for a period."""

    period: Period
    """Day, Week (from Monday), Month or Total, each beginning at midnight UTC."""
    usd: DecimalString
    """USD that may be spent in the period, in quotes: "500.00"."""


class ConsumerLimits(Shape):
    """What the consumer may ask for."""

    RULES = (
        Rule(
            cel="has(self.requestsPerMinute) || has(self.tokensPerMinute) || has(self.concurrency)",
            message="limits nothing; write requestsPerMinute, tokensPerMinute or concurrency, or leave limits out",
        ),
    )

    requests_per_minute: Rate | None = None
    """Most requests per minute."""
    tokens_per_minute: Rate | None = None
    """Most tokens (prompt and completion) per minute."""
    concurrency: Concurrency | None = None
    """Most requests at a time."""


class RunawayGuard(Shape):
    """Stops a session that went astray."""

    RULES = (
        Rule(
            cel="has(self.maxUsdPerSession) || has(self.maxRequestsPerSession)",
            message="guards nothing; write maxUsdPerSession, maxRequestsPerSession or both, or leave runawayGuard out",
        ),
    )

    max_usd_per_session: DecimalString | None = None
    """Most USD that one session may spend, in quotes: "5.00"."""
    max_requests_per_session: Annotated[int, Ge(1), Le(1_000_000_000)] | None = None
    """Most requests of one session."""


class OwnKey(Shape):
    """A provider's key that the consumer brings."""

    name: ObjectName
    """Name of the pool, in the consumer's namespace, at which it is used."""
    api_key: ApiKey
    """Where the key stands."""
    mode: Literal["Prefer", "Only", "Fallback"] = "Prefer"
    """Prefer: before the pool's own. Only: never the pool's own. Fallback: after the pool's own. Default Prefer."""


class ConsumerSpec(Shape):
    """What the consumer may do."""

    keys: Annotated[tuple[ConsumerKey, ...], ListMap(("name",)), MaxLen(64)] = ()
    """Keys that callers present."""
    identities: Annotated[
        tuple[Identity, ...],
        Atomic(),
        MaxLen(64),
        Rule(
            cel="self.all(a, !has(a.serviceAccount) || self.exists_one(b, has(b.serviceAccount) && "
            "b.serviceAccount.name == a.serviceAccount.name && "
            "b.serviceAccount.__namespace__ == a.serviceAccount.__namespace__))",
            message="names one service account twice; remove one entry",
        ),
    ] = ()
    """Callers inside the cluster that need no key."""
    models: ModelAccess | None = None
    """Which model names may be used. Default: all."""
    budgets: Annotated[tuple[Budget, ...], ListMap(("period",)), MaxLen(4)] = ()
    """Money, at most one budget for each period; all hold. Default: no limit."""
    limits: ConsumerLimits | None = None
    """What the consumer may ask for. Default: anything."""
    runaway_guard: RunawayGuard | None = None
    """Stops a session that went astray. Default: none."""
    bring_your_own_key: Annotated[tuple[OwnKey, ...], ListMap(("name",)), MaxLen(64)] = ()
    """Providers' keys that the consumer brings, one for a pool."""
    markup_percent: DecimalString = Field(default="0", validate_default=True)
    """What is added to the cost in the consumer's account, in percent, in quotes. Default "0"."""
    failure_mode: Literal["Open", "Closed"] = "Open"
    """When budgets cannot be checked because the ledger is unreachable: Open: serve. Closed: refuse. Default Open."""
    constraints: Constraints | None = None
    """Hard rules that hold in addition to the route's: the stricter wins."""


class Spend(Shape):
    """Money spent in a period."""

    period: Period
    """The budget's period."""
    usd: DecimalString
    """USD spent in it so far."""
    remaining: DecimalString
    """USD that remain of its budget."""
    resets_at: ServerTime | None = None
    """When the next period begins."""


class ConsumerStatus(Shape):
    """What was seen of the consumer."""

    conditions: Annotated[tuple[Condition, ...], ListMap(("type",)), MaxLen(16)] = ()
    """Aspects of the consumer's state: Accepted, ResolvedRefs, BudgetAvailable, Ready."""
    spend: Annotated[tuple[Spend, ...], ListMap(("period",)), MaxLen(4)] = ()
    """Money spent, by period."""


class Consumer(ApiObject):
    """A Consumer is someone who calls: its keys and identities, and what it may use and spend."""

    KIND: ClassVar[str] = CONSUMER

    spec: ConsumerSpec
    """What the consumer may do."""
    status: ConsumerStatus = ConsumerStatus()
    """What was seen of the consumer; written by the operator."""
