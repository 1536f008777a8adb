"""The one error table: every way in which a request can fail, whose fault it is, and what follows from it.

A provider's failure and our own refusals have the same shape: a class with one row. The attempt machine reads `retry`
and `next_model`, the breaker reads `breaker`, the wire layer reads `status`, `type` and `code`, telemetry writes
`otel`. Nobody decides by status code or text anywhere else; `routing/classify.py` turns what a provider answered into
a class. `docs/errors.md` is this table in words; a test compares them.

Constants and pure look-ups only. The words for types and codes are OpenAI's where OpenAI has one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from tieline_router.apis import PathTree


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
    # what we refuse ourselves
    INVALID_JSON = "invalid_json"
    INVALID_TYPE = "invalid_type"
    MISSING_FIELD = "missing_field"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    BODY_TOO_LARGE = "body_too_large"
    BODY_TIMEOUT = "body_timeout"
    BODIES_EXHAUSTED = "bodies_exhausted"
    NESTING_TOO_DEEP = "nesting_too_deep"
    MISSING_KEY = "missing_key"
    INVALID_KEY = "invalid_key"
    EXPIRED_KEY = "expired_key"
    MODEL_NOT_ALLOWED = "model_not_allowed"
    MODEL_NOT_FOUND = "model_not_found"
    UNSUPPORTED_ENDPOINT = "unsupported_endpoint"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NO_PERMITTED_BACKEND = "no_permitted_backend"
    NO_HEALTHY_BACKEND = "no_healthy_backend"
    CAPACITY_EXHAUSTED = "capacity_exhausted"
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
    ONCE = "once"
    """Once more, anywhere, also at the same endpoint."""


class NextModel(StrEnum):
    """Which of the route's `fallbacks` may follow: those whose `when` names this, or `Any`."""

    NO = "no"
    CAPACITY = "Capacity"
    CONTEXT_LENGTH = "ContextLength"
    CONTENT_POLICY = "ContentPolicy"
    ANY = "Any"


class ErrorRow(NamedTuple):
    """What follows from one class of failure."""

    fault: Fault
    status: int
    """HTTP status that the client gets while headers are not sent."""
    retry: Retry
    next_model: NextModel
    breaker: bool
    """Counts as a failure of the endpoint."""
    remedy: str
    """One sentence: what happened, and what to do about it."""
    code: str = ""
    """OpenAI `error.code`; the class's own name unless OpenAI has one."""
    otel: str = ""
    """Value of the OpenTelemetry attribute `error.type`; the class's own name unless the conventions have one."""
    type: str = ""
    """OpenAI `error.type`, which follows from the status."""


E, F, R, N = ErrorClass, Fault, Retry, NextModel
COUNTS, NO = True, False

# fmt: off
_ROWS: Final[dict[ErrorClass, ErrorRow]] = {
    # what an attempt can come to
    E.CONNECT_REFUSED: ErrorRow(F.NETWORK, 502, R.ENDPOINT, N.CAPACITY, COUNTS,
        "The endpoint refused the connection: is the server up and listening on the port that the pool names?"),
    E.CONNECT_TIMEOUT: ErrorRow(F.NETWORK, 504, R.ENDPOINT, N.CAPACITY, COUNTS,
        "No connection within `timeouts.connect`: look at the node, network policies and the address."),
    E.NAME_UNRESOLVED: ErrorRow(F.NETWORK, 502, R.ENDPOINT, N.CAPACITY, COUNTS,
        "The endpoint's host name does not resolve: check the pool's address and the cluster's DNS."),
    E.ADDRESS_REFUSED: ErrorRow(F.OPERATOR, 502, R.POOL, N.CAPACITY, COUNTS,
        "A host resolves to where its pool may not reach: private (External; `connection.allowPrivate`), or loopback."),
    E.TLS: ErrorRow(F.OPERATOR, 502, R.ENDPOINT, N.CAPACITY, COUNTS,
        "The TLS handshake failed: check `connection.tls` (server name, CA) and the server's certificate."),
    E.RESET_BEFORE_HEADERS: ErrorRow(F.PROVIDER, 502, R.ENDPOINT, N.CAPACITY, COUNTS,
        "The server closed the connection before it answered: look for a crash in its log."),
    E.RESET_MID_STREAM: ErrorRow(F.PROVIDER, 502, R.ENDPOINT, N.CAPACITY, COUNTS,
        "The server closed the connection inside its answer: look for a crash in its log."),
    E.TIMEOUT_FIRST_TOKEN: ErrorRow(F.PROVIDER, 504, R.ELSEWHERE, N.CAPACITY, COUNTS,
        "No content within `timeouts.firstToken`: the server is overloaded, or the limit too short for such prompts.",
        otel="timeout"),
    E.TIMEOUT_RESPONSE: ErrorRow(F.PROVIDER, 504, R.ELSEWHERE, N.CAPACITY, COUNTS,
        "No answer within `timeouts.response`: the server is overloaded, or the limit too short; streaming avoids it.",
        otel="timeout"),
    E.TIMEOUT_IDLE: ErrorRow(F.PROVIDER, 504, R.ELSEWHERE, N.CAPACITY, COUNTS,
        "The stream was silent for `timeouts.idle`: the server hangs.",
        otel="timeout"),
    E.TIMEOUT_TOTAL: ErrorRow(F.PROVIDER, 504, R.NO, N.NO, NO,
        "The request used up `timeouts.request`, all attempts together.",
        otel="timeout"),
    E.STATUS_429: ErrorRow(F.PROVIDER, 429, R.POOL, N.CAPACITY, NO,
        "The provider limits the rate: wait for Retry-After, add a credential, or add a pool.",
        code="rate_limit_exceeded", otel="429"),
    E.STATUS_5XX: ErrorRow(F.PROVIDER, 502, R.ENDPOINT, N.CAPACITY, COUNTS,
        "The provider failed (5xx): its own log or status page says why."),
    E.OVERLOADED: ErrorRow(F.PROVIDER, 503, R.ENDPOINT, N.CAPACITY, NO,
        "The provider says that it is overloaded and when to come back: wait for Retry-After, or add capacity."),
    E.STATUS_401_402_403: ErrorRow(F.OPERATOR, 502, R.POOL, N.CAPACITY, NO,
        "The provider refuses the pool's credential (401, 402, 403): renew the Secret, or top up the account.",
        code="provider_credentials_refused"),
    E.STATUS_404_MODEL: ErrorRow(F.OPERATOR, 502, R.POOL, N.ANY, NO,
        "The provider does not know the model or the path: correct `upstreamName` or the pool's address.",
        code="provider_model_not_found"),
    E.CONTEXT_LENGTH: ErrorRow(F.CALLER, 400, R.LARGER_CONTEXT, N.CONTEXT_LENGTH, NO,
        "The prompt does not fit the model's context: shorten it, ask for less, or use a model with more context.",
        code="context_length_exceeded"),
    E.CONTENT_POLICY: ErrorRow(F.CALLER, 400, R.NO, N.CONTENT_POLICY, NO,
        "The provider's content policy refuses the prompt: change it, or use another model.",
        code="content_policy_violation"),
    E.BAD_REQUEST: ErrorRow(F.CALLER, 400, R.NO, N.NO, NO,
        "The provider refuses the request as wrong (400, 413, 422): its message says which field."),
    E.TRUNCATED: ErrorRow(F.PROVIDER, 502, R.ENDPOINT, N.CAPACITY, COUNTS,
        "The answer ended in the middle: look for a crash in the server's log."),
    E.MISSING_FINISH: ErrorRow(F.PROVIDER, 502, R.ENDPOINT, N.CAPACITY, COUNTS,
        "The stream ended without a finish reason: the answer is not known to be complete."),
    E.ERROR_EVENT: ErrorRow(F.PROVIDER, 502, R.ENDPOINT, N.CAPACITY, COUNTS,
        "The provider reported an error inside the stream: its message says what."),
    E.GARBAGE: ErrorRow(F.PROVIDER, 502, R.ENDPOINT, N.ANY, COUNTS,
        "The answer is not what the protocol allows: check that the address is that of a model server."),
    E.ANSWER_TOO_LARGE: ErrorRow(F.PROVIDER, 502, R.NO, N.NO, NO,
        "The answer is larger than the router holds: ask for fewer tokens, or stream."),
    E.EMPTY: ErrorRow(F.PROVIDER, 502, R.ONCE, N.ANY, NO,
        "The answer was empty, twice: ask again, or look at the prompt and the stop sequences.",
        code="empty_answer"),
    E.REDIRECT_REFUSED: ErrorRow(F.OPERATOR, 502, R.POOL, N.ANY, COUNTS,
        "The provider redirects, which is never followed: name the final address in the pool."),
    E.CLIENT_DISCONNECTED: ErrorRow(F.CALLER, 499, R.NO, N.NO, NO,
        "The client went away before the answer was complete."),
    # what we refuse ourselves
    E.INVALID_JSON: ErrorRow(F.CALLER, 400, R.NO, N.NO, NO,
        "The body is not JSON: the message names the position."),
    E.INVALID_TYPE: ErrorRow(F.CALLER, 400, R.NO, N.NO, NO,
        "A field has the wrong type or value: the message names it."),
    E.MISSING_FIELD: ErrorRow(F.CALLER, 400, R.NO, N.NO, NO,
        "A required field is missing: the message names it."),
    E.UNSUPPORTED_MEDIA_TYPE: ErrorRow(F.CALLER, 415, R.NO, N.NO, NO,
        "Send `Content-Type: application/json`, not compressed."),
    E.BODY_TOO_LARGE: ErrorRow(F.CALLER, 413, R.NO, N.NO, NO,
        "The body is over the router's limit: send less, or raise the limit."),
    E.BODY_TIMEOUT: ErrorRow(F.CALLER, 408, R.NO, N.NO, NO,
        "The body did not arrive in time: look at the client or its network."),
    E.BODIES_EXHAUSTED: ErrorRow(F.ROUTER, 503, R.NO, N.NO, NO,
        "The router holds as many request bodies as it may: come back after Retry-After, or add routers or memory."),
    E.NESTING_TOO_DEEP: ErrorRow(F.CALLER, 400, R.NO, N.NO, NO,
        "The JSON is nested too deeply: flatten it."),
    E.MISSING_KEY: ErrorRow(F.CALLER, 401, R.NO, N.NO, NO,
        "Send `Authorization: Bearer <key>` with a key of a Consumer."),
    E.INVALID_KEY: ErrorRow(F.CALLER, 401, R.NO, N.NO, NO,
        "No Consumer has this key: check for a typing error.",
        code="invalid_api_key"),
    E.EXPIRED_KEY: ErrorRow(F.CALLER, 401, R.NO, N.NO, NO,
        "The key is past its `expiresAt`: ask for a new one.",
        code="expired_api_key"),
    E.MODEL_NOT_ALLOWED: ErrorRow(F.CALLER, 403, R.NO, N.NO, NO,
        "The Consumer's `models` do not permit this model: use another, or have it allowed."),
    E.MODEL_NOT_FOUND: ErrorRow(F.CALLER, 404, R.NO, N.NO, NO,
        "No route serves this model: `GET /v1/models` lists those that are served."),
    E.UNSUPPORTED_ENDPOINT: ErrorRow(F.CALLER, 404, R.NO, N.NO, NO,
        "The router does not serve this path: the message lists what it does."),
    E.METHOD_NOT_ALLOWED: ErrorRow(F.CALLER, 405, R.NO, N.NO, NO,
        "The path exists under another method: see the Allow header."),
    E.NO_PERMITTED_BACKEND: ErrorRow(F.OPERATOR, 404, R.NO, N.ANY, NO,
        "Rules, capabilities or prices leave no backend: the message counts what each filter removed."),
    E.NO_HEALTHY_BACKEND: ErrorRow(F.PROVIDER, 503, R.NO, N.CAPACITY, NO,
        "Backends are permitted, but none can answer now: see the endpoints and conditions of the pools named."),
    E.CAPACITY_EXHAUSTED: ErrorRow(F.PROVIDER, 429, R.NO, N.CAPACITY, NO,
        "Every permitted backend has asked to wait: come back after Retry-After, or add capacity."),
    E.CREDENTIALS_UNAVAILABLE: ErrorRow(F.OPERATOR, 503, R.NO, N.CAPACITY, NO,
        "No usable credential: the router has not got the Secret from the operator, or the provider refused all."),
    E.NOT_READY: ErrorRow(F.ROUTER, 503, R.NO, N.NO, NO,
        "The router has no configuration yet: see whether it reaches the operator."),
    E.DRAINING: ErrorRow(F.ROUTER, 503, R.NO, N.NO, NO,
        "The router is shutting down: the next try reaches another one."),
    E.INTERNAL: ErrorRow(F.ROUTER, 500, R.NO, N.NO, NO,
        "A bug in the router: report it with the request's id from the log."),
}
# fmt: on


def _type(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    return "invalid_request_error" if status < 500 else "server_error"


def _named(error: ErrorClass, row: ErrorRow) -> ErrorRow:
    return row._replace(code=row.code or error.value, otel=row.otel or error.value, type=_type(row.status))


ERRORS: Final[dict[ErrorClass, ErrorRow]] = {error: _named(error, _ROWS[error]) for error in ErrorClass}
"""Every class has its row: a class without one fails at import."""


def http_status(error: ErrorClass, tree: PathTree = "openai") -> int:
    """The status for the client; the one difference between the contracts is an unknown model (OpenRouter: 400)."""
    if error is ErrorClass.MODEL_NOT_FOUND and tree == "openrouter":
        return 400
    return ERRORS[error].status


def markdown_table() -> str:
    """The table of `docs/errors.md`, one line per class."""
    head = (
        "| error | fault | status | `type` | `code` | tried again | next model | breaker | `error.type` | what to do |"
    )
    lines = [head, "|---" * 10 + "|"]
    for error, row in ERRORS.items():
        status = "404 (`/api/v1`: 400)" if error is ErrorClass.MODEL_NOT_FOUND else str(row.status)
        cells = (
            f"`{error}`",
            row.fault,
            status,
            row.type,
            row.code,
            row.retry,
            row.next_model,
            "counts" if row.breaker else "no",
            row.otel,
            row.remedy,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
