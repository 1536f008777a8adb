"""The admin API on port 8081: metrics, the explanation of a decision, and what the router knows, as documented JSON.

Read-only and without keys; it shows no secret, and of a key's hash eight characters. Used by `app`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from tieline_router.apis import CHAT, OPERATIONS, Dialect, Operation
from tieline_router.errors import ErrorClass
from tieline_router.routing.breaker import State
from tieline_router.routing.callers import Caller
from tieline_router.routing.decide import decide, explain_fallbacks
from tieline_router.routing.endpoint import EndpointState
from tieline_router.routing.live import LiveTable
from tieline_router.routing.view import RequestView, needed_parameters
from tieline_router.runtime.clock import Clock
from tieline_router.runtime.snapshots import Snapshot, SnapshotStore
from tieline_router.telemetry.metrics import Metrics
from tieline_router.wire.errors import Problem, error_body

HASH_CHARACTERS: Final = 8
MAX_DIGITS: Final = 9
DEFAULT_PROMPT_TOKENS: Final = 1000
"""Of an explained request that names no size; the same as that of `tieline explain`."""
_encoder: Final = msgspec.json.Encoder(decimal_format="string")


class AdminServer:
    """Handlers of the admin port."""

    def __init__(
        self,
        store: SnapshotStore,
        live: LiveTable,
        metrics: Metrics,
        clock: Clock,
        draw: Callable[[], float],
        *,
        anonymous_namespace: str,
    ) -> None:
        self._store = store
        self._live = live
        self._metrics = metrics
        self._clock = clock
        self._draw = draw
        self._anonymous = anonymous_namespace

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/metrics", self._render_metrics)
        app.router.add_get("/admin/explain", self._explain)
        app.router.add_get("/admin/snapshot", self._snapshot)
        app.router.add_get("/admin/endpoints", self._endpoints)
        return app

    async def _render_metrics(self, _request: web.Request) -> web.Response:
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        self._metrics.take_sample()
        # In a thread the loop gets its turn every few milliseconds; here each stream would stand still meanwhile.
        return web.Response(body=await asyncio.to_thread(self._metrics.render), headers=headers)

    async def _explain(self, request: web.Request) -> web.Response:
        snapshot = self._store.current
        if snapshot is None:
            return _problem(503, ErrorClass.NOT_READY, "the router has no configuration yet")
        try:
            view = view_of_query(request.query)
            caller = self._caller(snapshot, request.query)
        except ValueError as error:
            return _problem(400, ErrorClass.INVALID_TYPE, str(error))
        decision = decide(view, caller, snapshot.table, self._live, self._clock.now(), self._draw)
        if decision.route is not None:
            decision = explain_fallbacks(decision, self._live, self._draw)
        return _json({"revision": str(snapshot.revision), **decision.to_json()})

    def _caller(self, snapshot: Snapshot, query: Any) -> Caller:
        name = query.get("consumer")
        if name is None:
            return Caller(query.get("namespace", self._anonymous))
        for consumer in snapshot.table.config.consumers:
            if name in {consumer.key, consumer.key.partition("/")[2]} and query.get("namespace") in {
                None,
                consumer.namespace,
            }:
                return Caller(consumer.namespace, consumer)
        raise ValueError(f"consumer {name!r} is not in the configuration: name it as namespace/name")

    async def _snapshot(self, _request: web.Request) -> web.Response:
        snapshot = self._store.current
        if snapshot is None:
            return _problem(503, ErrorClass.NOT_READY, "the router has no configuration yet")
        secrets = self._store.secrets.values if self._store.secrets else {}
        return _json(
            {
                "revision": msgspec.to_builtins(snapshot.revision),
                "scope": snapshot.scope,
                "contentHash": snapshot.content_hash,
                "holds": {kind: str(revision) for kind, revision in self._store.holds().items()},
                "secrets": {name: {"version": value.version} for name, value in secrets.items()},
                "config": redacted(msgspec.json.decode(_encoder.encode(snapshot.table.config))),
            }
        )

    async def _endpoints(self, _request: web.Request) -> web.Response:
        now = self._clock.now()
        confirmed = self._live.confirmed_at
        return _json(
            {
                "confirmedSecondsAgo": round(now - confirmed, 3) if math.isfinite(confirmed) else None,
                "stale": self._live.stale(now),
                "endpoints": [_endpoint(endpoint, now) for endpoint in self._live.all_endpoints(now)],
            }
        )


def _endpoint(endpoint: EndpointState, now: float) -> dict[str, Any]:
    """One endpoint; its breaker is the one that stands out most, and `models` has those of single models."""
    breaker = endpoint.worst()
    return {
        "pool": endpoint.pool.key,
        "address": endpoint.address,
        "rank": endpoint.rank,
        "ready": endpoint.ready,
        "terminating": endpoint.terminating,
        "inFlight": endpoint.in_flight,
        "breaker": breaker.state.value,
        "consecutiveFailures": breaker.failures,
        "ejectedForSeconds": _left(breaker.until, now) if breaker.state is State.OPEN else None,
        "pausedForSeconds": _left(endpoint.cooldown.until, now),
        "models": [
            {"model": model, "credential": credential or None, "breaker": one.state.value, "failures": one.failures}
            for (model, credential), one in endpoint.models.items()
        ],
    }


def view_of_query(query: Any) -> RequestView:
    """The request that a query describes.

    Raises:
        ValueError: `model` is missing, `api` is none, or a number is none.
    """
    model = query.get("model")
    if not model:
        raise ValueError("say which model: /admin/explain?model=NAME")
    prompt_tokens = _number(query, "prompt_tokens")
    return RequestView(
        model=model,
        operation=_operation(query.get("api", CHAT.api.value)),
        stream=_flag(query, "stream"),
        prompt_tokens=DEFAULT_PROMPT_TOKENS if prompt_tokens is None else prompt_tokens,
        max_tokens=_number(query, "max_tokens"),
        parameters=needed_parameters(tools=_flag(query, "tools"), response_format=query.get("response_format")),
    )


def _operation(api: str) -> Operation:
    """The first operation of an API, as a model's `apis` names it."""
    found = next((operation for operation in OPERATIONS.values() if operation.api == api), None)
    if found is None:
        known = ", ".join(dict.fromkeys(operation.api.value for operation in OPERATIONS.values()))
        raise ValueError(f"api is one of {known}, not {api[:32]!r}")
    return found


def _flag(query: Any, name: str) -> bool:
    value = query.get(name, "false")
    if value not in {"true", "false"}:
        raise ValueError(f"{name} is true or false, not {value!r}")
    return bool(value == "true")


def _number(query: Any, name: str) -> int | None:
    value = query.get(name)
    if value is None:
        return None
    if len(value) > MAX_DIGITS or not value.isascii() or not value.isdigit():
        raise ValueError(f"{name} is a whole number of at most {MAX_DIGITS} digits, not {value[:32]!r}")
    return int(value)


def redacted(config: Any) -> Any:
    """A configuration for people: hashes of keys are cut, and plain header values are hidden, because some put keys
    there."""
    for consumer in config.get("consumers", ()):
        for key in consumer.get("keys", ()):
            key["sha256"] = key["sha256"][:HASH_CHARACTERS] + "…"
    for pool in config.get("pools", ()):
        for header in pool.get("headers", ()):
            if "value" in header:
                header["value"] = "…"
    return config


def _left(until: float, now: float) -> float | None:
    return round(until - now, 3) if until > now else None


def _json(value: Any) -> web.Response:
    return web.Response(body=_encoder.encode(value), content_type="application/json")


def _problem(status: int, error: ErrorClass, message: str) -> web.Response:
    body = error_body(Problem(error, message), Dialect("openai"))
    return web.Response(status=status, body=body, content_type="application/json")
