"""The input of every decision: one immutable value that holds all objects the operator knows. No I/O, no judgement.

The operator fills it from its store, `tieline dev|lint|explain` from a folder. Mappings must not change after the World
was made; an object that did not change should be the same Python object as before, which is what makes `evaluate` cheap
(equal objects are recognised too, only slower).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from tieline_api.names import CONSUMER, MODEL_ROUTE, PROVIDER_POOL, Key, key
from tieline_api.v1alpha1.consumer import Consumer
from tieline_api.v1alpha1.meta import ApiObject, ObjectError
from tieline_api.v1alpha1.modelroute import ModelRoute
from tieline_api.v1alpha1.providerpool import ProviderPool

from tieline_operator.objects import (
    EndpointSliceView,
    NamespaceView,
    SecretObject,
    ServiceView,
    group_slices,
)

TYPES: Mapping[str, type[ApiObject]] = {MODEL_ROUTE: ModelRoute, PROVIDER_POOL: ProviderPool, CONSUMER: Consumer}
"""Python type of each kind that Tieline defines."""


@dataclass(frozen=True, slots=True)
class Options:
    """Which of the things that an author asks for the operator's settings permit. Strict by default."""

    allow_insecure: bool = False
    """External pools may speak http (`connection.allowInsecure`)."""
    allow_private: bool = False
    """External pools may stand at private addresses (`connection.allowPrivate`)."""
    allow_cross_namespace: bool = False
    """Routes may use pools of other namespaces (as far as the pool's `allowedRoutes` says so too)."""
    loopback_addresses: bool = False
    """Own servers may stand at loopback addresses: right for `tieline dev`, dangerous inside a router's pod."""


@dataclass(frozen=True, slots=True, order=True)
class ObjectId:
    """Names one object of Tieline's kinds."""

    kind: str
    key: Key

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


@dataclass(frozen=True, slots=True)
class Invalid:
    """An object that exists but cannot be read."""

    id: ObjectId
    reason: str
    """Field and what is wrong there."""
    generation: int = 0
    claims: ModelRoute | None = None
    """Of a ModelRoute: what can be read of the names that it claims, with its class and age, and nothing else."""


@dataclass(frozen=True, slots=True)
class World:
    pools: Mapping[Key, ProviderPool] = field(default_factory=dict)
    routes: Mapping[Key, ModelRoute] = field(default_factory=dict)
    consumers: Mapping[Key, Consumer] = field(default_factory=dict)
    invalid: Mapping[ObjectId, Invalid] = field(default_factory=dict)
    secrets: Mapping[Key, SecretObject] = field(default_factory=dict)
    slices: Mapping[Key, tuple[EndpointSliceView, ...]] = field(default_factory=dict)
    """By the key of the Service (see `group_slices`)."""
    services: Mapping[Key, ServiceView] = field(default_factory=dict)
    namespaces: Mapping[str, NamespaceView] = field(default_factory=dict)
    options: Options = Options()

    @classmethod
    def from_objects(
        cls, raws: Iterable[Mapping[str, Any]], options: Options = Options(), version_key: bytes | None = None
    ) -> Self:
        """A World from raw objects of any kind; kinds that Tieline does not read are passed over.

        `version_key`: see `SecretObject.from_object`.

        Raises:
            MalformedObject: a Secret, Service, EndpointSlice or Namespace of another shape than its kind has. Objects
                of Tieline's own kinds never raise: they end in `invalid`.
        """
        pools: dict[Key, ProviderPool] = {}
        routes: dict[Key, ModelRoute] = {}
        consumers: dict[Key, Consumer] = {}
        invalid: dict[ObjectId, Invalid] = {}
        secrets: dict[Key, SecretObject] = {}
        services: dict[Key, ServiceView] = {}
        namespaces: dict[str, NamespaceView] = {}
        slices: list[EndpointSliceView] = []
        for raw in raws:
            match raw.get("kind"):
                case "Secret":
                    secret = SecretObject.from_object(raw, version_key)
                    secrets[secret.key] = secret
                case "Service":
                    service = ServiceView.from_object(raw)
                    services[service.key] = service
                case "EndpointSlice":
                    slices.append(EndpointSliceView.from_object(raw))
                case "Namespace":
                    namespace = NamespaceView.from_object(raw)
                    namespaces[namespace.name] = namespace
                case str() as kind if kind in TYPES:
                    match read(raw):
                        case ProviderPool() as pool:
                            pools[pool.key] = pool
                        case ModelRoute() as route:
                            routes[route.key] = route
                        case Consumer() as consumer:
                            consumers[consumer.key] = consumer
                        case Invalid() as broken:
                            invalid[broken.id] = broken
                case _:
                    pass
        grouped = group_slices(slices)
        return cls(pools, routes, consumers, invalid, secrets, grouped, services, namespaces, options)

    def copy(self) -> Self:
        """With tables of its own: whoever goes on writing into the first one's does not change this one."""
        return replace(
            self,
            pools=dict(self.pools),
            routes=dict(self.routes),
            consumers=dict(self.consumers),
            secrets=dict(self.secrets),
            slices=dict(self.slices),
            services=dict(self.services),
            namespaces=dict(self.namespaces),
        )


def read(raw: Mapping[str, Any]) -> ProviderPool | ModelRoute | Consumer | Invalid:
    """One object of Tieline's kinds, or why it cannot be read. `kind` must be one of `TYPES`."""
    try:
        parsed = TYPES[raw["kind"]].from_object(raw)
    except ObjectError as error:
        metadata = raw.get("metadata")
        metadata = metadata if isinstance(metadata, Mapping) else {}
        generation = metadata.get("generation")
        identity = ObjectId(raw["kind"], key(str(metadata.get("namespace", "")), str(metadata.get("name", ""))))
        claims = _claims(raw, metadata) if raw["kind"] == MODEL_ROUTE else None
        return Invalid(identity, str(error), generation if isinstance(generation, int) else 0, claims)
    assert isinstance(parsed, ProviderPool | ModelRoute | Consumer)  # noqa: S101 - TYPES has no other
    return parsed


def _claims(raw: Mapping[str, Any], metadata: Mapping[str, Any]) -> ModelRoute | None:
    """A route with the metadata, class and model names of one that cannot be read; None when not even these can be."""
    spec = raw.get("spec")
    models = spec.get("models") if isinstance(spec, Mapping) else None
    if not isinstance(spec, Mapping) or not isinstance(models, list):
        return None
    readable = {"models": [name for name in models if isinstance(name, str) and name]}
    if isinstance(spec.get("routerClass"), str):
        readable["routerClass"] = spec["routerClass"]
    try:
        return ModelRoute.from_object({"metadata": metadata, "spec": readable})
    except ObjectError:
        return None
