"""The API on port 8080: paths, bodies, refusals, probes. One handler for every request. Used by `app`.

It knows HTTP and the error shapes; what a chat completion is, `exchange` knows. Each request ends here with one log
line and its metrics, whatever happened to it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from typing import Final, cast

from aiohttp import web
from aiohttp.http import HttpProcessingError

from tieline_router.apis import PathTree
from tieline_router.errors import ERRORS, ErrorClass, http_status
from tieline_router.runtime.bodies import Bodies
from tieline_router.runtime.call import Call, Refused
from tieline_router.runtime.clock import Clock
from tieline_router.runtime.connection import Connection
from tieline_router.runtime.exchange import Exchange
from tieline_router.runtime.interceptors import Interceptor, KeyCheck, around
from tieline_router.runtime.reply import ClientGone, Heads, Reply
from tieline_router.runtime.snapshots import Snapshot, SnapshotStore
from tieline_router.settings import RouterSettings
from tieline_router.streaming.sse import encode_event
from tieline_router.telemetry.logs import RequestLine, log_request
from tieline_router.telemetry.metrics import Metrics
from tieline_router.wire.chat import BadRequest, read_chat
from tieline_router.wire.errors import Problem, error_body, error_chunk, retry_after_header
from tieline_router.wire.models import models_body

logger = logging.getLogger(__name__)

TREES: Final[tuple[tuple[str, PathTree], ...]] = (("/api/v1", "openrouter"), ("/v1", "openai"))
CHAT: Final = "/chat/completions"
MODELS: Final = "/models"
METHODS: Final = {CHAT: "POST", MODELS: "GET"}
READY: Final = "/readyz"
PROBES: Final = frozenset({"/healthz", READY})
SERVED: Final = ", ".join(f"{method} /v1{path}" for path, method in METHODS.items())


class _OurFaultsOnly(logging.Filter):
    """Keeps clients that speak no HTTP out of the log: aiohttp would write a stack for each, and quote the line, which
    may hold a key."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            return True
        logger.debug("a client sent what is no HTTP request: %s", type(error).__name__)
        return False


http_logger: Final = logging.getLogger("tieline_router.http")
"""For aiohttp's own reports about connections."""
http_logger.addFilter(_OurFaultsOnly())


def path_tree(path: str) -> tuple[PathTree, str]:
    """Whose contract a path follows, and the rest of it. Paths outside both trees get OpenAI's errors."""
    for prefix, tree in TREES:
        if path == prefix or path.startswith(prefix + "/"):
            return tree, path[len(prefix) :].rstrip("/")
    return "openai", ""


class ApiServer:
    """The request handler and what it needs; `app` gives it a socket."""

    def __init__(
        self,
        settings: RouterSettings,
        store: SnapshotStore,
        exchange: Exchange,
        metrics: Metrics,
        clock: Clock,
        *,
        around_decision: Sequence[Interceptor] = (),
        around_attempts: Sequence[Interceptor] = (),
    ) -> None:
        self._settings = settings
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._keys = KeyCheck(
            clock, required=settings.auth == "Required", anonymous_namespace=settings.anonymous_namespace
        )
        bodies = Bodies(settings)
        attempts = around(around_attempts, exchange.attempt)

        async def decide_and_attempt(call: Call) -> None:
            with bodies.room() as room:
                if call.request.headers.get("Expect", "").lower() == "100-continue":
                    call.reply.proceed()
                call.chat = read_chat(await bodies.read(call.request, room), call.tree)
                exchange.decide(call)
                await attempts(call)

        self._chat = around((self._keys, *around_decision), decide_and_attempt)
        self._heads = Heads(clock)
        self.draining = False
        self.cutting = False
        """What is still in flight is ended by us, not by its client."""
        self.in_flight = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Every request to the port: the API's, and probes."""
        connection = cast(Connection, request.protocol)
        generation_id = new_generation_id()
        reply = Reply(request, connection, generation_id, self._heads, last=self.draining)
        try:
            if request.path in PROBES:
                reply.whole(*self._probe(request.path))
                await reply.send()
            else:
                await self._handle(request, reply, generation_id)
        finally:
            reply.close()
        # aiohttp asks of a response only what `Reply` has: `keep_alive`, `prepare` and `write_eof`.
        return cast(web.StreamResponse, reply)

    def _probe(self, path: str) -> tuple[int, bytes]:
        if path == READY and self.draining:
            return 503, b'{"status":"draining"}'
        if path == READY and not self._store.ready:
            return 503, b'{"status":"no configuration yet"}'
        return 200, b'{"status":"ok"}'

    async def _handle(self, request: web.BaseRequest, reply: Reply, generation_id: str) -> None:
        """A request to the API, from its headers to its log line."""
        tree, path = path_tree(request.path)
        started, began = self._clock.now(), self._clock.monotonic()
        call: Call | None = None
        error: ErrorClass | None = ErrorClass.INTERNAL
        self.in_flight += 1
        self._metrics.in_flight.inc()
        try:
            check_path(request, path)
            call = Call(request, tree, generation_id, started, reply, self._snapshot())
            await self._serve(call, path)
            await reply.send()
            error = None
        except Refused as refused:
            error = refused.problem.error
            await self._refuse(reply, refused.problem, tree, call)
        except BadRequest as bad:
            error = bad.error
            await self._refuse(reply, Problem(bad.error, str(bad), bad.param), tree, call)
        except (ClientGone, ConnectionError):
            error = ErrorClass.CLIENT_DISCONNECTED
            reply.abort()
        except asyncio.CancelledError:
            error = ErrorClass.DRAINING if self.cutting else ErrorClass.CLIENT_DISCONNECTED
            raise
        except Exception:
            logger.exception("%s: a bug in the router", generation_id)
            remedy = ERRORS[ErrorClass.INTERNAL].remedy
            await self._refuse(reply, Problem(ErrorClass.INTERNAL, f"{remedy} ({generation_id})"), tree, call)
        finally:
            self.in_flight -= 1
            self._metrics.in_flight.dec()
            self._record(request, generation_id, call, error, self._clock.monotonic() - began)

    def _snapshot(self) -> Snapshot:
        if self._store.current is None:
            raise Refused(Problem(ErrorClass.NOT_READY, ERRORS[ErrorClass.NOT_READY].remedy, retry_after=1.0))
        return self._store.current

    async def _serve(self, call: Call, path: str) -> None:
        if path == MODELS:
            self._keys.admit(call)
            assert call.caller is not None  # noqa: S101 - admitted
            listings = call.snapshot.table.models(call.caller.namespace, call.caller.consumer)
            call.reply.whole(200, models_body(listings, call.tree))
        else:
            await self._chat(call)

    async def _refuse(self, reply: Reply, problem: Problem, tree: PathTree, call: Call | None) -> None:
        if not reply.streaming:
            headers = {}
            if problem.retry_after is not None:
                headers["Retry-After"] = retry_after_header(problem.retry_after)
            if problem.error is ErrorClass.METHOD_NOT_ALLOWED:
                headers["Allow"] = problem.param or ""
                problem = problem._replace(param=None)
            if problem.error in {ErrorClass.MISSING_KEY, ErrorClass.INVALID_KEY, ErrorClass.EXPIRED_KEY}:
                headers["WWW-Authenticate"] = "Bearer"
            reply.whole(http_status(problem.error, tree), error_body(problem, tree), headers)
        try:
            if reply.streaming:
                reply.push(encode_event(self._error_chunk(problem, tree, call)))
                reply.end()
                await reply.drain()
            await reply.send()
        except ClientGone:
            logger.debug("the client left before it could be told of %s", problem.error)
            reply.abort()

    def _error_chunk(self, problem: Problem, tree: PathTree, call: Call | None) -> bytes:
        return error_chunk(
            problem,
            tree,
            generation_id=call.generation_id if call else "",
            model=(call.answered_model if call else "") or "unknown",
            provider=problem.provider,
            created=int(self._clock.now()),
        )

    def _record(
        self, request: web.BaseRequest, generation_id: str, call: Call | None, error: ErrorClass | None, seconds: float
    ) -> None:
        decision = call.decision if call else None
        route = decision.route.key if decision and decision.route else ""
        stream = bool(call and call.chat and call.chat.view.stream)
        first = None
        if call and stream and call.committed_at is not None:
            first = max(0.0, call.committed_at - call.started)
            self._metrics.first_token(route, first)
        self._metrics.request(route, error, stream=stream, seconds=seconds)
        tree, _ = path_tree(request.path)
        log_request(
            RequestLine(
                generation=generation_id,
                outcome=error.value if error else "ok",
                status=http_status(error, tree) if error else 200,
                path=request.path if len(request.path) <= 64 else request.path[:64],
                stream=stream,
                consumer=call.caller.consumer_key if call and call.caller else "",
                key=call.caller.key_name if call and call.caller else "",
                route=route,
                model=call.chat.view.model[:256] if call and call.chat else "",
                answered_by=call.answered_by if call and error is None else "",
                attempts=tuple(call.attempts) if call else (),
                prompt_tokens=call.usage.prompt if call and call.usage else None,
                completion_tokens=call.usage.completion if call and call.usage else None,
                cost_usd=call.cost_usd if call else None,
                first_token_ms=None if first is None else round(first * 1000, 3),
                ms=round(seconds * 1000, 3),
            )
        )


def new_generation_id() -> str:
    """`gen-` and 26 characters that nobody can guess."""
    return f"gen-{secrets.token_hex(13)}"


def check_path(request: web.BaseRequest, path: str) -> None:
    """Refuses paths and methods that are not served, in the shape of the contract."""
    method = METHODS.get(path)
    if method is None:
        message = f"{request.method} {request.path[:128]} is not served by this router; it serves {SERVED}"
        raise Refused(Problem(ErrorClass.UNSUPPORTED_ENDPOINT, message))
    if request.method != method:
        message = f"{request.path[:128]} takes {method}, not {request.method}"
        raise Refused(Problem(ErrorClass.METHOD_NOT_ALLOWED, message, param=method))
