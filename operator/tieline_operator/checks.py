"""Whether an object is accepted: a visible list of total checks per kind. Pure; called by `pools`, `routes`, …

A check looks at one object and the operator's options, and answers None or a finding with status False. What the CRD's
own rules refuse is not repeated here, apart from what would break a router.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tieline_api.conditions import Reason
from tieline_api.protocols import protocol_of, reachable
from tieline_api.v1alpha1.consumer import Consumer
from tieline_api.v1alpha1.modelroute import ModelRoute
from tieline_api.v1alpha1.providerpool import ProviderPool

from tieline_operator import addresses
from tieline_operator.support import Support, fields
from tieline_operator.verdicts import ACCEPTED, Finding, Problem
from tieline_operator.world import Options


def joined(findings: Iterable[Finding], healthy: Finding) -> Finding:
    """One finding from several of status False: the reason of the first, the problems of all; `healthy` without any."""
    found = list(findings)
    if not found:
        return healthy
    problems = (problem for finding in found for problem in finding.problems or (Problem("", finding.message),))
    return Finding.of(found[0].reason, *problems)


def _refused(thing: ProviderPool | ModelRoute | Consumer) -> Finding | None:
    paths = fields(thing, Support.REFUSED)
    if not paths:
        return None
    message, remedy = "this version does not enforce it, so nothing is served", "remove it, or upgrade Tieline"
    return Finding.of(Reason.UNSUPPORTED_FIELD, *(Problem(path, message, remedy) for path in paths))


def _has_union_member(pool: ProviderPool, _options: Options) -> Finding | None:
    member = pool.spec.self_hosted if pool.spec.type == "SelfHosted" else pool.spec.external
    if member is not None:
        return None
    field = "selfHosted" if pool.spec.type == "SelfHosted" else "external"
    return Finding.of(Reason.INVALID, Problem(f"spec.{field}", f"is required for type {pool.spec.type}", "write it"))


def _insecure(pool: ProviderPool, options: Options) -> Finding | None:
    if pool.spec.external is None or pool.spec.external.base_url.lower().startswith("https://"):
        return None
    if not pool.spec.connection.allow_insecure:
        problem = Problem(
            "spec.external.baseURL", "is not encrypted", "write https://, or connection.allowInsecure: true"
        )
    elif not options.allow_insecure:
        problem = Problem(
            "spec.connection.allowInsecure",
            "the operator does not permit it",
            "write https:// into external.baseURL, or start the operator with --allow-insecure",
        )
    else:
        return None
    return Finding.of(Reason.NOT_PERMITTED, problem)


def _private(pool: ProviderPool, options: Options) -> Finding | None:
    if pool.spec.external is None:
        return None
    if pool.spec.connection.allow_private:
        if options.allow_private:
            return None
        problem = Problem(
            "spec.connection.allowPrivate",
            "the operator does not permit it",
            "remove it, or start the operator with --allow-private",
        )
        return Finding.of(Reason.NOT_PERMITTED, problem)
    if addresses.is_private(addresses.host_of(pool.spec.external.base_url)):
        problem = Problem(
            "spec.external.baseURL",
            "is an address that is not public",
            "write the provider's public name, or connection.allowPrivate: true where the operator permits it",
        )
        return Finding.of(Reason.NOT_PERMITTED, problem)
    return None


def _forbidden_address(pool: ProviderPool, options: Options) -> Finding | None:
    stated = (pool.spec.self_hosted.addresses if pool.spec.self_hosted else None) or ()
    wrong = [
        Problem(
            f"spec.selfHosted.addresses[{index}]",
            f"{address}: loopback, link-local and multicast addresses are not permitted",
            "write the address under which routers reach the server",
        )
        for index, address in enumerate(stated)
        if addresses.is_forbidden(addresses.split(address)[0], options)
    ]
    return Finding.of(Reason.NOT_PERMITTED, *wrong) if wrong else None


def _unreadable_address(pool: ProviderPool, _options: Options) -> Finding | None:
    """The CRD's rules refuse these too; one that came past them must not be resolved to who knows what."""
    wrong: list[Problem] = []
    remedy = "write a name, an IPv4 address as four numbers, or an IPv6 address in brackets"
    if pool.spec.external is not None and not addresses.host_of(pool.spec.external.base_url):
        wrong.append(Problem("spec.external.baseURL", "has no host that can be read", remedy))
    for index, address in enumerate((pool.spec.self_hosted.addresses if pool.spec.self_hosted else None) or ()):
        if not addresses.is_readable(addresses.split(address)[0]):
            message = f"{address} has no host that can be read"
            wrong.append(Problem(f"spec.selfHosted.addresses[{index}]", message, remedy))
    return Finding.of(Reason.INVALID, *wrong) if wrong else None


def _unreachable_models(pool: ProviderPool, _options: Options) -> Finding | None:
    """A model none of whose APIs the pool's protocols carry could never be asked for anything."""
    spoken = [protocol.type for protocol in pool.spec.connection.protocols]
    wrong = [
        Problem(
            f"spec.models[{index}].apis",
            f"{', '.join(model.apis)} needs protocol {protocol_of(model.apis[0])}, and connection.protocols has "
            f"{', '.join(spoken)} only",
            "name the APIs that the model has there (Anthropic: Messages), or add the protocol",
        )
        for index, model in enumerate(pool.spec.models)
        if model.apis and not reachable(model.apis, spoken)
    ]
    return Finding.of(Reason.INVALID, *wrong) if wrong else None


def _zones(pool: ProviderPool) -> Iterator[tuple[str, str]]:
    """Every time zone of the pool with its path."""
    cost = pool.spec.self_hosted.cost if pool.spec.self_hosted else None
    for index, hours in enumerate(cost.electricity.windows if cost and cost.electricity else ()):
        yield f"spec.selfHosted.cost.electricity.windows[{index}].window.timeZone", hours.window.time_zone
    for number, model in enumerate(pool.spec.models):
        for index, override in enumerate(model.pricing.overrides if model.pricing else ()):
            if override.when.window is not None:
                path = f"spec.models[{number}].pricing.overrides[{index}].when.window.timeZone"
                yield path, override.when.window.time_zone


def _unknown_zone(pool: ProviderPool, _options: Options) -> Finding | None:
    for path, zone in _zones(pool):
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, OSError, ValueError):  # unknown; a folder; a path out of the database
            message, remedy = f"{zone} is not in the IANA database", "write a name such as Europe/Berlin or UTC"
            return Finding.of(Reason.INVALID, Problem(path, message, remedy))
    return None


POOL_CHECKS: Final[tuple[Callable[[ProviderPool, Options], Finding | None], ...]] = (
    lambda pool, _options: _refused(pool),
    _has_union_member,
    _unreadable_address,
    _unreachable_models,
    _insecure,
    _private,
    _forbidden_address,
    _unknown_zone,
)


def accept_pool(pool: ProviderPool, options: Options) -> Finding:
    """Accepted, or all reasons why not."""
    return joined((found for check in POOL_CHECKS if (found := check(pool, options)) is not None), ACCEPTED)


def accept_route(route: ModelRoute) -> Finding:
    """Accepted, or why not; names that another route holds are the business of `claims`."""
    return _refused(route) or ACCEPTED


def accept_consumer(consumer: Consumer) -> Finding:
    """Accepted, or why not; keys that another consumer holds are the business of `claims`."""
    return _refused(consumer) or ACCEPTED
