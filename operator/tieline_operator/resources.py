"""The kinds that the operator reads, in one table: where they are found, and which of them. Constants and no I/O.

`handlers` watches them, `cluster` lists them, `store` holds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tieline_api import names

Body = Mapping[str, Any]
"""An object as the API server sends it."""


@dataclass(frozen=True)
class Resource:
    """One kind of the API. `selector` is a label selector that the server applies: nothing else is even read."""

    kind: str
    group: str
    version: str
    plural: str
    namespaced: bool = True
    selector: str = ""

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """URL path of the collection, an object or a subresource; `namespace=None` means all namespaces."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        return "/".join([*parts, *(part for part in (name, subresource) if part)])

    @property
    def title(self) -> str:
        """As RBAC and kubectl write it: `modelroutes.tieline.dev`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


def _own(kind: str) -> Resource:
    return Resource(kind, names.GROUP, names.VERSION, names.PLURALS[kind])


MODEL_ROUTES: Final = _own(names.MODEL_ROUTE)
PROVIDER_POOLS: Final = _own(names.PROVIDER_POOL)
CONSUMERS: Final = _own(names.CONSUMER)
ENDPOINT_SLICES: Final = Resource("EndpointSlice", "discovery.k8s.io", "v1", "endpointslices")
SERVICES: Final = Resource("Service", "", "v1", "services")
SECRETS: Final = Resource("Secret", "", "v1", "secrets", selector=f"{names.LABEL_USE}={names.USE_CREDENTIALS}")
NAMESPACES: Final = Resource("Namespace", "", "v1", "namespaces", namespaced=False)
CONFIG_MAPS: Final = Resource("ConfigMap", "", "v1", "configmaps")
LEASES: Final = Resource("Lease", "coordination.k8s.io", "v1", "leases")
EVENTS: Final = Resource("Event", "events.k8s.io", "v1", "events")
TOKEN_REVIEWS: Final = Resource("TokenReview", "authentication.k8s.io", "v1", "tokenreviews", namespaced=False)

OWN: Final = {resource.kind: resource for resource in (MODEL_ROUTES, PROVIDER_POOLS, CONSUMERS)}
WATCHED: Final = (MODEL_ROUTES, PROVIDER_POOLS, CONSUMERS, ENDPOINT_SLICES, SERVICES, SECRETS, NAMESPACES)
