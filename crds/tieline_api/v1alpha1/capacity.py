"""The own side of a pool: servers that one runs, what they cost, and how many there are. Part of ProviderPool."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import Field

from tieline_api.v1alpha1.identifiers import HostPort, ObjectName
from tieline_api.v1alpha1.markers import Atomic, ListSet, Rule
from tieline_api.v1alpha1.meta import Shape
from tieline_api.v1alpha1.references import ServiceRef
from tieline_api.v1alpha1.scalars import DecimalString, Duration, Overhead, Replicas, Watts
from tieline_api.v1alpha1.selectors import TimeWindow

Engine = Literal["VLLM", "SGLang", "LlamaCpp", "OpenAICompatible"]


class ScaleTargetRef(Shape):
    """The workload whose replicas serve the pool."""

    ATOMIC = True
    RULES = (
        Rule(
            cel="self.kind == 'LeaderWorkerSet' ? self.apiVersion == 'leaderworkerset.x-k8s.io/v1' : "
            "self.apiVersion == 'apps/v1'",
            message="does not fit kind; write apps/v1 for Deployment and StatefulSet, "
            "leaderworkerset.x-k8s.io/v1 for LeaderWorkerSet",
            field=".apiVersion",
        ),
    )

    api_version: Literal["apps/v1", "leaderworkerset.x-k8s.io/v1"] = "apps/v1"
    """API of the workload. Default apps/v1."""
    kind: Literal["Deployment", "StatefulSet", "LeaderWorkerSet"] = "Deployment"
    """Kind of the workload. Default Deployment."""
    name: ObjectName
    """Name of the workload, in the pool's namespace."""


class ElectricityWindow(Shape):
    """A price of electricity that holds at a time of day."""

    window: TimeWindow
    """When it holds."""
    per_kwh: Annotated[DecimalString, Field(alias="perKWh")]
    """USD per kilowatt-hour in that time."""


class Electricity(Shape):
    """What power costs."""

    per_kwh: Annotated[DecimalString, Field(alias="perKWh")]
    """USD per kilowatt-hour when no window holds."""
    windows: Annotated[tuple[ElectricityWindow, ...], Atomic(), MaxLen(16)] = ()
    """Other prices at times of day; the last one that holds wins."""


class Cost(Shape):
    """What a replica costs, from which prices per token follow."""

    RULES = (
        Rule(
            cel="has(self.wattsIdle) == has(self.wattsBusy)",
            message="must state wattsIdle and wattsBusy together; write both, or neither",
        ),
        Rule(
            cel="!has(self.wattsIdle) || !has(self.wattsBusy) || self.wattsIdle <= self.wattsBusy",
            message="is more than wattsBusy; write the power of a replica without load",
            field=".wattsIdle",
        ),
        Rule(
            cel="!has(self.electricity) || has(self.wattsBusy)",
            message="has no effect without the power of a replica; write wattsIdle and wattsBusy too",
            field=".electricity",
        ),
    )

    accelerators_per_replica: Annotated[int, Ge(1), Le(4096)] = 1
    """Accelerators that one replica occupies. Default 1."""
    accelerator_hour: DecimalString
    """USD per accelerator and hour, amortised or rented, in quotes: "1.90"."""
    watts_idle: Watts | None = None
    """Power of one replica without load, in watts."""
    watts_busy: Watts | None = None
    """Power of one replica under full load, in watts."""
    pue: Overhead = Field(default="1", validate_default=True)
    """Power usage effectiveness of the data centre, which multiplies watts. Default "1"."""
    electricity: Electricity | None = None
    """What power costs. Default: nothing."""
    tokens_per_second_per_replica: Annotated[int, Ge(1), Le(100_000_000)] | None = None
    """Tokens per second (prompt and completion) that one busy replica serves, until it has been measured."""


class DurationObjectives(Shape):
    """Upper limits of a distribution, by percentile."""

    RULES = (
        Rule(
            cel="has(self.p50) || has(self.p75) || has(self.p90) || has(self.p95) || has(self.p99)",
            message="limits nothing; write at least one of p50, p75, p90, p95 and p99",
        ),
    )

    p50: Duration | None = None
    """Half of all values stay below this duration."""
    p75: Duration | None = None
    """Three in four stay below this duration."""
    p90: Duration | None = None
    """Nine in ten stay below this duration."""
    p95: Duration | None = None
    """Nineteen in twenty stay below this duration."""
    p99: Duration | None = None
    """Ninety-nine in a hundred stay below this duration."""


class Objectives(Shape):
    """Latency that must hold."""

    RULES = (
        Rule(
            cel="has(self.timeToFirstToken) || has(self.interTokenLatency)",
            message="demands nothing; write timeToFirstToken or interTokenLatency, or leave objectives out",
        ),
    )

    time_to_first_token: DurationObjectives | None = None
    """From the request's arrival to the first token."""
    inter_token_latency: DurationObjectives | None = None
    """Between two tokens of one answer."""


class Economics(Shape):
    """Whether money decides about replicas."""

    enabled: bool = True
    """Weigh a replica against buying its traffic from permitted alternatives. Default true."""


class Autoscaling(Shape):
    """How many replicas there shall be."""

    RULES = (
        Rule(
            cel="self.maxReplicas >= self.minReplicas",
            message="is less than minReplicas; write at least as many",
            field=".maxReplicas",
        ),
    )

    mode: Literal["Off", "Recommend", "Direct"] = "Recommend"
    """Off: do nothing. Recommend: report the wanted number in status. Direct: set it on the workload. Default
    Recommend."""
    min_replicas: Replicas = 1
    """Fewest replicas; 0 permits scaling to zero. Default 1."""
    max_replicas: Annotated[int, Ge(1), Le(10_000)]
    """Most replicas."""
    priority: Annotated[int, Ge(-1000), Le(1000)] = 0
    """Who gets the last accelerators: the higher number. Default 0."""
    objectives: Objectives | None = None
    """Latency that must hold; money decides among what holds it."""
    scale_down_after: Duration = Duration("10m")
    """How long fewer replicas must have been enough. Default 10m."""
    economics: Economics = Economics()
    """Whether money decides about replicas."""


class SelfHosted(Shape):
    """Servers that one runs."""

    RULES = (
        Rule(
            cel="has(self.serviceRef) != has(self.addresses)",
            message="must have exactly one of serviceRef and addresses; write serviceRef for a Service, addresses for "
            "servers at fixed addresses",
        ),
        Rule(
            cel="!has(self.autoscaling) || self.autoscaling.mode == 'Off' || has(self.scaleTargetRef)",
            message="needs scaleTargetRef, the workload to be scaled; write it, or autoscaling.mode: 'Off'",
            field=".autoscaling",
        ),
    )

    engine: Engine = "OpenAICompatible"
    """Which server runs, so that its metrics can be read. OpenAICompatible: any other, without metrics. Default
    OpenAICompatible."""
    service_ref: ServiceRef | None = None
    """Service whose ready endpoints are the servers. Exactly one of serviceRef and addresses."""
    addresses: Annotated[tuple[HostPort, ...], ListSet(), MinLen(1), MaxLen(256)] | None = None
    """Fixed addresses, host:port, in quotes. Exactly one of serviceRef and addresses."""
    data_parallel_size: Annotated[int, Ge(1), Le(1024)] = 1
    """Ranks behind one address, for wide expert-parallel servers. Default 1."""
    scale_target_ref: ScaleTargetRef | None = None
    """The workload whose replicas serve the pool."""
    cost: Cost | None = None
    """What a replica costs."""
    autoscaling: Autoscaling | None = None
    """How many replicas there shall be. Default: not Tieline's business."""
