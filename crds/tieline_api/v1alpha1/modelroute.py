"""ModelRoute: a model name that applications use, and who may answer it under which rules. Types only."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le, MaxLen, MinLen

from tieline_api.names import MODEL_ROUTE
from tieline_api.v1alpha1.behaviour import Affinity, Hedging, Preferences, Retries, Spillover, Timeouts
from tieline_api.v1alpha1.identifiers import ItemName, ModelName, ModelPattern, NamespaceName, ObjectName
from tieline_api.v1alpha1.markers import Atomic, ListMap, ListSet, Rule
from tieline_api.v1alpha1.meta import ApiObject, Shape
from tieline_api.v1alpha1.routestatus import ModelRouteStatus
from tieline_api.v1alpha1.scalars import PositivePercent, Priority, Weight
from tieline_api.v1alpha1.selectors import Constraints

StrategyType = Literal["Balanced", "Adaptive", "Price", "Latency", "Throughput", "Weighted", "Priority"]
FallbackWhen = Literal["Capacity", "ContextLength", "ContentPolicy", "Any"]


class BackendRef(Shape):
    """A pool that may answer."""

    kind: Literal["ProviderPool"] = "ProviderPool"
    """Kind of the object. Default ProviderPool."""
    name: ObjectName
    """Name of the pool."""
    namespace: NamespaceName | None = None
    """Namespace of the pool, whose `allowedRoutes` must permit the route. Default: the route's own."""
    model: ModelName | None = None
    """Which of the pool's models answers. Default: the name that the client sent; routes with globs leave it out."""
    priority: Priority = 0
    """Lower numbers are asked first, under every strategy. Default 0."""
    weight: Weight = 1
    """Share among backends of one priority; 0: no traffic, but kept in status. Default 1."""


class Strategy(Shape):
    """How one of the permitted backends is chosen."""

    type: StrategyType = "Balanced"
    """Balanced: draw by 1/price². Adaptive: by what was measured. Price, Latency, Throughput: the best one.
    Weighted: draw
    by weight. Priority: in order. Default Balanced."""


class Fallback(Shape):
    """A model that answers instead."""

    model: ModelName
    """Name of the model, as a client would write it."""
    when: Annotated[tuple[FallbackWhen, ...], ListSet(), MinLen(1), MaxLen(4)] = ("Any",)
    """Failures that it answers for. Capacity: nobody has room or works. ContextLength: the prompt is too long.
    ContentPolicy: a provider refused the content. Default [Any]."""


class TieringLevel(Shape):
    """A model for requests of one difficulty."""

    name: ItemName
    """Name of the level."""
    model: ModelName
    """Model that answers."""


class Tiering(Shape):
    """The route's name stands for several models, chosen by how difficult a request is."""

    mode: Literal["Difficulty"] = "Difficulty"
    """Difficulty: estimated before the request is sent. Default Difficulty."""
    cost_quality: Annotated[int, Ge(0), Le(10)] = 5
    """0: as cheap as possible, 10: as good as possible. Default 5."""
    levels: Annotated[tuple[TieringLevel, ...], ListMap(("name",)), MinLen(2), MaxLen(8)]
    """Models from the simplest to the strongest."""


class Mirror(Shape):
    """A pool that gets copies of requests; its answers are measured and dropped."""

    name: ObjectName
    """Name of the pool, in the route's namespace."""
    model: ModelName | None = None
    """Which of the pool's models gets them. Default: the name that the client sent."""
    percent: PositivePercent
    """How many requests are copied, in percent."""


class ModelRouteSpec(Shape):
    """What the route does."""

    RULES = (
        Rule(
            cel="!has(self.backendRefs) || self.models.all(m, !m.contains('*')) || self.backendRefs.all(b, "
            "!has(b.model))",
            message="must have no model in a route with globs, which forwards the name that the client sent; "
            "remove model, "
            "or write plain names in models",
            field=".backendRefs",
        ),
        Rule(
            cel="self.strategy.type != 'Weighted' || has(self.backendRefs) && self.backendRefs.exists(b, b.weight > 0)",
            message="Weighted draws by weight; write backendRefs, at least one of them with a weight above 0",
            field=".strategy.type",
        ),
        Rule(
            cel="self.strategy.type != 'Priority' || has(self.backendRefs)",
            message="Priority goes through backendRefs in order; write them with a priority each",
            field=".strategy.type",
        ),
        Rule(
            cel="!has(self.fallbacks) || self.fallbacks.all(f, !self.models.exists(m, m == f.model))",
            message="names a model that the route itself answers; write another model",
            field=".fallbacks",
        ),
        Rule(
            cel="!has(self.tiering) || self.models.all(m, !m.contains('*'))",
            message="goes with plain names in models only; write the virtual model's name instead of a glob",
            field=".tiering",
        ),
        Rule(
            cel="!has(self.tiering) || self.tiering.levels.all(l, !self.models.exists(m, m == l.model))",
            message="has a level whose model is the route's own name; write the model that shall answer",
            field=".tiering.levels",
        ),
    )

    router_class: ItemName = "default"
    """Which fleet of routers serves the route. Default: default."""
    models: Annotated[tuple[ModelPattern, ...], ListSet(), MinLen(1), MaxLen(64)]
    """Model names that clients send, or globs whose only * stands at the end, such as deepseek/*. Exact names beat
    globs,
    longer globs beat shorter ones."""
    backend_refs: (
        Annotated[
            tuple[BackendRef, ...],
            Atomic(),
            MinLen(1),
            MaxLen(64),
            Rule(
                cel="self.all(a, self.exists_one(b, b.name == a.name && has(b.__namespace__) == "
                "has(a.__namespace__) && "
                "(!has(a.__namespace__) || b.__namespace__ == a.__namespace__) && has(b.model) == has(a.model) && "
                "(!has(a.model) || b.model == a.model)))",
                message="names one pool and model twice; remove one entry, or add up the weights",
            ),
        ]
        | None
    ) = None
    """Pools that may answer. Default: every permitted pool that serves the requested model."""
    strategy: Strategy = Strategy()
    """How one of them is chosen."""
    fallbacks: Annotated[
        tuple[Fallback, ...],
        Atomic(),
        MaxLen(16),
        Rule(
            cel="self.all(a, self.exists_one(b, b.model == a.model))",
            message="names one model twice; write each model once, with all reasons in `when`",
        ),
    ] = ()
    """Models that answer instead, in order, when no backend of the requested one can."""
    spillover: Spillover | None = None
    """When own capacity may be exceeded with bought capacity. Default: whenever it is cheaper."""
    constraints: Constraints | None = None
    """Hard rules: a provider that fails one is no candidate."""
    preferences: Preferences | None = None
    """Soft rules: a provider that fails one is asked last."""
    affinity: Affinity | None = None
    """Which requests go to the same endpoint. Default: any goes anywhere."""
    timeouts: Timeouts = Timeouts()
    """How long each part of a request may take."""
    retries: Retries = Retries()
    """How often a failed attempt is repeated elsewhere."""
    hedging: Hedging | None = None
    """A second attempt before the first has failed. Default: none."""
    tiering: Tiering | None = None
    """The route's name stands for several models, chosen by difficulty. Default: it does not."""
    mirrors: Annotated[tuple[Mirror, ...], ListMap(("name",)), MaxLen(4)] = ()
    """Pools that get copies of requests."""


class ModelRoute(ApiObject):
    """A ModelRoute is a model name that applications use, with the providers that may answer it and the rules of
    choice."""

    KIND: ClassVar[str] = MODEL_ROUTE

    spec: ModelRouteSpec
    """What the route does."""
    status: ModelRouteStatus = ModelRouteStatus()
    """What was seen of the route; written by the operator."""
