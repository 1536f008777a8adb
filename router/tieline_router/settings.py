"""Every setting of the router's process, which is also its command line (`tieline-router --help`).

One frozen value, read once at start. A setting is a matter of the process (addresses, files, bounds); what users say
about traffic stands in ModelRoute, ProviderPool and Consumer. Used by `__main__`, `app` and `tieline dev`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from tieline_api.commandline import CommandLine
from tieline_api.names import DEFAULT_ROUTER_CLASS

MEBIBYTE = 1024 * 1024


class RouterSettings(CommandLine):
    """Routes OpenAI-compatible requests to the provider that satisfies the route's policy at the lowest cost."""

    # -- who may call, and where ---------------------------------------------------------------------------------------
    host: str = "0.0.0.0"
    """Address on which the API and the probes are served."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port of the API and the probes; 0 takes a free one."""
    admin_host: str = "0.0.0.0"
    """Address on which metrics and the admin API are served. It has no keys: keep it inside the cluster."""
    admin_port: int = Field(default=8081, ge=0, le=65535)
    """Port of metrics and the admin API; 0 takes a free one."""
    tls_certificate_file: Path | None = None
    """PEM file with the certificate (and its chain) of the API's listener, such as tls.crt of a mounted Secret;
    re-read when it changes. Without it the API is served unencrypted."""
    tls_key_file: Path | None = None
    """PEM file with the key of --tls-certificate-file, not encrypted."""
    auth: Literal["Required", "Optional"] = "Required"
    """Required: every request needs a Consumer's key. Optional: callers without a key are served anonymously; a wrong
    key is refused in either case."""
    anonymous_namespace: str = Field(default="default", min_length=1, max_length=63)
    """Namespace whose routes anonymous callers use when --auth is Optional."""
    max_body_bytes: int = Field(default=32 * MEBIBYTE, ge=1024, le=1024 * MEBIBYTE)
    """Longest request body, in bytes; longer ones get 413. For a compressed body (gzip, zstd) it holds for what comes
    and for what that expands to."""
    max_bodies_bytes: int = Field(default=512 * MEBIBYTE, ge=1024)
    """Request bodies that are held at one time, all requests together, in bytes; over it 503 with Retry-After. Each is
    held as it came and once more as it is sent, so memory needs twice as much."""
    body_seconds: float = Field(default=60.0, gt=0)
    """Longest time that a request's body may take to arrive; slower ones get 408."""
    head_seconds: float = Field(default=10.0, gt=0)
    """Longest time that a request's head may take to arrive, and a new connection to send its first byte; slower
    connections are closed."""
    keepalive_timeout: float = Field(default=75.0, gt=0)
    """Seconds that an idle client connection is kept; must exceed that of a load balancer in front."""
    backlog: int = Field(default=2048, ge=1)
    """Connections that may wait to be accepted."""

    # -- configuration -------------------------------------------------------------------------------------------------
    router_class: str = Field(default=DEFAULT_ROUTER_CLASS, min_length=1, max_length=63)
    """Fleet that this router belongs to; it serves the routes whose spec.routerClass names it."""
    operator_url: str | None = None
    """Address of the operator's snapshot stream, such as https://tieline-operator.tieline-system.svc:9443. Without it
    the router serves from its files alone."""
    operator_ca_file: Path | None = None
    """PEM file with the CA bundle that signs the operator's certificate (ConfigMap tieline-operator-ca, key ca.crt);
    re-read at every connect. Without it the system's CAs are trusted."""
    operator_server_name: str | None = None
    """Name to expect in the operator's certificate when it is not the host of --operator-url."""
    token_file: Path = Path("/var/run/secrets/tieline.dev/token")
    """Service-account token for the operator (projected volume, audience tieline-operator); re-read at every
    connect."""
    state_file: Path | None = None
    """Last-known-good configuration, written after every accepted change and read at start, so that a restart needs no
    operator."""
    state_key_file: Path | None = None
    """File with the key (any 16 bytes or more) that seals secrets in --state-file. Without it they are not stored, and
    a cold start without operator serves own servers only."""
    bootstrap_file: Path | None = None
    """Mounted copy of the configuration (snapshot.json.gz of ConfigMap tieline-bootstrap-<class>), used at start when
    nothing newer is at hand."""
    endpoints_confirm_seconds: float = Field(default=60.0, gt=0)
    """After so many seconds without confirmation, pod addresses are no longer trusted and the Service's is used."""
    reconnect_max_seconds: float = Field(default=2.0, gt=0, le=60)
    """Longest wait between two tries to reach the operator."""

    # -- upstream ------------------------------------------------------------------------------------------------------
    upstream_keepalive_timeout: float = Field(default=4.0, ge=0)
    """Seconds that an idle connection to a model server is kept; vLLM and SGLang close theirs after 5."""
    trust_env: bool = True
    """Whether HTTP_PROXY, HTTPS_PROXY and NO_PROXY are obeyed for External pools."""
    max_response_bytes: int = Field(default=8 * MEBIBYTE, ge=1024, le=1024 * MEBIBYTE)
    """Longest plain answer that is held back until it is complete, so that another provider can take over when it
    breaks. A longer one is passed on as it comes, with the provider's own id and model, and the connection is cut when
    it breaks; where it would have to be translated it counts as a provider's failure."""
    max_event_bytes: int = Field(default=4 * MEBIBYTE, ge=1024, le=1024 * MEBIBYTE)
    """Longest single event of a stream; longer ones count as a provider's failure."""
    max_generations: int = Field(default=10_000, ge=1)
    """The last generations that GET /api/v1/generation knows; each takes about a kilobyte."""

    # -- life of the process -------------------------------------------------------------------------------------------
    drain_seconds: float = Field(default=30.0, ge=0)
    """After SIGTERM: longest wait for requests in flight before they are cut."""
    drain_delay_seconds: float = Field(default=5.0, ge=0)
    """After SIGTERM: time for which new connections are still accepted, while /readyz already says 503 and load
    balancers take the router out."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged."""
    log_format: Literal["json", "text"] = "json"
    """One JSON object or one readable line per record."""
    uvloop: bool = True
    """Whether uvloop runs the event loop where it is installed."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.operator_url is not None and not self.operator_url.startswith("https://"):
            raise ValueError(
                "--operator-url (TIELINE_OPERATOR_URL): must begin with https://, because secrets travel over it"
            )
        if (self.tls_certificate_file is None) is not (self.tls_key_file is None):
            raise ValueError(
                "--tls-certificate-file and --tls-key-file (TIELINE_TLS_…): the listener needs both, or neither"
            )
        if self.state_key_file is not None and self.state_file is None:
            raise ValueError("--state-key-file (TIELINE_STATE_KEY_FILE): seals --state-file, which is not set")
        return self
