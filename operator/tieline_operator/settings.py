"""Every setting of the operator's process, which is also its command line (`tieline-operator --help`).

One frozen value, read once at start. A setting is a matter of the process (addresses, names, paces, what authors of
manifests are permitted); what users say about traffic stands in ModelRoute, ProviderPool and Consumer. Used by
`__main__`, `app` and the parts that it builds.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import NoDecode
from tieline_api.commandline import CommandLine

SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def own_namespace() -> str:
    """Namespace of the pod that this process runs in; `tieline-system` outside a cluster."""
    try:
        return SERVICE_ACCOUNT_NAMESPACE.read_text(encoding="utf-8").strip() or "tieline-system"
    except OSError:
        return "tieline-system"


def _comma_separated(value: object) -> object:
    """`a,b` as a tuple; what the command line has split already stays."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        return value
    names = [str(name).strip() for name in parts]
    if "" in names and names != [""]:
        raise ValueError("holds an empty name; write names with commas between them")
    return tuple(name for name in names if name)


def _class_counts(value: object) -> object:
    """`default=2,batch=1` as a map; the command line has split it already."""
    if isinstance(value, str):
        value = dict(pair.partition("=")[::2] for pair in value.split(",") if pair.strip())
    if not isinstance(value, dict):
        return value
    counts = {str(name).strip(): str(count).strip() for name, count in value.items()}
    if not all(name and count.isdecimal() for name, count in counts.items()):
        raise ValueError("is not of the form CLASS=COUNT,CLASS=COUNT")
    return counts


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated)]
ClassCounts = Annotated[dict[str, Annotated[int, Field(ge=0)]], NoDecode, BeforeValidator(_class_counts)]


class OperatorSettings(CommandLine):
    """Compiles ModelRoutes, ProviderPools and Consumers into snapshots for the routers, and reports their status."""

    # -- where it runs -------------------------------------------------------------------------------------------------
    namespace: str = Field(default_factory=own_namespace, min_length=1, max_length=63)
    """Namespace of the operator and of the gateway fleets. Default: that of the pod's service account."""
    identity: str = Field(default_factory=socket.gethostname, min_length=1, max_length=253)
    """Name of this process in the Lease; a process of the same name takes over at once. Default: the host name, which
    is the pod's name."""
    kubeconfig: Path | None = None
    """Kubeconfig file for a run outside a cluster. Default: the pod's service account."""
    watch_namespaces: Names = ()
    """Namespaces whose objects are served, with commas between them; the operator's own always is. Default: all."""

    # -- snapshot stream -----------------------------------------------------------------------------------------------
    snapshot_host: str = "0.0.0.0"
    """Address on which routers fetch their snapshots (HTTPS)."""
    snapshot_port: int = Field(default=9443, ge=0, le=65535)
    """Port of the snapshot stream; 0 takes a free one."""
    service_name: str = Field(default="tieline-operator", min_length=1, max_length=63)
    """Service in front of the snapshot port; the certificate is issued for its names in the cluster's DNS."""
    dns_names: Names = ()
    """More DNS names or IP addresses for the certificate, with commas between them."""
    router_service_accounts: Names = ("tieline-router",)
    """Service accounts of the operator's namespace whose routers serve all namespaces, with commas between them."""
    expected_routers: ClassCounts = Field(default_factory=dict)
    """Routers to wait for per router class where no Service carries the label tieline.dev/router-class (such as
    default=2,batch=1)."""
    max_routers: int = Field(default=2000, ge=1)
    """Most snapshot streams that are held at a time; more are told to come back."""
    heartbeat_seconds: float = Field(default=5.0, gt=0, le=10)
    """Pace of heartbeats on a snapshot stream, at most 10: a router leaves a stream that is silent for 30 s."""
    probe_seconds: float = Field(default=10.0, gt=0)
    """Pace at which the API server is asked whether it is there; only then are endpoints confirmed to routers."""
    bootstrap_seconds: float = Field(default=30.0, ge=0)
    """Least time between two writes of a bootstrap ConfigMap."""

    # -- metrics and probes --------------------------------------------------------------------------------------------
    metrics_host: str = "0.0.0.0"
    """Address of /metrics, /healthz and /readyz."""
    metrics_port: int = Field(default=9090, ge=0, le=65535)
    """Port of /metrics, /healthz and /readyz; 0 takes a free one."""

    # -- what authors of manifests may do ------------------------------------------------------------------------------
    allow_insecure: bool = False
    """Permits External pools with connection.allowInsecure (http)."""
    allow_private: bool = False
    """Permits External pools with connection.allowPrivate (addresses in private ranges)."""
    allow_cross_namespace: bool = False
    """Permits backendRefs to pools of other namespaces, where the pool's allowedRoutes agrees."""

    # -- paces ---------------------------------------------------------------------------------------------------------
    resync_seconds: float = Field(default=120.0, gt=0)
    """Pace (with a fifth of jitter) at which every kind is listed anew, so that nothing is held that has vanished."""
    debounce_seconds: float = Field(default=0.05, ge=0)
    """Changes within this time go into one snapshot."""
    workers: int = Field(default=4, ge=1, le=64)
    """Objects whose status is written at the same time."""
    settle_seconds: float = Field(default=10.0, ge=0)
    """After a start: longest wait for routers to come back before a route is reported as not programmed."""
    lease_seconds: float = Field(default=15.0, gt=0)
    """How long a Lease that is not renewed holds off another operator."""
    lease_renew_deadline_seconds: float = Field(default=10.0, gt=0)
    """Without a renewal for this time nothing is written any more."""
    lease_retry_seconds: float = Field(default=2.0, gt=0)
    """Pace of renewals, and of tries to get the Lease."""

    # -- process -------------------------------------------------------------------------------------------------------
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged."""
    log_format: Literal["json", "text"] = "json"
    """One JSON object or one readable line per record."""
    uvloop: bool = True
    """Whether uvloop runs the event loop where it is installed."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.lease_retry_seconds < self.lease_renew_deadline_seconds < self.lease_seconds:
            raise ValueError(
                "--lease-retry-seconds < --lease-renew-deadline-seconds < --lease-seconds must hold, not "
                f"{self.lease_retry_seconds:g}, {self.lease_renew_deadline_seconds:g}, {self.lease_seconds:g}"
            )
        return self

    def certificate_names(self) -> tuple[str, ...]:
        """DNS names (and addresses) that the serving certificate must carry, in stable order."""
        service = f"{self.service_name}.{self.namespace}"
        names = [self.service_name, service, f"{service}.svc", f"{service}.svc.cluster.local", *self.dns_names]
        return tuple(dict.fromkeys(names))

    def served_namespaces(self) -> tuple[str, ...] | None:
        """Namespaces that are watched, the operator's own among them; None = all."""
        if not self.watch_namespaces:
            return None
        return tuple(sorted({self.namespace, *self.watch_namespaces}))
