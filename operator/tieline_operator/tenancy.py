"""Who owns a name, and who may use what across namespaces. Pure; called by `routes`, `consumers` and `evaluate`.

A model name belongs to the oldest ModelRoute of a namespace and router class that claims it, a key to the oldest
Consumer of the whole installation; equal ages are decided by name. An object that is not accepted keeps its claims:
were its name free, callers would fall to a broader route, past the very rules that its author wrote.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from tieline_api.names import Key
from tieline_api.v1alpha1.providerpool import RouteNamespaces
from tieline_api.v1alpha1.selectors import LabelSelector, LabelSelectorRequirement

from tieline_operator.objects import NamespaceView

Claimed = TypeVar("Claimed", bound=Hashable)


@dataclass(frozen=True, slots=True, order=True)
class Claimant:
    """Sorts by age, then by key: the first one wins."""

    created: float
    """Unix seconds; 0 when the object has no creationTimestamp (manifests in a folder)."""
    key: Key

    @classmethod
    def of(cls, created: datetime | None, key: Key) -> Claimant:
        return cls(created.timestamp() if created is not None else 0.0, key)


Claims = Mapping[Claimed, tuple[Claimant, ...]]
"""Who claims each name, the holder first."""


def reclaim(
    claims: Claims[Claimed], changes: Iterable[tuple[Key, Claimant | None, Iterable[Claimed], Iterable[Claimed]]]
) -> tuple[Claims[Claimed], set[Claimed]]:
    """Claims after some objects changed, and the names that changed their holder.

    Each change is (key, claimant now or None when it is gone, names that it claimed before, names that it claims now).
    """
    after = dict(claims)
    touched: set[Claimed] = set()
    for key, claimant, before, now in changes:
        for name in before:
            after[name] = tuple(other for other in after.get(name, ()) if other.key != key)
            touched.add(name)
        for name in now if claimant is not None else ():
            others = (other for other in after.get(name, ()) if other.key != key)
            after[name] = tuple(sorted((*others, claimant))) if claimant is not None else ()
            touched.add(name)
    for name in touched:
        if not after[name]:
            del after[name]
    return after, {name for name in touched if holder(claims, name) != holder(after, name)}


def holder(claims: Claims[Claimed], name: Claimed) -> Key | None:
    """Who holds a name: the oldest claimant; None when nobody claims it."""
    claimants = claims.get(name)
    return claimants[0].key if claimants else None


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether all parts of a label selector hold; one without parts selects everything."""
    wanted = selector.match_labels or {}
    return all(labels.get(label) == value for label, value in wanted.items()) and all(
        _holds(requirement, labels) for requirement in selector.match_expressions
    )


def _holds(requirement: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None


def permits(allowed: RouteNamespaces, owner: str, namespace: str, known: NamespaceView | None) -> bool:
    """Whether a pool of namespace `owner` lets routes of `namespace` use it.

    As on a Gateway listener: `Selector` chooses among all namespaces, the pool's own included. A namespace that is not
    known has the one label that every namespace has, its name.
    """
    match allowed.from_:
        case "Same":
            return owner == namespace
        case "All":
            return True
        case "Selector":
            labels = known.labels if known is not None else NamespaceView.of(namespace).labels
            return allowed.selector is not None and selects(allowed.selector, labels)
