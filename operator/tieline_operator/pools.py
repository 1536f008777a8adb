"""One ProviderPool: is it accepted, do its Secrets resolve, what does a router need to know of it? Pure.

Called by `evaluate`. A pool that lacks a secret which it cannot do without (all of its credentials, a secret header,
its CA) carries no traffic: requests without them would only be refused, or trust the wrong server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tieline_api import snapshot
from tieline_api.names import Key, key
from tieline_api.v1alpha1.offers import Model
from tieline_api.v1alpha1.providerpool import ProviderPool

from tieline_operator import addresses, pricing, wireforms
from tieline_operator.checks import accept_pool, joined
from tieline_operator.objects import SecretObject
from tieline_operator.secretrefs import Resolved, resolve, unpermitted_host
from tieline_operator.support import Support, fields
from tieline_operator.verdicts import RESOLVED, Finding, PoolVerdict, Verdict
from tieline_operator.world import Options


def secret_keys(pool: ProviderPool) -> Iterator[Key]:
    """Secrets that the pool refers to."""
    connection = pool.spec.connection
    for credential in connection.credentials:
        if credential.api_key is not None:
            yield key(pool.namespace, credential.api_key.secret_ref.name)
    for header in connection.headers:
        if header.secret_ref is not None:
            yield key(pool.namespace, header.secret_ref.name)
    if connection.tls is not None and connection.tls.ca_secret_ref is not None:
        yield key(pool.namespace, connection.tls.ca_secret_ref.name)


def evaluate_pool(pool: ProviderPool, secrets: Mapping[Key, SecretObject], options: Options) -> PoolVerdict:
    """The verdict on one pool, addresses apart."""
    accepted = accept_pool(pool, options)
    connection = _connect(pool, secrets)
    verdict = Verdict(accepted, joined(connection.problems, RESOLVED), fields(pool, Support.IGNORED))
    models = tuple(_model(pool, model) for model in pool.spec.models) if accepted.holds else ()
    usable = accepted.holds and connection.complete
    return PoolVerdict(
        verdict=verdict,
        wire=_wire(pool, models, connection, options) if usable else None,
        allowed=pool.spec.allowed_routes.namespaces,
        served=frozenset(model.name for model in pool.spec.models),
        secrets=connection.values if usable else {},
    )


@dataclass(slots=True)
class _Connection:
    """What the references of `spec.connection` resolve to."""

    credentials: list[snapshot.Credential] = field(default_factory=list)
    headers: list[snapshot.Header] = field(default_factory=list)
    ca: snapshot.SecretRef | None = None
    values: dict[str, snapshot.SecretValue] = field(default_factory=dict)
    problems: list[Finding] = field(default_factory=list)
    complete: bool = True
    """Whether all that it cannot do without is there."""


def _hosts(pool: ProviderPool) -> tuple[str, ...]:
    """Host names to which secrets of this pool are sent."""
    if pool.spec.external is not None:
        return (addresses.host_of(pool.spec.external.base_url),)
    hosted = pool.spec.self_hosted
    if hosted is None:
        return ()
    if hosted.service_ref is not None:
        return (f"{hosted.service_ref.name}.{pool.namespace}.svc",)
    return tuple(addresses.split(address)[0] for address in hosted.addresses or ())


def _connect(pool: ProviderPool, secrets: Mapping[Key, SecretObject]) -> _Connection:
    result, hosts, stated = _Connection(), _hosts(pool), pool.spec.connection

    def value(name: str, item: str, path: str) -> Resolved | None:
        found = resolve(secrets, pool.namespace, name, item, path)
        problem = found if isinstance(found, Finding) else unpermitted_host(found, hosts, path)
        if problem is not None:
            result.problems.append(problem)
            return None
        assert isinstance(found, Resolved)  # noqa: S101 - a Finding is a problem
        result.values[found.ref.id] = found.value
        return found

    for index, credential in enumerate(stated.credentials):
        if credential.api_key is None:
            continue
        reference = credential.api_key.secret_ref
        path = f"spec.connection.credentials[{index}].apiKey.secretRef"
        found = value(reference.name, reference.key, path)
        if found is not None:
            # Own servers answer at pod addresses, which no host name binds: the check above is theirs.
            bound = (found.hosts or ()) if pool.spec.external is not None else ()
            result.credentials.append(snapshot.Credential(name=credential.name, secret=found.ref, hosts=bound))
    result.complete = bool(result.credentials) or not stated.credentials
    for index, header in enumerate(stated.headers):
        secret = None
        if header.secret_ref is not None:
            path = f"spec.connection.headers[{index}].secretRef"
            found = value(header.secret_ref.name, header.secret_ref.key, path)
            result.complete &= found is not None
            secret = found.ref if found is not None else None
        result.headers.append(snapshot.Header(name=header.name, value=header.value, secret=secret))
    _connect_ca(pool, secrets, result)
    return result


def _connect_ca(pool: ProviderPool, secrets: Mapping[Key, SecretObject], result: _Connection) -> None:
    """The CA is not sent to the provider, so no binding to hosts concerns it."""
    tls = pool.spec.connection.tls
    if tls is None or tls.ca_secret_ref is None:
        return
    reference, path = tls.ca_secret_ref, "spec.connection.tls.caSecretRef"
    found = resolve(secrets, pool.namespace, reference.name, reference.key, path, lines=True)
    if isinstance(found, Finding):
        result.problems.append(found)
        result.complete = False
        return
    result.ca = found.ref
    result.values[found.ref.id] = found.value


def _model(pool: ProviderPool, model: Model) -> snapshot.Model:
    """One offer with its price: stated, else (own servers) what its tokens cost at the stated capacity."""
    external, hosted = pool.spec.external, pool.spec.self_hosted
    price = None
    if model.pricing is not None:
        price = pricing.stated_pricing(model.pricing, external.fee_percent if external else pricing.NOTHING)
    elif hosted is not None and hosted.cost is not None:
        price = pricing.cost_pricing(hosted.cost)
    return snapshot.Model(
        name=model.name,
        variant=model.variant,
        upstream_name=model.upstream,
        apis=model.apis,
        pricing=price,
        context_length=model.context_length,
        max_output_tokens=model.max_output_tokens,
        quantization=model.quantization,
        input_modalities=model.input_modalities,
        output_modalities=model.output_modalities,
        supported_parameters=model.supported_parameters,
        stream_usage=model.stream_usage,
    )


def _wire(
    pool: ProviderPool, models: tuple[snapshot.Model, ...], connection: _Connection, options: Options
) -> snapshot.Pool:
    spec, tls = pool.spec, pool.spec.connection.tls
    external = spec.external is not None
    policy, ejection = spec.data_policy, spec.health.ejection
    training = policy.training if policy is not None and policy.training is not None else external
    retention: float | None = None if external else 0.0
    if policy is not None and policy.retention is not None:
        retention = policy.retention.seconds
    return snapshot.Pool(
        key=pool.key,
        slug=pool.slug,
        display_name=(spec.provider.display_name if spec.provider else None) or pool.slug,
        type=spec.type,
        engine=spec.self_hosted.engine if spec.self_hosted else None,
        base_url=spec.external.base_url.rstrip("/") if spec.external else None,
        scheme="https" if tls is not None else "http",
        protocols=tuple(snapshot.Protocol(type=item.type, path=item.path) for item in spec.connection.protocols),
        credentials=tuple(connection.credentials),
        headers=tuple(connection.headers),
        tls=snapshot.Tls(server_name=tls.server_name, ca=connection.ca) if tls is not None else None,
        allow_private=spec.connection.allow_private,
        allow_loopback=options.loopback_addresses and not external,
        country=spec.location.country if spec.location else None,
        region=spec.location.region if spec.location else None,
        training=training,
        retention_seconds=retention,
        models=models,
        ejection=snapshot.Ejection(
            consecutive_failures=ejection.consecutive_failures,
            base_seconds=ejection.base_duration.seconds,
            max_percent=ejection.max_percent,
        ),
        limits=wireforms.limits(spec.limits),
    )
