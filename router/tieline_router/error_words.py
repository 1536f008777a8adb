"""The words of the error table: its classes and what a column can say. Constants only; used through `errors`."""

from __future__ import annotations

from enum import StrEnum


class ErrorClass(StrEnum):
    """What happened. The value is stable: it stands in logs, spans, metrics, `docs/errors.md` and error codes."""

    # what an attempt can come to
    CONNECT_REFUSED = "connect_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    NAME_UNRESOLVED = "name_unresolved"
    ADDRESS_REFUSED = "address_refused"
    TLS = "tls"
    RESET_BEFORE_HEADERS = "reset_before_headers"
    RESET_MID_STREAM = "reset_mid_stream"
    TIMEOUT_FIRST_TOKEN = "timeout_first_token"
    TIMEOUT_RESPONSE = "timeout_response"
    TIMEOUT_IDLE = "timeout_idle"
    TIMEOUT_TOTAL = "timeout_total"
    STATUS_429 = "status_429"
    STATUS_5XX = "status_5xx"
    OVERLOADED = "overloaded"
    STATUS_401_402_403 = "status_401_402_403"
    STATUS_404_MODEL = "status_404_model"
    CONTEXT_LENGTH = "context_length"
    CONTENT_POLICY = "content_policy"
    BAD_REQUEST = "bad_request"
    TRUNCATED = "truncated"
    MISSING_FINISH = "missing_finish"
    ERROR_EVENT = "error_event"
    GARBAGE = "garbage"
    ANSWER_TOO_LARGE = "answer_too_large"
    EMPTY = "empty"
    REDIRECT_REFUSED = "redirect_refused"
    CLIENT_DISCONNECTED = "client_disconnected"
    STALLED_CLIENT = "stalled_client"
    HEDGE_LOST = "hedge_lost"
    # what we refuse ourselves
    INVALID_JSON = "invalid_json"
    INVALID_TYPE = "invalid_type"
    MISSING_FIELD = "missing_field"
    UNSUPPORTED_PARAMETER = "unsupported_parameter"
    UNTRANSLATABLE = "untranslatable"
    COUNT_NOT_SERVED = "count_not_served"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    BODY_TOO_LARGE = "body_too_large"
    BAD_HTTP = "bad_http"
    HEAD_TOO_LARGE = "head_too_large"
    BODY_TIMEOUT = "body_timeout"
    BODIES_EXHAUSTED = "bodies_exhausted"
    NESTING_TOO_DEEP = "nesting_too_deep"
    MISSING_KEY = "missing_key"
    INVALID_KEY = "invalid_key"
    EXPIRED_KEY = "expired_key"
    MODEL_NOT_ALLOWED = "model_not_allowed"
    MODEL_NOT_FOUND = "model_not_found"
    NOT_FOUND = "not_found"
    UNSUPPORTED_ENDPOINT = "unsupported_endpoint"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NO_PERMITTED_BACKEND = "no_permitted_backend"
    NO_HEALTHY_BACKEND = "no_healthy_backend"
    CAPACITY_EXHAUSTED = "capacity_exhausted"
    QUEUE_FULL = "queue_full"
    QUEUE_TIMEOUT = "queue_timeout"
    CREDENTIALS_UNAVAILABLE = "credentials_unavailable"
    NOT_READY = "not_ready"
    DRAINING = "draining"
    INTERNAL = "internal"


class Fault(StrEnum):
    """Who has to act."""

    CALLER = "caller"
    PROVIDER = "provider"
    NETWORK = "network"
    OPERATOR = "operator"
    """The people who wrote the manifests, not the process."""
    ROUTER = "router"


class Retry(StrEnum):
    """Where the request may be tried again, before the content commit."""

    NO = "no"
    ENDPOINT = "endpoint"
    """At another endpoint or pool; at the same endpoint after a pause when there is no other."""
    ELSEWHERE = "elsewhere"
    """At another endpoint or pool, never at the same endpoint."""
    POOL = "pool"
    """At another pool, or at this one with another credential: the failure is the pool's, not one endpoint's."""
    LARGER_CONTEXT = "larger context"
    """At another pool whose stated context is larger, or not stated."""
    OTHER_API = "other API"
    """At another offer that is asked by another API."""
    ONCE = "once"
    """Once more, anywhere, also at the same endpoint."""


class NextModel(StrEnum):
    """Which of the route's `fallbacks` may follow: those whose `when` names this, or `Any`."""

    NO = "no"
    CAPACITY = "Capacity"
    CONTEXT_LENGTH = "ContextLength"
    CONTENT_POLICY = "ContentPolicy"
    ANY = "Any"


class Ejects(StrEnum):
    """Whose breaker counts the failure."""

    NO = "no"
    """It says nothing about health, or shows that the endpoint works."""
    ENDPOINT = "endpoint"
    """Nothing at this address can be reached or trusted: it counts against every model there."""
    MODEL = "model"
    """It counts against this model at this endpoint, with this credential; other models there go on."""


class Billed(StrEnum):
    """Whether the provider charges for the attempt, as far as a router can know it. What a consumer pays is another
    question, which metering answers."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """It may have generated tokens that nobody saw."""
