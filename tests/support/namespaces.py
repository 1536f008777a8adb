"""A namespace of a test's own on the real API server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.support.api_client import ApiClient
from tests.support.waiting import wait_until


@contextmanager
def fresh_namespace(admin: ApiClient, labels: Mapping[str, str] | None = None) -> Iterator[str]:
    """Its name, once it has its default service account. Its deletion is asked for at the end, not waited for."""
    name = f"test-{secrets.token_hex(4)}"
    metadata = {"name": name, "labels": dict(labels or {})}
    admin.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    path = f"/api/v1/namespaces/{name}"
    wait_until(lambda: admin.find(f"{path}/serviceaccounts/default"), f"the default service account of {name}")
    try:
        yield name
    finally:
        admin.delete(path)
