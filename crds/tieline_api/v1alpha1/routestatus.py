"""Status of a ModelRoute: what the operator saw of it."""

from __future__ import annotations

from typing import Annotated

from annotated_types import MaxLen, MinLen
from pydantic import Field

from tieline_api.v1alpha1.identifiers import ItemName, ModelName, NamespaceName, ObjectName
from tieline_api.v1alpha1.markers import Atomic, ListMap
from tieline_api.v1alpha1.meta import Condition, Shape
from tieline_api.v1alpha1.scalars import Counter


class RouterStatus(Shape):
    """How far one fleet of routers has taken the route over."""

    class_: Annotated[ItemName, Field(alias="class")]
    """Class of the fleet."""
    acked: Counter = 0
    """Routers that have it in force."""
    expected: Counter = 0
    """Routers that should have it in force."""
    summary: Annotated[str, MaxLen(64)] = ""
    """Both as text, such as 3/3."""
    observed_generation: Counter | None = None
    """metadata.generation of the route that they have in force."""


class BackendStatus(Shape):
    """What was seen of one backend."""

    name: ObjectName
    """Name of the pool."""
    namespace: NamespaceName | None = None
    """Namespace of the pool, when it is another one than the route's."""
    model: ModelName | None = None
    """Model that the pool is asked for, when the route names one."""
    reason: Annotated[str, MinLen(1), MaxLen(128)]
    """State of the backend, as one CamelCase word."""
    message: Annotated[str, MaxLen(1024)] = ""
    """What to do about it."""


class ModelRouteStatus(Shape):
    """What was seen of the route."""

    conditions: Annotated[tuple[Condition, ...], ListMap(("type",)), MaxLen(16)] = ()
    """Aspects of the route's state: Accepted, ResolvedRefs, Programmed, BackendsHealthy, Ready."""
    routers: Annotated[tuple[RouterStatus, ...], ListMap(("class",)), MaxLen(16)] = ()
    """How far each fleet of routers has taken the route over."""
    backends: Annotated[tuple[BackendStatus, ...], Atomic(), MaxLen(256)] = ()
    """What was seen of each backend."""
