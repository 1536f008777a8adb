"""The contract between the planes: what the operator tells a router, and what the router answers. Wire form only.

Every message is one JSON object with a `frame` tag (msgspec structs; no Kubernetes types, no behaviour). A router turns
the wire form into its own compiled form; the two are different types on purpose. Frames are independent: each has its
own revision, a frame that cannot be read is refused alone, and only what changed is sent.

Prices are Decimal, USD per million tokens (JSON strings); durations are seconds; times are Unix seconds.
Compatibility: fields are only added, with defaults. A change that an older router would misread raises `SCHEMA`.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

SCHEMA: Final = 1
"""Schema that this code writes."""
READABLE_SCHEMAS: Final = (1,)
"""Schemas that this code reads; a router announces them in its `Hello`."""
MAX_FRAME_BYTES: Final = 64 * 1024 * 1024
"""Largest message either side accepts. 2,000 routes with 5,000 keys are about 4 MB."""


class _Wire(msgspec.Struct, frozen=True, omit_defaults=True):
    """Common settings of all wire structs: defaults left out of the JSON (`frozen` and `kw_only` stand on each)."""


class Revision(msgspec.Struct, frozen=True, order=False):
    """Where a frame stands in the history of one installation.

    `installation` names the history (uid of the operator's Lease), `epoch` grows with every start of an operator,
    `counter` with every frame of that operator. Only revisions of one installation can be compared.
    """

    installation: str
    epoch: int
    counter: int

    def newer_than(self, other: Revision) -> bool:
        """Whether a router that holds `other` should take this one: another installation, or later in the same one."""
        if self.installation != other.installation:
            return True
        return (self.epoch, self.counter) > (other.epoch, other.counter)

    def __str__(self) -> str:
        return f"{self.installation[:8]}.{self.epoch}.{self.counter}"


# -- config: routes, pools, consumers -----------------------------------------------


class Window(_Wire, frozen=True, kw_only=True):
    """A recurring time window: half-open [start, end) in minutes of the day, may wrap over midnight.

    `days` are ISO weekdays (1 = Monday) on which the window *starts*; empty means every day.
    """

    start: int
    end: int
    days: tuple[int, ...] = ()
    time_zone: str = "UTC"


class Prices(_Wire, frozen=True, kw_only=True):
    """USD per million tokens (`request`: USD per request). None = not stated here."""

    prompt: Decimal | None = None
    completion: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    request: Decimal | None = None


class PriceOverride(_Wire, frozen=True, kw_only=True):
    """Prices that replace the ones before them, key by key, while every stated condition holds."""

    prices: Prices
    window: Window | None = None
    min_prompt_tokens: int | None = None
    effective_from: float | None = None


class Pricing(_Wire, frozen=True, kw_only=True):
    base: Prices
    overrides: tuple[PriceOverride, ...] = ()
    fee_percent: Decimal = Decimal(0)
    source: Literal["Pricing", "Cost"] = "Pricing"
    """`Cost`: derived from accelerator hours and energy at the stated capacity, not stated as a price."""


class Model(_Wire, frozen=True, kw_only=True):
    """One offer of one model by one pool, keyed by (name, variant)."""

    name: str
    variant: str = ""
    upstream_name: str
    apis: tuple[str, ...] = ("ChatCompletions",)
    pricing: Pricing | None = None
    context_length: int | None = None
    max_output_tokens: int | None = None
    quantization: str | None = None
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)
    supported_parameters: tuple[str, ...] | None = None
    """None: not stated, so only the basics are assumed."""
    stream_usage: Literal["Inject", "Never"] = "Inject"


class SecretRef(_Wire, frozen=True, kw_only=True):
    """Names one value of a `SecretsFrame` (`id`) and its version; never the value."""

    id: str
    version: str


class Credential(_Wire, frozen=True, kw_only=True):
    name: str
    secret: SecretRef
    hosts: tuple[str, ...] = ()
    """Hosts to which it may be sent (exact, or `*.suffix`); empty = any host of the pool."""


class Header(_Wire, frozen=True, kw_only=True):
    """A header for the provider: a plain value or a secret one."""

    name: str
    value: str | None = None
    secret: SecretRef | None = None


class Protocol(_Wire, frozen=True, kw_only=True):
    type: str
    path: str


class Tls(_Wire, frozen=True, kw_only=True):
    server_name: str | None = None
    ca: SecretRef | None = None


class Ejection(_Wire, frozen=True, kw_only=True):
    consecutive_failures: int = 5
    base_seconds: float = 30.0
    max_percent: int = 50


class Limits(_Wire, frozen=True, kw_only=True):
    """What a fleet may ask of a pool at a time; its routers share it. `queue_depth` 0 = no queue: what does not fit is
    refused at once."""

    concurrency: int | None = None
    """Requests under way at once; None = any number."""
    queue_depth: int = 0
    queue_seconds: float = 0.0
    """The longest wait in the queue."""


class Pool(_Wire, frozen=True, kw_only=True):
    key: str
    """`namespace/name`."""
    slug: str
    display_name: str
    type: Literal["SelfHosted", "External"]
    engine: str | None = None
    base_url: str | None = None
    """External: scheme, host, port and path prefix. SelfHosted pools get addresses from the endpoints frame."""
    scheme: Literal["http", "https"] = "http"
    """SelfHosted: how its addresses are spoken to (https when `connection.tls` is set)."""
    protocols: tuple[Protocol, ...] = (Protocol(type="OpenAI", path="/v1"),)
    credentials: tuple[Credential, ...] = ()
    headers: tuple[Header, ...] = ()
    tls: Tls | None = None
    allow_private: bool = False
    """External: addresses in private, loopback or link-local ranges are permitted."""
    allow_loopback: bool = False
    """SelfHosted: loopback addresses are permitted. Link-local and multicast ones never are."""
    country: str | None = None
    region: str | None = None
    training: bool = False
    retention_seconds: float | None = 0.0
    """None = kept for an unknown time."""
    models: tuple[Model, ...] = ()
    ejection: Ejection = Ejection()
    limits: Limits | None = None


class Backend(_Wire, frozen=True, kw_only=True):
    """One backendRef, resolved. Only pools that exist, are accepted and permitted stand here."""

    pool: str
    model: str | None = None
    """Canonical model name that the pool is asked for; None = the name that the client sent."""
    priority: int = 0
    weight: int = 1


class AllowDeny(_Wire, frozen=True, kw_only=True):
    """`deny` beats `allow`; an empty `allow` allows all."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class MaxPrice(_Wire, frozen=True, kw_only=True):
    prompt: Decimal | None = None
    completion: Decimal | None = None
    request: Decimal | None = None


class Constraints(_Wire, frozen=True, kw_only=True):
    """Hard rules: what fails one is no candidate."""

    data_collection: Literal["Allow", "Deny"] = "Allow"
    zero_data_retention: bool = False
    countries: AllowDeny = AllowDeny()
    regions: AllowDeny = AllowDeny()
    quantizations: tuple[str, ...] = ()
    max_price: MaxPrice | None = None


class Fallback(_Wire, frozen=True, kw_only=True):
    model: str
    when: tuple[Literal["Capacity", "ContextLength", "ContentPolicy", "Any"], ...] = ("Any",)
    backends: tuple[Backend, ...] = ()
    """Resolved, in key order: every permitted pool that serves `model`. Used where no route of the namespace claims the
    name; a route that does brings its own backends."""


class FirstToken(_Wire, frozen=True, kw_only=True):
    base: float = 30.0
    per_thousand_tokens: float = 0.5


class Timeouts(_Wire, frozen=True, kw_only=True):
    """Seconds; 0 switches a timeout off."""

    connect: float = 3.0
    first_token: FirstToken = FirstToken()
    response: float = 600.0
    idle: float = 60.0
    request: float = 900.0
    keep_alive_after: float = 10.0


class Retries(_Wire, frozen=True, kw_only=True):
    attempts: int = 3
    budget_percent: int = 20


class Hedging(_Wire, frozen=True, kw_only=True):
    """A second attempt may start when the first has had no content for longer than most recent ones took to it."""

    after_percentile: int
    """Of the recent times to first content, 1 to 99."""
    max_percent: int
    """Of the route's recent requests that may be hedged."""


class Route(_Wire, frozen=True, kw_only=True):
    key: str
    namespace: str
    generation: int = 0
    created: float = 0.0
    models: tuple[str, ...]
    """Plain names and globs (`deepseek/*`) that this route *won*; names lost to another route are left out."""
    backends: tuple[Backend, ...] = ()
    """Resolved; where the route names none, every permitted pool of the namespace that serves the model, by key."""
    strategy: Literal["Balanced", "Price", "Weighted", "Priority"] = "Balanced"
    fallbacks: tuple[Fallback, ...] = ()
    constraints: Constraints = Constraints()
    timeouts: Timeouts = Timeouts()
    retries: Retries = Retries()
    hedging: Hedging | None = None


class ConsumerKey(_Wire, frozen=True, kw_only=True):
    name: str
    sha256: str
    """Lower-case hex of SHA-256 over the UTF-8 key."""
    expires_at: float | None = None


class Consumer(_Wire, frozen=True, kw_only=True):
    key: str
    namespace: str
    keys: tuple[ConsumerKey, ...] = ()
    models: AllowDeny = AllowDeny()
    constraints: Constraints = Constraints()


class Config(_Wire, frozen=True, kw_only=True):
    """All that routing needs, in stable order (by key), so that equal content has equal bytes and one hash."""

    pools: tuple[Pool, ...] = ()
    routes: tuple[Route, ...] = ()
    consumers: tuple[Consumer, ...] = ()


# -- frames, operator to router -----------------------------------------------------


class ConfigFrame(_Wire, frozen=True, kw_only=True, tag_field="frame", tag="config"):
    schema: int = msgspec.field(default=0)
    revision: Revision
    scope: str
    router_class: str
    content_hash: str
    config: Config


class Endpoint(_Wire, frozen=True, kw_only=True):
    """One address (and rank) at which a model server answers. Identity is (address, rank)."""

    address: str
    """`host:port`; IPv6 hosts in brackets."""
    rank: int | None = None
    ready: bool = True
    terminating: bool = False
    zone: str | None = None


class PoolEndpoints(_Wire, frozen=True, kw_only=True):
    endpoints: tuple[Endpoint, ...] = ()
    service_address: str | None = None
    """`name.namespace.svc:port`, used when the addresses have not been confirmed for a minute."""


class EndpointsFrame(_Wire, frozen=True, kw_only=True, tag_field="frame", tag="endpoints"):
    """Addresses of every SelfHosted pool of the scope (whole state, not a difference)."""

    schema: int = msgspec.field(default=0)
    revision: Revision
    pools: dict[str, PoolEndpoints]


class Verdict(_Wire, frozen=True, kw_only=True):
    """Health of one pool as the operator sees it. Unknown is not unhealthy."""

    health: Literal["Healthy", "Degraded", "Unhealthy", "Unknown"] = "Unknown"


class OverlayFrame(_Wire, frozen=True, kw_only=True, tag_field="frame", tag="overlay"):
    schema: int = msgspec.field(default=0)
    revision: Revision
    pools: dict[str, Verdict]


class SecretValue(_Wire, frozen=True, kw_only=True):
    version: str
    value: str

    def __repr__(self) -> str:
        return f"SecretValue(version={self.version!r}, value=<{len(self.value)} characters>)"

    __str__ = __repr__

    def __rich_repr__(self) -> Any:
        yield "version", self.version


class SecretsFrame(_Wire, frozen=True, kw_only=True, tag_field="frame", tag="secrets"):
    schema: int = msgspec.field(default=0)
    revision: Revision
    values: dict[str, SecretValue]


class Heartbeat(_Wire, frozen=True, kw_only=True, tag_field="frame", tag="heartbeat"):
    """Sent at a steady pace. `endpoints_confirmed`: the operator has reached the API server since the last one, so the
    addresses that it sent still stand."""

    schema: int = msgspec.field(default=0)
    endpoints_confirmed: bool = True
    routers: int = 1
    """Routers of the same scope and class that are connected, this one included: they share what a pool bears."""


Frame = ConfigFrame | EndpointsFrame | OverlayFrame | SecretsFrame | Heartbeat
FrameKind = Literal["config", "endpoints", "overlay", "secrets", "heartbeat"]


# -- messages, router to operator ---------------------------------------------------


class Hello(_Wire, frozen=True, kw_only=True, tag_field="frame", tag="hello"):
    """First message of a router. `holds` are the revisions that it has, so that equal frames need not be sent again."""

    schemas: tuple[int, ...] = READABLE_SCHEMAS
    router_class: str = "default"
    version: str = ""
    holds: dict[str, Revision] = {}
    config_hash: str = ""


class Ack(_Wire, frozen=True, kw_only=True, tag_field="frame", tag="ack"):
    """`error` empty: the frame is in force. Otherwise it was refused, the old one stays, and `error` says why."""

    kind: str
    revision: Revision
    error: str = ""


class Notice(_Wire, frozen=True, kw_only=True, tag_field="frame", tag="notice"):
    """A provider refused a credential of a pool: the operator tells those who can renew it."""

    pool: str
    """`namespace/name`."""
    credential: str
    status: int
    """401, 402 or 403."""


Message = Hello | Ack | Notice


class UnreadableFrame(Exception):
    """A message that is not for this code: broken JSON, an unknown frame, a newer schema. `kind` as far as known."""

    def __init__(self, reason: str, kind: str = "", revision: Revision | None = None) -> None:
        super().__init__(reason)
        self.kind = kind
        self.revision = revision


class _Peek(msgspec.Struct):
    frame: str
    schema: int = 0
    revision: Revision | None = None


_encoder = msgspec.json.Encoder(decimal_format="string")
_canonical = msgspec.json.Encoder(decimal_format="string", order="deterministic")
_peek = msgspec.json.Decoder(_Peek)
_frame = msgspec.json.Decoder(Frame)
_message = msgspec.json.Decoder(Message)


def encode(message: Frame | Message) -> bytes:
    """One message as JSON bytes."""
    return _encoder.encode(message)


def decode_frame(data: bytes | str) -> Frame:
    """Reads a frame from the operator.

    Raises:
        UnreadableFrame: it is not JSON, not a known frame, of a schema that is not in `READABLE_SCHEMAS`, or malformed.
    """
    try:
        peek = _peek.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableFrame(f"not a snapshot frame: {error}") from None
    if peek.schema not in READABLE_SCHEMAS:
        known = ", ".join(map(str, READABLE_SCHEMAS))
        reason = f"schema {peek.schema} is not one that this router reads ({known}): upgrade the router first"
        raise UnreadableFrame(reason, peek.frame, peek.revision)
    try:
        frame: Frame = _frame.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableFrame(f"malformed {peek.frame} frame: {error}", peek.frame, peek.revision) from None
    return frame


def decode_message(data: bytes | str) -> Message:
    """Reads a message from a router.

    Raises:
        UnreadableFrame: it is not one of `Hello`, `Ack` and `Notice`.
    """
    try:
        message: Message = _message.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableFrame(f"not a router's message: {error}") from None
    return message


def content_hash(config: Config) -> str:
    """SHA-256 (hex) of the configuration's canonical JSON: equal content, equal hash, in every process."""
    return hashlib.sha256(_canonical.encode(config)).hexdigest()
