"""The name by which the runtime lists models, until it calls `wire.catalogue`. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from tieline_router.apis import PathTree
from tieline_router.routing.table import ModelListing
from tieline_router.wire import catalogue


def models_body(listings: Iterable[ModelListing], tree: PathTree) -> bytes:
    """`catalogue.models_body` at a time before every price override."""
    return catalogue.models_body(tuple(listings), tree, 0.0)
