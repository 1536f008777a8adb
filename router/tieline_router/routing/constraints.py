"""Hard rules of a route and of a consumer, merged so that the stricter wins. Pure; compiled once per (route, consumer).

Merging never loosens: what fails one of the merged sets of rules fails the merged one.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import reduce
from typing import Final

import msgspec
from tieline_api.snapshot import Constraints, MaxPrice

FAMILIES: Final = {"fp4": frozenset({"fp4", "mxfp4", "nvfp4"}), "fp8": frozenset({"fp8", "mxfp8"})}
"""Quantisations that a rule's word also covers, as in OpenRouter's `provider.quantizations`."""


class Place(msgspec.Struct, frozen=True):
    """A merged allow/deny rule over upper-cased places. `allow` None = all; an empty set = none at all."""

    allow: frozenset[str] | None = None
    deny: frozenset[str] = frozenset()

    @property
    def states_something(self) -> bool:
        return self.allow is not None or bool(self.deny)

    def permits(self, place: str | None) -> bool:
        """An unknown place fails every rule about places."""
        if place is None:
            return not self.states_something
        place = place.upper()
        return place not in self.deny and (self.allow is None or place in self.allow)


class Rules(msgspec.Struct, frozen=True):
    """What a candidate must satisfy. The default permits everything."""

    deny_training: bool = False
    zero_data_retention: bool = False
    countries: Place = Place()
    regions: Place = Place()
    quantizations: frozenset[str] | None = None
    """Lower-cased, families spelled out; None = any, an empty set = none."""
    max_prompt: Decimal | None = None
    max_completion: Decimal | None = None
    max_request: Decimal | None = None

    @property
    def limits_price(self) -> bool:
        return not (self.max_prompt is None and self.max_completion is None and self.max_request is None)


NO_RULES: Final = Rules()


def _place(allow: Iterable[str], deny: Iterable[str]) -> Place:
    permitted = frozenset(item.upper() for item in allow)
    return Place(permitted or None, frozenset(item.upper() for item in deny))


def _rules(constraints: Constraints) -> Rules:
    quantizations: set[str] = set()
    for word in constraints.quantizations:
        quantizations |= FAMILIES.get(word.lower(), {word.lower()})
    price = constraints.max_price or MaxPrice()
    return Rules(
        deny_training=constraints.data_collection == "Deny",
        zero_data_retention=constraints.zero_data_retention,
        countries=_place(constraints.countries.allow, constraints.countries.deny),
        regions=_place(constraints.regions.allow, constraints.regions.deny),
        quantizations=frozenset(quantizations) if quantizations else None,
        max_prompt=price.prompt,
        max_completion=price.completion,
        max_request=price.request,
    )


def _intersection(a: frozenset[str] | None, b: frozenset[str] | None) -> frozenset[str] | None:
    if a is None or b is None:
        return a if b is None else b
    return a & b


def _least(a: Decimal | None, b: Decimal | None) -> Decimal | None:
    if a is None or b is None:
        return a if b is None else b
    return min(a, b)


def _stricter(a: Rules, b: Rules) -> Rules:
    return Rules(
        deny_training=a.deny_training or b.deny_training,
        zero_data_retention=a.zero_data_retention or b.zero_data_retention,
        countries=Place(_intersection(a.countries.allow, b.countries.allow), a.countries.deny | b.countries.deny),
        regions=Place(_intersection(a.regions.allow, b.regions.allow), a.regions.deny | b.regions.deny),
        quantizations=_intersection(a.quantizations, b.quantizations),
        max_prompt=_least(a.max_prompt, b.max_prompt),
        max_completion=_least(a.max_completion, b.max_completion),
        max_request=_least(a.max_request, b.max_request),
    )


def merge(*constraints: Constraints) -> Rules:
    """The rules that hold when all of `constraints` hold: the stricter wins, part by part."""
    return reduce(_stricter, map(_rules, constraints), NO_RULES)
