"""Tenants side by side, each of whose things can be found where it does not belong. Used by the cluster floor."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.cluster_world import Tenant, own_pool, route, secret
from tests.support.installation import Installation
from tests.support.kubectl import Kubectl
from tests.support.namespaces import fresh_namespace
from tests.support.pods import PodSet


class Neighbour(Tenant):
    """A tenant whose every object has something that can be found where it does not belong."""

    servers: PodSet
    provider_key: str

    def settle_down(self) -> None:
        """A pool with a key of its own, a route and a consumer; ready."""
        self.key, self.provider_key = (f"sk-{kind}-{secrets.token_hex(16)}" for kind in ("consumer", "provider"))
        self.apply_consumer()
        self.servers = self.serve()
        reference = {"secretRef": {"name": "provider", "key": "apiKey"}}
        credentials = [{"name": "main", "type": "APIKey", "apiKey": reference}]
        self.apply(
            secret("provider", apiKey=self.provider_key),
            own_pool(connection={"credentials": credentials}),
            route("own"),
        )
        self.wait_ready()

    @property
    def addresses(self) -> list[str]:
        return [server.address for server in self.servers.processes]

    def traces(self) -> dict[str, frozenset[bytes]]:
        """What nobody else may get."""
        values = {
            "namespace": self.namespace,
            "hash of the key": hashlib.sha256(self.key.encode()).hexdigest(),
            "provider's key": self.provider_key,
            "key": self.key,
            **{f"address {address}": f"{address}:" for address in self.addresses},
        }
        return {f"{self.namespace}'s {what}": frozenset({value.encode()}) for what, value in values.items()}


@contextmanager
def neighbour(installation: Installation, folder: Path) -> Iterator[Neighbour]:
    with fresh_namespace(installation.plane.admin) as name:
        tenant = Neighbour(installation, Kubectl(installation.plane.kubeconfig(), name), name, folder)
        try:
            tenant.settle_down()
            yield tenant
        finally:
            tenant.close()
