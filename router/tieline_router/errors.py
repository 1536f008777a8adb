"""The one error table: every way in which a request can fail, whose fault it is, and what follows from it.

A provider's failure and our own refusals have the same shape: a class with one row. The attempt machine reads `retry`
and `next_model`, breakers read `ejects`, metering reads `billed`, the wire layer reads `status` and the words of each
contract, telemetry writes `otel`. Nobody decides by status code or text anywhere else; `routing/classify.py` turns what
a provider answered into a class. `docs/errors.md` is this table in words; a test compares them.

Constants and pure look-ups only. Words for types and codes are those of OpenAI, OpenRouter and Anthropic.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tieline_router.apis import PathTree
from tieline_router.error_words import Billed, Ejects, ErrorClass, Fault, NextModel, Retry

__all__ = [
    "ERRORS",
    "Billed",
    "Ejects",
    "ErrorClass",
    "ErrorRow",
    "Fault",
    "NextModel",
    "Retry",
    "anthropic_type",
    "http_status",
]


class ErrorRow(NamedTuple):
    """What follows from one class of failure."""

    fault: Fault
    status: int
    """HTTP status that the client gets while headers are not sent."""
    retry: Retry
    next_model: NextModel
    ejects: Ejects
    """Whose breaker counts it."""
    billed: Billed
    """Whether the provider charges for the attempt."""
    remedy: str
    """One sentence: what happened, and what to do about it."""
    code: str = ""
    """OpenAI `error.code`; the class's own name unless OpenAI has one."""
    otel: str = ""
    """Value of the OpenTelemetry attribute `error.type`; the class's own name unless the conventions have one."""
    openrouter_type: str = ""
    """OpenRouter `error.metadata.error_type`; follows from the status unless stated."""
    availability: str = ""
    """OpenRouter `error.availability.code`, where the error is about who may answer; else empty."""
    type: str = ""
    """OpenAI `error.type`, which follows from the status."""


E, F, R, N, J, B = ErrorClass, Fault, Retry, NextModel, Ejects, Billed

# fmt: off
_ROWS: Final[dict[ErrorClass, ErrorRow]] = {
    # what an attempt can come to
    E.CONNECT_REFUSED: ErrorRow(F.NETWORK, 502, R.ENDPOINT, N.CAPACITY, J.ENDPOINT, B.NO,
        "The endpoint refused the connection: is the server up and listening on the port that the pool names?"),
    E.CONNECT_TIMEOUT: ErrorRow(F.NETWORK, 504, R.ENDPOINT, N.CAPACITY, J.ENDPOINT, B.NO,
        "No connection within `timeouts.connect`: look at the node, network policies and the address."),
    E.NAME_UNRESOLVED: ErrorRow(F.NETWORK, 502, R.ENDPOINT, N.CAPACITY, J.ENDPOINT, B.NO,
        "The endpoint's host name does not resolve: check the pool's address and the cluster's DNS."),
    E.ADDRESS_REFUSED: ErrorRow(F.OPERATOR, 502, R.POOL, N.CAPACITY, J.ENDPOINT, B.NO,
        "A host resolves to where its pool may not reach: private (External; `connection.allowPrivate`), or loopback."),
    E.TLS: ErrorRow(F.OPERATOR, 502, R.ENDPOINT, N.CAPACITY, J.ENDPOINT, B.NO,
        "The TLS handshake failed: check `connection.tls` (server name, CA) and the server's certificate."),
    E.RESET_BEFORE_HEADERS: ErrorRow(F.PROVIDER, 502, R.ENDPOINT, N.CAPACITY, J.ENDPOINT, B.UNKNOWN,
        "The server closed the connection before it answered: look for a crash in its log."),
    E.RESET_MID_STREAM: ErrorRow(F.PROVIDER, 502, R.ENDPOINT, N.CAPACITY, J.ENDPOINT, B.UNKNOWN,
        "The server closed the connection inside its answer: look for a crash in its log."),
    E.TIMEOUT_FIRST_TOKEN: ErrorRow(F.PROVIDER, 504, R.ELSEWHERE, N.CAPACITY, J.MODEL, B.UNKNOWN,
        "No content within `timeouts.firstToken`: the server is overloaded, or the limit too short for such prompts.",
        otel="timeout"),
    E.TIMEOUT_RESPONSE: ErrorRow(F.PROVIDER, 504, R.ELSEWHERE, N.CAPACITY, J.MODEL, B.UNKNOWN,
        "No answer within `timeouts.response`: the server is overloaded, or the limit too short; streaming avoids it.",
        otel="timeout"),
    E.TIMEOUT_IDLE: ErrorRow(F.PROVIDER, 504, R.ELSEWHERE, N.CAPACITY, J.MODEL, B.UNKNOWN,
        "The stream was silent for `timeouts.idle`: the server hangs.",
        otel="timeout"),
    E.TIMEOUT_TOTAL: ErrorRow(F.PROVIDER, 504, R.NO, N.NO, J.NO, B.UNKNOWN,
        "The request used up `timeouts.request`, all attempts together.",
        otel="timeout"),
    E.STATUS_429: ErrorRow(F.PROVIDER, 429, R.POOL, N.CAPACITY, J.NO, B.NO,
        "The provider limits the rate: wait for Retry-After, add a credential, or add a pool.",
        code="rate_limit_exceeded", otel="429", availability="capacity_exhausted"),
    E.STATUS_5XX: ErrorRow(F.PROVIDER, 502, R.ENDPOINT, N.CAPACITY, J.MODEL, B.NO,
        "The provider failed (5xx): its own log or status page says why."),
    E.OVERLOADED: ErrorRow(F.PROVIDER, 503, R.ENDPOINT, N.CAPACITY, J.NO, B.NO,
        "The provider says that it is overloaded and when to come back: wait for Retry-After, or add capacity.",
        availability="temporarily_unavailable"),
    E.STATUS_401_402_403: ErrorRow(F.OPERATOR, 502, R.POOL, N.CAPACITY, J.NO, B.NO,
        "The provider refuses the pool's credential (401, 402, 403): renew the Secret, or top up the account.",
        code="provider_credentials_refused"),
    E.STATUS_404_MODEL: ErrorRow(F.OPERATOR, 502, R.POOL, N.ANY, J.MODEL, B.NO,
        "The provider does not know the model or the path: correct `upstreamName` or the pool's address.",
        code="provider_model_not_found", availability="model_unavailable_upstream"),
    E.CONTEXT_LENGTH: ErrorRow(F.CALLER, 400, R.LARGER_CONTEXT, N.CONTEXT_LENGTH, J.NO, B.NO,
        "The prompt does not fit the model's context: shorten it, ask for less, or use a model with more context.",
        code="context_length_exceeded", openrouter_type="context_length_exceeded", availability="constraint_filtered"),
    E.CONTENT_POLICY: ErrorRow(F.CALLER, 400, R.NO, N.CONTENT_POLICY, J.NO, B.UNKNOWN,
        "The provider's content policy refuses the prompt: change it, or use another model.",
        code="content_policy_violation", openrouter_type="content_policy_violation"),
    E.BAD_REQUEST: ErrorRow(F.CALLER, 400, R.NO, N.NO, J.NO, B.NO,
        "The provider refuses the request as wrong (400, 413, 422): its message says which field."),
    E.TRUNCATED: ErrorRow(F.PROVIDER, 502, R.ENDPOINT, N.CAPACITY, J.MODEL, B.UNKNOWN,
        "The answer ended in the middle: look for a crash in the server's log."),
    E.MISSING_FINISH: ErrorRow(F.PROVIDER, 502, R.ENDPOINT, N.CAPACITY, J.MODEL, B.UNKNOWN,
        "The stream ended without a finish reason: the answer is not known to be complete."),
    E.ERROR_EVENT: ErrorRow(F.PROVIDER, 502, R.ENDPOINT, N.CAPACITY, J.MODEL, B.UNKNOWN,
        "The provider reported an error inside the stream: its message says what."),
    E.GARBAGE: ErrorRow(F.PROVIDER, 502, R.ENDPOINT, N.ANY, J.MODEL, B.UNKNOWN,
        "The answer is not what the protocol allows: check that the address is that of a model server."),
    E.ANSWER_TOO_LARGE: ErrorRow(F.PROVIDER, 502, R.NO, N.NO, J.NO, B.YES,
        "The answer is larger than the router holds: ask for fewer tokens, or stream."),
    E.EMPTY: ErrorRow(F.PROVIDER, 502, R.ONCE, N.ANY, J.NO, B.YES,
        "The answer was empty, twice: ask again, or look at the prompt and the stop sequences.",
        code="empty_answer"),
    E.REDIRECT_REFUSED: ErrorRow(F.OPERATOR, 502, R.POOL, N.ANY, J.ENDPOINT, B.NO,
        "The provider redirects, which is never followed: name the final address in the pool."),
    E.CLIENT_DISCONNECTED: ErrorRow(F.CALLER, 499, R.NO, N.NO, J.NO, B.UNKNOWN,
        "The client went away before the answer was complete."),
    E.STALLED_CLIENT: ErrorRow(F.CALLER, 499, R.NO, N.NO, J.NO, B.UNKNOWN,
        "The client took nothing of the answer for too long, so it was cut: look at the client or its network."),
    E.HEDGE_LOST: ErrorRow(F.ROUTER, 499, R.NO, N.NO, J.NO, B.UNKNOWN,
        "Another attempt of the same request was first, so this one was given up: nothing to do, no client sees it."),
    # what we refuse ourselves
    E.INVALID_JSON: ErrorRow(F.CALLER, 400, R.NO, N.NO, J.NO, B.NO,
        "The body is not JSON: the message names the position."),
    E.INVALID_TYPE: ErrorRow(F.CALLER, 400, R.NO, N.NO, J.NO, B.NO,
        "A field has the wrong type or value: the message names it."),
    E.MISSING_FIELD: ErrorRow(F.CALLER, 400, R.NO, N.NO, J.NO, B.NO,
        "A required field is missing: the message names it."),
    E.UNSUPPORTED_PARAMETER: ErrorRow(F.CALLER, 400, R.NO, N.NO, J.NO, B.NO,
        "The request asks for what the router does not serve: leave out the field that the message names."),
    E.UNTRANSLATABLE: ErrorRow(F.CALLER, 400, R.OTHER_API, N.ANY, J.NO, B.NO,
        "No backend speaks the client's API, and a field has no equal in theirs: the message names it."),
    E.COUNT_NOT_SERVED: ErrorRow(F.PROVIDER, 404, R.POOL, N.NO, J.NO, B.NO,
        "No backend of this model counts tokens, and the router never estimates: go without, or add a pool that does."),
    E.UNSUPPORTED_MEDIA_TYPE: ErrorRow(F.CALLER, 415, R.NO, N.NO, J.NO, B.NO,
        "Send `Content-Type: application/json` (multipart for files), plain or compressed with gzip or zstd."),
    E.BODY_TOO_LARGE: ErrorRow(F.CALLER, 413, R.NO, N.NO, J.NO, B.NO,
        "The body is over the router's limit: send less, or raise the limit."),
    E.BAD_HTTP: ErrorRow(F.CALLER, 400, R.NO, N.NO, J.NO, B.NO,
        "What came is not HTTP/1.1: look at the client, or at the proxy in between (TLS to a port without it?)."),
    E.HEAD_TOO_LARGE: ErrorRow(F.CALLER, 431, R.NO, N.NO, J.NO, B.NO,
        "The request line or a header is longer than 8,190 bytes: send less there; prompts belong into the body."),
    E.BODY_TIMEOUT: ErrorRow(F.CALLER, 408, R.NO, N.NO, J.NO, B.NO,
        "The body did not arrive in time: look at the client or its network."),
    E.BODIES_EXHAUSTED: ErrorRow(F.ROUTER, 503, R.NO, N.NO, J.NO, B.NO,
        "The router holds as many request bodies as it may: come back after Retry-After, or add routers or memory.",
        openrouter_type="server"),
    E.NESTING_TOO_DEEP: ErrorRow(F.CALLER, 400, R.NO, N.NO, J.NO, B.NO,
        "The JSON is nested too deeply: flatten it."),
    E.MISSING_KEY: ErrorRow(F.CALLER, 401, R.NO, N.NO, J.NO, B.NO,
        "Send `Authorization: Bearer <key>` with a key of a Consumer."),
    E.INVALID_KEY: ErrorRow(F.CALLER, 401, R.NO, N.NO, J.NO, B.NO,
        "No Consumer has this key: check for a typing error.",
        code="invalid_api_key"),
    E.EXPIRED_KEY: ErrorRow(F.CALLER, 401, R.NO, N.NO, J.NO, B.NO,
        "The key is past its `expiresAt`: ask for a new one.",
        code="expired_api_key"),
    E.MODEL_NOT_ALLOWED: ErrorRow(F.CALLER, 403, R.NO, N.NO, J.NO, B.NO,
        "The Consumer's `models` do not permit this model: use another, or have it allowed.",
        availability="constraint_filtered"),
    E.MODEL_NOT_FOUND: ErrorRow(F.CALLER, 404, R.NO, N.NO, J.NO, B.NO,
        "No route serves this model: `GET /v1/models` lists those that are served.",
        availability="model_not_found"),
    E.NOT_FOUND: ErrorRow(F.CALLER, 404, R.NO, N.NO, J.NO, B.NO,
        "There is no such thing under this path: the message names it."),
    E.UNSUPPORTED_ENDPOINT: ErrorRow(F.CALLER, 404, R.NO, N.NO, J.NO, B.NO,
        "The router does not serve this path: the message lists what it does.",
        availability="wrong_endpoint"),
    E.METHOD_NOT_ALLOWED: ErrorRow(F.CALLER, 405, R.NO, N.NO, J.NO, B.NO,
        "The path exists under another method: see the Allow header.",
        availability="wrong_endpoint"),
    E.NO_PERMITTED_BACKEND: ErrorRow(F.OPERATOR, 404, R.NO, N.ANY, J.NO, B.NO,
        "Rules, capabilities or prices leave no backend: the message counts what each filter removed.",
        availability="constraint_filtered"),
    E.NO_HEALTHY_BACKEND: ErrorRow(F.PROVIDER, 503, R.NO, N.CAPACITY, J.NO, B.NO,
        "Backends are permitted, but none can answer now: see the endpoints and conditions of the pools named.",
        openrouter_type="provider_unavailable", availability="temporarily_unavailable"),
    E.CAPACITY_EXHAUSTED: ErrorRow(F.PROVIDER, 429, R.NO, N.CAPACITY, J.NO, B.NO,
        "Every permitted backend has asked to wait: come back after Retry-After, or add capacity.",
        availability="capacity_exhausted"),
    E.QUEUE_FULL: ErrorRow(F.PROVIDER, 429, R.POOL, N.CAPACITY, J.NO, B.NO,
        "The pool is at `limits.concurrency` and its queue is full: come back after Retry-After, or add capacity.",
        availability="capacity_exhausted"),
    E.QUEUE_TIMEOUT: ErrorRow(F.PROVIDER, 503, R.POOL, N.CAPACITY, J.NO, B.NO,
        "No place at the pool within `limits.queue.timeout`: come back after Retry-After, or add capacity.",
        availability="temporarily_unavailable"),
    E.CREDENTIALS_UNAVAILABLE: ErrorRow(F.OPERATOR, 503, R.NO, N.CAPACITY, J.NO, B.NO,
        "No usable credential: the router has not got the Secret from the operator, or the provider refused all.",
        openrouter_type="provider_unavailable", availability="temporarily_unavailable"),
    E.NOT_READY: ErrorRow(F.ROUTER, 503, R.NO, N.NO, J.NO, B.NO,
        "The router has no configuration yet: see whether it reaches the operator.",
        openrouter_type="server"),
    E.DRAINING: ErrorRow(F.ROUTER, 503, R.NO, N.NO, J.NO, B.NO,
        "The router is shutting down: the next try reaches another one.",
        openrouter_type="server"),
    E.INTERNAL: ErrorRow(F.ROUTER, 500, R.NO, N.NO, J.NO, B.UNKNOWN,
        "A bug in the router: report it with the request's id from the log."),
}
# fmt: on

_OPENROUTER_TYPES: Final = {
    401: "authentication", 403: "permission_denied", 404: "not_found", 408: "timeout", 413: "payload_too_large",
    429: "rate_limit_exceeded", 500: "server", 502: "provider_unavailable", 503: "provider_overloaded", 504: "timeout",
}  # fmt: skip
"""By status; the rest is `invalid_request`."""
_ANTHROPIC_TYPES: Final = {
    "authentication": "authentication_error",
    "permission_denied": "permission_error",
    "payment_required": "billing_error",
    "not_found": "not_found_error",
    "payload_too_large": "request_too_large",
    "rate_limit_exceeded": "rate_limit_error",
    "provider_overloaded": "overloaded_error",
    "timeout": "timeout_error",
}


def _openai_type(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    return "invalid_request_error" if status < 500 else "server_error"


def _named(error: ErrorClass, row: ErrorRow) -> ErrorRow:
    return row._replace(
        code=row.code or error.value,
        otel=row.otel or error.value,
        openrouter_type=row.openrouter_type or _OPENROUTER_TYPES.get(row.status, "invalid_request"),
        type=_openai_type(row.status),
    )


ERRORS: Final[dict[ErrorClass, ErrorRow]] = {error: _named(error, _ROWS[error]) for error in ErrorClass}
"""Every class has its row: a class without one fails at import."""


def http_status(error: ErrorClass, tree: PathTree = "openai") -> int:
    """The status for the client; the one difference between the contracts is an unknown model (OpenRouter: 400)."""
    if error is ErrorClass.MODEL_NOT_FOUND and tree == "openrouter":
        return 400
    return ERRORS[error].status


def anthropic_type(error: ErrorClass) -> str:
    """`error.type` of Anthropic's contract: OpenRouter's word in Anthropic's; else by who erred."""
    row = ERRORS[error]
    return _ANTHROPIC_TYPES.get(row.openrouter_type) or ("invalid_request_error" if row.status < 500 else "api_error")
