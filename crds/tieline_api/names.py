"""Every fixed name that both planes, the chart and the tests share. Constants only; imported by all, imports nothing.

A name that users see (label, annotation, resource, header) stands here once, so that a rename is one edit.
"""

from __future__ import annotations

from typing import Final, NewType

GROUP: Final = "tieline.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

MODEL_ROUTE: Final = "ModelRoute"
PROVIDER_POOL: Final = "ProviderPool"
CONSUMER: Final = "Consumer"
PLURALS: Final = {MODEL_ROUTE: "modelroutes", PROVIDER_POOL: "providerpools", CONSUMER: "consumers"}

FIELD_MANAGER: Final = "tieline-operator"
REPORTING_COMPONENT: Final = "tieline-operator"

LABEL_USE: Final = "tieline.dev/use"
"""A Secret must carry this label with `USE_CREDENTIALS` before any of its values leaves the cluster."""
USE_CREDENTIALS: Final = "credentials"
ANNOTATION_HOSTS: Final = "tieline.dev/hosts"
"""Optional on a Secret: comma-separated host names (or `*.suffix`) to which its values may be sent."""
LABEL_ROUTER_CLASS: Final = "tieline.dev/router-class"
"""On a fleet's Service in the operator's namespace: its ready addresses are the routers that must acknowledge."""
ANNOTATION_EPOCH: Final = "tieline.dev/epoch"

TOKEN_AUDIENCE: Final = "tieline-operator"
LEASE: Final = "tieline-operator"
CERTIFICATE_SECRET: Final = "tieline-operator-tls"
CA_CONFIG_MAP: Final = "tieline-operator-ca"
CA_KEY: Final = "ca.crt"
BOOTSTRAP_CONFIG_MAP_PREFIX: Final = "tieline-bootstrap-"
BOOTSTRAP_KEY: Final = "snapshot.json.gz"

SNAPSHOT_PATH: Final = "/v1/snapshot"
DEFAULT_ROUTER_CLASS: Final = "default"
GATEWAY_SCOPE: Final = "gateway"

Key = NewType("Key", str)
"""`namespace/name` of an object."""


def key(namespace: str, name: str) -> Key:
    """The key of an object; both parts are DNS labels, so the slash cannot be ambiguous."""
    return Key(f"{namespace}/{name}")


def namespace_scope(namespace: str) -> str:
    """The scope of a sidecar: what one namespace owns, and nothing else."""
    return f"namespace/{namespace}"
