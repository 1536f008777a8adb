"""The API on port 8080: paths, bodies, refusals, probes. One handler for every request. Used by `app`.

It knows HTTP and who asks for what; what an inference is, `exchange` knows. Each request ends here with one log line
and its metrics, whatever happened to it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, cast

from aiohttp import web
from aiohttp.http import HttpProcessingError

from tieline_router.errors import ERRORS, ErrorClass
from tieline_router.runtime.bodies import Bodies
from tieline_router.runtime.call import Call, Refused
from tieline_router.runtime.clock import Clock
from tieline_router.runtime.connection import Connection
from tieline_router.runtime.exchange import Exchange
from tieline_router.runtime.generations import Generations
from tieline_router.runtime.interceptors import Interceptor, KeyCheck, around
from tieline_router.runtime.lookups import Lookups
from tieline_router.runtime.paths import EXACT, SERVED, WEBSOCKETS, Place, place
from tieline_router.runtime.records import Records, new_generation_id
from tieline_router.runtime.reply import ClientGone, Heads, Reply
from tieline_router.runtime.snapshots import Snapshot, SnapshotStore
from tieline_router.settings import RouterSettings
from tieline_router.telemetry.metrics import Metrics
from tieline_router.wire.errors import Problem, error_body, error_event, error_headers, error_status
from tieline_router.wire.request import BadRequest, read_request

logger = logging.getLogger(__name__)

READY: Final = "/readyz"
PROBES: Final = frozenset({"/healthz", READY})
STARTING_SECONDS: Final = 1.0
"""When to come back to a router that has no configuration yet."""


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
        self._store = store
        self._clock = clock
        generations = Generations(settings.max_generations)
        self._records = Records(metrics, clock, generations)
        self._heads = Heads(clock)
        self._keys = KeyCheck(
            clock, required=settings.auth == "Required", anonymous_namespace=settings.anonymous_namespace
        )
        self._lookups = Lookups(generations)
        bodies = Bodies(settings)
        attempts = around(around_attempts, exchange.attempt)

        async def read_and_attempt(call: Call) -> None:
            operation = call.dialect.operation
            assert operation is not None  # noqa: S101 - inference is what has one
            request = call.request
            with bodies.room() as room:
                if "Expect" in request.headers and request.headers["Expect"].lower() == "100-continue":
                    call.reply.proceed()
                body = await bodies.read(request, room, operation.body)
                content_type = request.headers.get("Content-Type", "application/json")
                call.asked = read_request(operation, body, call.dialect.tree, content_type)
                exchange.decide(call)
                await attempts(call)

        self._infer = around((self._keys, *around_decision), read_and_attempt)
        self.draining = False
        self.cutting = False
        """What is still in flight is ended by us, not by its client."""

    @property
    def in_flight(self) -> int:
        """Requests under way, probes aside."""
        return self._records.in_flight

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Every request to the port: the API's, and probes."""
        connection = cast(Connection, request.protocol)
        generation_id = new_generation_id()
        reply = Reply(request, connection, generation_id, self._heads, last=self.draining)
        path = request.raw_path
        found = EXACT.get(path)  # nearly always: decoding the path costs 1.5 µs
        if found is None:
            path = request.path
        if path in PROBES:
            reply.whole(*self._probe(path))
            await reply.send()
        else:
            found = found or place(path)
            call = Call(request, path, found.dialect, generation_id, self._clock.now(), reply)
            await self._handle(call, found)
        # aiohttp asks of a response only what `Reply` has: `keep_alive`, `prepare` and `write_eof`.
        return cast(web.StreamResponse, reply)

    def _probe(self, path: str) -> tuple[int, bytes]:
        if path == READY and self.draining:
            return 503, b'{"status":"draining"}'
        if path == READY and not self._store.ready:
            return 503, b'{"status":"no configuration yet"}'
        return 200, b'{"status":"ok"}'

    async def _handle(self, call: Call, found: Place) -> None:
        """A request to the API, from its headers to its log line."""
        reply = call.reply
        began = self._records.begin()
        error: ErrorClass | None = ErrorClass.INTERNAL
        try:
            check(call, found)
            call.snapshot = self._snapshot()
            if found.lookup is None:
                await self._infer(call)
            else:
                self._keys.admit(call)
                reply.whole(200, self._lookups.body(call, found))
            await reply.send()
            error = None
        except Refused as refused:
            error = refused.problem.error
            await self._refuse(call, refused.problem)
        except BadRequest as bad:
            error = bad.error
            await self._refuse(call, Problem(bad.error, str(bad), bad.param))
        except (ClientGone, ConnectionError):
            error = ErrorClass.CLIENT_DISCONNECTED
            reply.abort()
        except asyncio.CancelledError:
            error = self._interrupted(reply)
            raise
        except Exception:
            logger.exception("%s: a bug in the router", call.generation_id)
            remedy = ERRORS[ErrorClass.INTERNAL].remedy
            await self._refuse(call, Problem(ErrorClass.INTERNAL, f"{remedy} ({call.generation_id})"))
        finally:
            reply.close()
            self._records.end(call, error, began)

    def _interrupted(self, reply: Reply) -> ErrorClass | None:
        """Why the handler is cancelled."""
        if self.cutting:
            return ErrorClass.DRAINING
        if reply.ended:  # the client had it all, and left before we had tidied up
            return None
        return ErrorClass.STALLED_CLIENT if reply.stalled else ErrorClass.CLIENT_DISCONNECTED

    def _snapshot(self) -> Snapshot:
        if self._store.current is None:
            remedy = ERRORS[ErrorClass.NOT_READY].remedy
            raise Refused(Problem(ErrorClass.NOT_READY, remedy, retry_after=STARTING_SECONDS))
        return self._store.current

    async def _refuse(self, call: Call, problem: Problem) -> None:
        reply, dialect = call.reply, call.dialect
        try:
            if reply.ended or (reply.streaming and reply.opaque):
                reply.abort()  # the one sign that what the client has is not the whole
            elif reply.streaming:
                reply.push(self._error_event(call, problem))
                reply.end()
                await reply.drain()
            else:
                body = error_body(problem, dialect, call.generation_id)
                reply.whole(error_status(problem, dialect), body, error_headers(problem, dialect))
                await reply.send()
        except ClientGone:
            logger.debug("the client left before it could be told of %s", problem.error)
            reply.abort()

    def _error_event(self, call: Call, problem: Problem) -> bytes:
        return error_event(
            problem,
            call.dialect,
            generation_id=call.generation_id,
            model=call.answered_model or "unknown",
            provider=call.provider or None,
            created=int(call.started),
            sequence=call.sequence,
        )


def check(call: Call, found: Place) -> None:
    """Refuses paths and methods that are not served, in the shape of the contract."""
    request = call.request
    if request.headers.get("Upgrade", "").lower() == "websocket":
        raise Refused(Problem(ErrorClass.UNSUPPORTED_ENDPOINT, f"{WEBSOCKETS} by this router; it serves {SERVED}"))
    if not found.methods:
        told = f"{request.method} {call.path[:128]} is not served by this router"
        message = f"{told}: {found.why_not}. It serves {SERVED}" if found.why_not else f"{told}; it serves {SERVED}"
        raise Refused(Problem(ErrorClass.UNSUPPORTED_ENDPOINT, message))
    if request.method not in found.methods:
        allowed = ", ".join(found.methods)
        message = f"{call.path[:128]} takes {allowed}, not {request.method}"
        raise Refused(Problem(ErrorClass.METHOD_NOT_ALLOWED, message, param=allowed))
