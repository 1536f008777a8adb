"""One attempt on its way: the lease of its endpoint, the request that is sent, the answer relayed, and the books.

Used by `exchange`, one for each attempt; with a hedge two of one request are under way, and the first whose answer
begins takes the client. Nothing here decides whom to try.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from tieline_router.apis import COUNT_TOKENS, MESSAGES, RESPONSES, Operation
from tieline_router.errors import ErrorClass
from tieline_router.routing.attempts import Attempt
from tieline_router.routing.live import LiveTable
from tieline_router.runtime.call import Call, Try
from tieline_router.runtime.clock import Clock
from tieline_router.runtime.notices import Notices
from tieline_router.runtime.outcome import Job, Outcome
from tieline_router.runtime.relay import Relay
from tieline_router.runtime.reply import ClientGone
from tieline_router.runtime.settlement import Bill
from tieline_router.runtime.upstream import Headers, UpstreamClient, UpstreamFailure
from tieline_router.settings import RouterSettings
from tieline_router.streaming.form import Stamp
from tieline_router.streaming.forms import form
from tieline_router.telemetry.metrics import Metrics
from tieline_router.wire.request import BadRequest, attempt_body

logger = logging.getLogger(__name__)

JSON: Final = "application/json"
NO_SUCH_PATH: Final = frozenset({404, 405, 501})
BETA: Final = "anthropic-beta"
VERSION: Final = "anthropic-version"
"""Headers of the client that a provider of Anthropic's protocol gets, and no other: the version only with a request in
that protocol, because a translated one is written for `ANTHROPIC_VERSION`."""


class Office(NamedTuple):
    """What all flights of a process share."""

    client: UpstreamClient
    live: LiveTable
    clock: Clock
    metrics: Metrics
    settings: RouterSettings
    notices: Notices


class Flight:
    """One attempt. `win(flight, now)` is asked when its answer is about to reach the client; False = another's has."""

    def __init__(
        self, office: Office, call: Call, attempt: Attempt, win: Callable[[Flight, float | None], bool]
    ) -> None:
        self.attempt = attempt
        self.ended = 0.0
        """Unix seconds, once it has."""
        self.lost = False
        """Another attempt of the request has won."""
        self._office = office
        self._call = call
        self._win = win
        self._bill = Bill(attempt.offer, call.started)

    async def run(self, now: float) -> Outcome:
        """The attempt from its lease to its outcome; `now` is Unix time.

        Raises:
            ClientGone: the client does not read any more.
        """
        office, attempt, began = self._office, self.attempt, now
        lease = office.live.begin(attempt.endpoint, attempt.offer, attempt.credential, now, attempt.ticket)
        self._asked()
        relay = self._relay()
        outcome = Outcome(ErrorClass.INTERNAL)
        try:
            outcome = await self._perform(relay, now)
        except (ClientGone, asyncio.CancelledError):
            outcome = relay.interrupted()
            raise
        finally:
            if self.lost:
                outcome = Outcome(ErrorClass.HEDGE_LOST, "another attempt was first", usage=outcome.usage)
            self.ended = now = office.clock.now()
            transition = office.live.end(lease, outcome.error, now, outcome.retry_after)
            if transition is not None:
                pool = attempt.offer.pool.key
                logger.warning("breaker of %s %s: %s", pool, transition.endpoint.name, transition.state)
            self._record(outcome, relay.sequence, now - began)
        if outcome.error is not None:
            self._tell(outcome)
        return outcome

    def _asked(self) -> None:
        """The one whom the request is about, from now on."""
        call, offer = self._call, self.attempt.offer
        call.answered_by, call.answered_model = offer.pool.key, offer.model_name
        call.provider = offer.pool.wire.display_name

    def _open(self) -> bool:
        """The first byte of the answer is about to reach the client."""
        stream = self._call.asked is not None and self._call.asked.view.stream
        # Only streams are hedged, so only there the time of a beginning is worth knowing.
        if self.lost or not self._win(self, self._office.clock.now() if stream else None):
            return False
        self._asked()
        return True

    def _content(self) -> None:
        self._call.committed_at = self._office.clock.now()

    def _relay(self) -> Relay:
        # Not kept: it holds this object, and a cycle for each request is 30 µs of the collector's time.
        office, settings = self._office, self._office.settings
        return Relay(
            office.client,
            self._call.reply,
            office.clock,
            self._open,
            self._content,
            max_held_bytes=settings.max_response_bytes,
            max_event_bytes=settings.max_event_bytes,
        )

    async def _perform(self, relay: Relay, now: float) -> Outcome:
        clock, not_before = self._office.clock, self.attempt.not_before
        if not_before > now:
            await clock.sleep(not_before - now)
            now = clock.now()
        try:
            outcome = await relay.perform(self._job(now))
        except UpstreamFailure as failure:
            return Outcome(failure.error, failure.detail)
        except BadRequest as bad:  # what this provider's API has no place for; another's may have
            return Outcome(bad.error, f"{bad.param} cannot be sent", str(bad), param=bad.param)
        if self.attempt.operation is COUNT_TOKENS and outcome.status in NO_SUCH_PATH:
            # Servers that speak messages and do not count are not ill: their breakers must not hear of it.
            return Outcome(ErrorClass.COUNT_NOT_SERVED, outcome.detail, status=outcome.status)
        return outcome

    def _job(self, now: float) -> Job:
        call, attempt = self._call, self.attempt
        asked, caller = call.asked, call.caller
        assert asked is not None  # noqa: S101 - the order of the handler
        assert caller is not None  # noqa: S101
        offer, pool, view = attempt.offer, attempt.offer.pool, asked.view
        client, provider = asked.operation, attempt.operation
        salt = f"{call.snapshot.revision.installation}/{caller.consumer_key or caller.namespace}"
        body = attempt_body(
            asked,
            provider,
            offer.upstream_name,
            ask_usage=offer.model.stream_usage == "Inject",
            identity_salt=salt if pool.external else None,
            max_output_tokens=offer.max_output_tokens,
        )
        if body.dropped:
            call.dropped = body.dropped
        stamp = Stamp(
            call.dialect,
            call.generation_id,
            offer.model_name,
            pool.wire.display_name,
            int(call.started),
            asked.include_usage or not view.stream,
            self._bill,
            view.n,
            msgspec.Raw(msgspec.json.encode(asked.fields)) if client is RESPONSES else None,
        )
        address = None if pool.external else attempt.endpoint.address
        deadline = attempt.timeouts.deadline
        return Job(
            call.snapshot.targets.target(pool, address, attempt.credential, provider),
            body.body,
            client,
            None if client.passed_through else form(client, provider),
            stamp,
            view.stream,
            attempt.timeouts,
            None if deadline is None else max(0.0, deadline - now),
            client is provider,
            _headers(call, provider, body.content_type),
        )

    # -- the books ---------------------------------------------------------------------------------------------------

    def _record(self, outcome: Outcome, sequence: int, seconds: float) -> None:
        """Notes the attempt, and counts what the provider says that it took, also where it broke or its client left."""
        call, attempt, offer = self._call, self.attempt, self.attempt.offer
        pool, error = offer.pool, outcome.error
        self._office.metrics.attempt(pool.key, error)
        status = 200 if error is None else outcome.status
        provider = pool.wire.display_name
        call.tries.append(
            Try(pool.key, attempt.endpoint.name, provider, offer.model_name, error, status, max(0.0, seconds))
        )
        if error is ErrorClass.HEDGE_LOST:
            return
        call.sequence = sequence
        call.finish_reason = outcome.finish_reason
        if outcome.usage is not None:
            call.usage, call.cost = outcome.usage, self._bill(outcome.usage)
            self._office.metrics.usage(pool.key, outcome.usage, call.cost.total if call.cost else 0.0)

    def _tell(self, outcome: Outcome) -> None:
        attempt = self.attempt
        logger.debug("%s attempt %d failed: %s", self._call.generation_id, attempt.number, outcome.detail)
        if outcome.error is ErrorClass.STATUS_401_402_403 and attempt.credential is not None and outcome.status:
            pool = attempt.offer.pool.key
            self._office.notices.credential_refused(pool, attempt.credential.name, outcome.status)


def _headers(call: Call, provider: Operation, content_type: str) -> Headers:
    """The request's own headers to the provider, beside those that the target has."""
    headers: Headers = ()
    if content_type != JSON:
        headers = (("Content-Type", content_type),)
    if provider is MESSAGES or provider is COUNT_TOKENS:
        given = call.request.headers
        passed = (BETA, VERSION) if call.dialect.anthropic else (BETA,)
        headers += tuple([(name, given[name]) for name in passed if name in given])
    return headers
