"""Reads the store into the values that decisions are made of. All that is read for a decision is read here; no I/O.

Each object is parsed once per content: while only its status changes it is the very same Python object, which is what
makes `evaluate` cheap.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tieline_api.names import LABEL_ROUTER_CLASS, Key
from tieline_api.v1alpha1.consumer import Consumer
from tieline_api.v1alpha1.modelroute import ModelRoute
from tieline_api.v1alpha1.providerpool import ProviderPool

from tieline_operator import consumers, pools
from tieline_operator.objects import (
    EndpointSliceView,
    EndpointView,
    MalformedObject,
    NamespaceView,
    SecretObject,
    ServiceView,
    group_slices,
)
from tieline_operator.resources import (
    CONSUMERS,
    ENDPOINT_SLICES,
    MODEL_ROUTES,
    NAMESPACES,
    PROVIDER_POOLS,
    SECRETS,
    SERVICES,
)
from tieline_operator.store import Store
from tieline_operator.world import Invalid, Options, World, read

logger = logging.getLogger(__name__)

V = TypeVar("V")


class Gatherer:
    """Makes Worlds out of the store. `unlabelled` are Secrets that exist without the label that permits their use;
    only their metadata is known."""

    def __init__(self, store: Store, options: Options, own_namespace: str) -> None:
        self.unlabelled: dict[Key, SecretObject] = {}
        self._store = store
        self._options = options
        self._own_namespace = own_namespace
        self._parsed: dict[str, dict[Key, tuple[int, Any]]] = {}

    def world(self) -> World:
        """All that is known now."""
        routes = self._read(MODEL_ROUTES.kind, read)
        found_pools = self._read(PROVIDER_POOLS.kind, read)
        found_consumers = self._read(CONSUMERS.kind, read)
        everything = (*routes.values(), *found_pools.values(), *found_consumers.values())
        namespaces = self._read(NAMESPACES.kind, NamespaceView.from_object)
        return World(
            pools={key: pool for key, pool in found_pools.items() if isinstance(pool, ProviderPool)},
            routes={key: route for key, route in routes.items() if isinstance(route, ModelRoute)},
            consumers={key: one for key, one in found_consumers.items() if isinstance(one, Consumer)},
            invalid={one.id: one for one in everything if isinstance(one, Invalid)},
            secrets={**self.unlabelled, **self._read(SECRETS.kind, SecretObject.from_object)},
            slices=group_slices(self._read(ENDPOINT_SLICES.kind, EndpointSliceView.from_object).values()),
            services=self._read(SERVICES.kind, ServiceView.from_object),
            namespaces={view.name: view for view in namespaces.values()},
            options=self._options,
        )

    def fleets(self) -> dict[str, tuple[str, ...]]:
        """Router class → names of the ready pods behind the Services that carry its label, in the own namespace.

        The label is read from the Services; a class whose Service has no ready pod is there with none.
        """
        slices = group_slices(self._read(ENDPOINT_SLICES.kind, EndpointSliceView.from_object).values())
        fleets: dict[str, set[str]] = {}
        for key, body in self._store.bodies(SERVICES.kind).items():
            router_class = (body["metadata"].get("labels") or {}).get(LABEL_ROUTER_CLASS)
            if body["metadata"].get("namespace") != self._own_namespace or not router_class:
                continue
            pods = fleets.setdefault(str(router_class), set())
            pods |= {name for view in slices.get(key, ()) for name in map(_pod, view.endpoints) if name}
        return {router_class: tuple(sorted(pods)) for router_class, pods in sorted(fleets.items())}

    def _read(self, kind: str, parse: Callable[[Mapping[str, Any]], V]) -> dict[Key, V]:
        before = self._parsed.get(kind, {})
        after: dict[Key, tuple[int, Any]] = {}
        for key, body in self._store.bodies(kind).items():
            known, version = before.get(key), self._store.content_version(kind, key)
            if known is not None and known[0] == version:
                after[key] = known
                continue
            try:
                after[key] = (version, parse(body))
            except MalformedObject as error:
                after[key] = (version, None)
                logger.error("%s %s is passed over: %s", kind, key, error)
        self._parsed[kind] = after
        return {key: value for key, (_, value) in after.items() if value is not None}


def secret_references(world: World) -> set[Key]:
    """Every Secret that a pool or a consumer refers to."""
    return {
        *(key for pool in world.pools.values() for key in pools.secret_keys(pool)),
        *(key for consumer in world.consumers.values() for key in consumers.secret_keys(consumer)),
    }


def _pod(endpoint: EndpointView) -> str:
    """Name of the pod behind a ready endpoint; empty when it is not ready or no pod."""
    return endpoint.target.partition("/")[2] if endpoint.ready and endpoint.target else ""
