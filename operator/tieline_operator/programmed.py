"""`Programmed`: how far the fleets of routers have taken a route over. Pure; for `plan`, from what delivery saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tieline_api.conditions import Reason
from tieline_api.names import LABEL_ROUTER_CLASS

from tieline_operator.verdicts import MAX_LISTED, Finding


@dataclass(frozen=True, slots=True)
class FleetProgress:
    """How far one fleet has got with one route."""

    router_class: str
    expected: tuple[str, ...] = ()
    """Names of the routers that must acknowledge."""
    acked: frozenset[str] = frozenset()
    """Routers whose last acknowledged revision holds the route's present generation."""
    rejected: Mapping[str, str] = field(default_factory=dict)
    """Routers that refused the newest revision, with their reason."""
    declared: int | None = None
    """Number of routers to expect where their names are not known, because no Service carries the label of the class
    (0: nobody declared any); None: there is one, with the routers of `expected`."""
    waited_for: bool = True
    """False: reported and not waited for (sidecars)."""

    @property
    def expected_count(self) -> int:
        return len(self.expected) if self.declared is None else self.declared

    @property
    def acked_count(self) -> int:
        """Expected routers that acknowledged; with a declared number any router counts, up to that number."""
        if self.declared is None:
            return len(self.acked.intersection(self.expected))
        return min(len(self.acked), self.declared)

    @property
    def summary(self) -> str:
        return f"{self.acked_count}/{self.expected_count}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more


def programmed(fleets: tuple[FleetProgress, ...], router_class: str) -> Finding:
    """The condition of a route that is on the wire; `router_class` is the fleet that it names."""
    waited = [fleet for fleet in fleets if fleet.waited_for]
    for fleet in waited:
        if fleet.rejected:
            router, reason = min(fleet.rejected.items())
            others = f" ({len(fleet.rejected)} routers refused)" if len(fleet.rejected) > 1 else ""
            message = f"router {router} refused the configuration and keeps the one before: {reason}{others}"
            return Finding("False", Reason.REJECTED_BY_ROUTER, message)
    if sum(fleet.expected_count for fleet in waited) == 0:
        if any(fleet.declared is None for fleet in waited):
            label = f"{LABEL_ROUTER_CLASS}={router_class}"
            message = (
                f"the Service of router class {router_class} has no ready router: see why with "
                f"kubectl describe pods -l {label}, in the namespace of the operator"
            )
            return Finding("False", Reason.WAITING_FOR_ROUTERS, message)
        message = (
            f"no router of class {router_class} is known: run that fleet behind a Service with the label "
            f"{LABEL_ROUTER_CLASS}={router_class}, or correct spec.routerClass"
        )
        return Finding("False", Reason.NO_ROUTERS, message)
    behind = [fleet for fleet in waited if fleet.acked_count < fleet.expected_count]
    if behind:
        fleet = behind[0]
        missing = sorted(set(fleet.expected) - fleet.acked)
        names = f", waiting for {_listed(missing)}" if missing and fleet.declared is None else ""
        message = f"{fleet.summary} routers of class {fleet.router_class} have acknowledged{names}"
        return Finding("False", Reason.WAITING_FOR_ROUTERS, message)
    return Finding("True", Reason.PROGRAMMED, ", ".join(f"{fleet.summary} ({fleet.router_class})" for fleet in waited))


def routers_status(
    fleets: tuple[FleetProgress, ...], generation: int, previous: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """`status.routers`. `previous`: its entries by class; the generation in force stays until all have the new one."""
    written = []
    for fleet in sorted(fleets, key=lambda fleet: fleet.router_class):
        entry: dict[str, Any] = {
            "class": fleet.router_class,
            "acked": fleet.acked_count,
            "expected": fleet.expected_count,
            "summary": fleet.summary,
        }
        complete = fleet.expected_count > 0 and fleet.acked_count == fleet.expected_count
        in_force = generation if complete else previous.get(fleet.router_class, {}).get("observedGeneration")
        if in_force is not None:
            entry["observedGeneration"] = in_force
        written.append(entry)
    return written
