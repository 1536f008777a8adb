"""Snapshot frames made by hand: what a router is fed with in tests that have no operator. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tieline_api.snapshot import (
    SCHEMA,
    Backend,
    Config,
    ConfigFrame,
    Consumer,
    ConsumerKey,
    Credential,
    Endpoint,
    EndpointsFrame,
    Model,
    Pool,
    PoolEndpoints,
    Prices,
    Pricing,
    Revision,
    Route,
    SecretRef,
    SecretsFrame,
    SecretValue,
    content_hash,
)

NAMESPACE = "default"
MODEL = "acme/chat"
INSTALLATION = "00000000-0000-4000-8000-000000000001"


def revision(counter: int = 1, epoch: int = 1, installation: str = INSTALLATION) -> Revision:
    return Revision(installation, epoch, counter)


def model(name: str = MODEL, price: str = "1", **more: Any) -> Model:
    """An offer at `price` USD per million tokens, both ways."""
    pricing = Pricing(base=Prices(prompt=Decimal(price), completion=Decimal(price)))
    return Model(**{"name": name, "upstream_name": name.rpartition("/")[2], "pricing": pricing, **more})


def own_pool(name: str, models: Sequence[Model] = (), **more: Any) -> Pool:
    """A SelfHosted pool; its addresses come by `endpoints`."""
    return Pool(
        **{
            "key": f"{NAMESPACE}/{name}",
            "slug": name,
            "display_name": name,
            "type": "SelfHosted",
            "allow_loopback": True,
            "models": tuple(models) or (model(),),
            **more,
        }
    )


def external_pool(name: str, base_url: str, models: Sequence[Model] = (), **more: Any) -> Pool:
    """An External pool with one credential, whose secret id is `<name>-key`."""
    credential = Credential(name="main", secret=SecretRef(id=f"{name}-key", version="1"))
    return own_pool(
        name,
        models,
        **{
            "type": "External",
            "base_url": base_url,
            "allow_private": True,
            "credentials": (credential,),
            "training": True,
            "retention_seconds": None,
            **more,
        },
    )


def route(*pools: str, name: str = "chat", models: Sequence[str] = (MODEL,), **more: Any) -> Route:
    """A route to pools of the namespace, in this order of priority."""
    backends = tuple(Backend(pool=f"{NAMESPACE}/{pool}", priority=index) for index, pool in enumerate(pools))
    fields = {"key": f"{NAMESPACE}/{name}", "namespace": NAMESPACE, "models": tuple(models), "backends": backends}
    return Route(**{**fields, **more})


def consumer(name: str, *keys: str, expires_at: float | None = None, **more: Any) -> Consumer:
    """A consumer with these plaintext keys."""
    hashed = tuple(
        ConsumerKey(name=f"key-{index}", sha256=hashlib.sha256(key.encode()).hexdigest(), expires_at=expires_at)
        for index, key in enumerate(keys)
    )
    return Consumer(**{"key": f"{NAMESPACE}/{name}", "namespace": NAMESPACE, "keys": hashed, **more})


def config(
    pools: Iterable[Pool] = (), routes: Iterable[Route] = (), consumers: Iterable[Consumer] = (), **more: Any
) -> ConfigFrame:
    """A configuration frame."""
    content = Config(pools=tuple(pools), routes=tuple(routes), consumers=tuple(consumers))
    fields = {
        "schema": SCHEMA,
        "revision": revision(),
        "scope": "gateway",
        "router_class": "default",
        "content_hash": content_hash(content),
        "config": content,
    }
    return ConfigFrame(**{**fields, **more})


def endpoints(pools: Mapping[str, Sequence[str]], counter: int = 1, **services: str) -> EndpointsFrame:
    """Addresses by pool name; `services` gives a pool the address of its Service."""
    return EndpointsFrame(
        schema=SCHEMA,
        revision=revision(counter),
        pools={
            f"{NAMESPACE}/{name}": PoolEndpoints(
                endpoints=tuple(Endpoint(address=address) for address in addresses), service_address=services.get(name)
            )
            for name, addresses in pools.items()
        },
    )


def secrets(counter: int = 1, **values: str) -> SecretsFrame:
    """Secret values; underscores in names stand for dashes."""
    named = {name.replace("_", "-"): SecretValue(version="1", value=value) for name, value in values.items()}
    return SecretsFrame(schema=SCHEMA, revision=revision(counter), values=named)
