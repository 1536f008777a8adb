"""From a read request to its answer: decide, attempt, relay, settle. The loop around the attempt machine.

All choices are made by `routing` (whom to try, whether to try again); all bytes move in `relay`. Used by `server`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from tieline_router.apis import COUNT_TOKENS, MESSAGES, RESPONSES, Operation
from tieline_router.errors import ErrorClass
from tieline_router.routing.attempts import Attempt, Attempts, Fallback, Stop
from tieline_router.routing.decide import decide
from tieline_router.routing.live import LiveTable
from tieline_router.runtime.call import Call, Refused, Try
from tieline_router.runtime.clock import Clock
from tieline_router.runtime.notices import Notices
from tieline_router.runtime.outcome import Job, Outcome
from tieline_router.runtime.patience import patience
from tieline_router.runtime.refusals import refusal
from tieline_router.runtime.relay import Relay
from tieline_router.runtime.reply import ClientGone
from tieline_router.runtime.settlement import cost_of
from tieline_router.runtime.upstream import Headers, UpstreamClient, UpstreamFailure
from tieline_router.settings import RouterSettings
from tieline_router.streaming.form import Stamp
from tieline_router.streaming.forms import form
from tieline_router.telemetry.metrics import Metrics
from tieline_router.wire.attempt import attempt_body
from tieline_router.wire.errors import keep_alive
from tieline_router.wire.request import BadRequest

logger = logging.getLogger(__name__)

JSON: Final = "application/json"
PASSED_TO_ANTHROPIC: Final = ("anthropic-beta",)
"""Headers of the client that a provider of Anthropic's protocol gets, and no other."""


class Exchange:
    """Serves inference with one upstream client and one live table."""

    def __init__(
        self,
        client: UpstreamClient,
        live: LiveTable,
        clock: Clock,
        metrics: Metrics,
        settings: RouterSettings,
        draw: Callable[[], float],
        notices: Notices,
    ) -> None:
        self._client = client
        self._live = live
        self._clock = clock
        self._metrics = metrics
        self._settings = settings
        self._draw = draw
        self._notices = notices

    def decide(self, call: Call) -> None:
        """Sets `call.decision`."""
        assert call.asked is not None  # noqa: S101 - the order of the handler
        assert call.caller is not None  # noqa: S101
        call.decision = decide(
            call.asked.view, call.caller, call.snapshot.table, self._live, self._clock.now(), self._draw
        )

    async def attempt(self, call: Call) -> None:
        """Tries until an answer is complete or nothing is left to try.

        Raises:
            Refused: no answer; nothing of one has reached the client, or it has and the error goes in-band.
            ClientGone: the client does not read any more.
        """
        decision = call.decision
        assert decision is not None  # noqa: S101 - the order of the handler
        stream = decision.view.stream
        bears = patience(call.request.headers, stream=stream)
        attempts = Attempts(decision, self._live, self._draw, call.started, patience=bears.total)
        if stream and decision.route is not None:
            after = decision.route.wire.timeouts.keep_alive_after
            call.reply.keep_alive_after(min(after, bears.keep_alive), keep_alive(call.dialect))
        failed: list[Outcome] = []
        while True:
            step = attempts.next(self._clock.now())
            match step:
                case Attempt():
                    outcome = await self._try(call, attempts, step)
                    if outcome.error is None:
                        attempts.succeed(self._clock.now())
                        return
                    attempts.fail(outcome.error, outcome.retry_after)
                    failed.append(outcome)
                case Fallback():
                    logger.debug("%s falls back to %s after %s", call.generation_id, step.model, step.cause)
                case Stop():
                    raise Refused(refusal(attempts, step, failed))

    async def _try(self, call: Call, attempts: Attempts, attempt: Attempt) -> Outcome:
        lease = self._live.begin(attempt.endpoint, attempt.offer, attempt.credential, self._clock.now())
        pool = attempt.offer.pool
        call.answered_by, call.answered_model = pool.key, attempt.offer.model_name
        call.provider = pool.wire.display_name
        relay = self._relay(call, attempts)
        began = self._clock.monotonic()
        outcome = Outcome(ErrorClass.INTERNAL)
        try:
            outcome = await self._perform(call, relay, attempt)
        except (ClientGone, asyncio.CancelledError):
            outcome = relay.interrupted()
            raise
        finally:
            call.sequence = relay.sequence
            now = self._clock.now()
            transition = self._live.end(lease, outcome.error, now, outcome.retry_after)
            if transition is not None:
                logger.warning("breaker of %s %s: %s", pool.key, transition.endpoint.name, transition.state)
            self._metrics.attempt(pool.key, outcome.error)
            status = outcome.status if outcome.error else 200
            took = self._clock.monotonic() - began
            tried = Try(
                pool.key, attempt.endpoint.name, call.provider, call.answered_model, outcome.error, status, took
            )
            call.tries.append(tried)
            self._settle(call, attempt, outcome)
        if outcome.error is not None:
            self._tell(call, attempt, outcome)
        return outcome

    def _tell(self, call: Call, attempt: Attempt, outcome: Outcome) -> None:
        logger.debug("%s attempt %d failed: %s", call.generation_id, attempt.number, outcome.detail)
        if outcome.error is ErrorClass.STATUS_401_402_403 and attempt.credential is not None and outcome.status:
            self._notices.credential_refused(attempt.offer.pool.key, attempt.credential.name, outcome.status)

    async def _perform(self, call: Call, relay: Relay, attempt: Attempt) -> Outcome:
        now = self._clock.now()
        if attempt.not_before > now:
            await self._clock.sleep(attempt.not_before - now)
            now = self._clock.now()
        try:
            return await relay.perform(self._job(call, attempt, now))
        except UpstreamFailure as failure:
            return Outcome(failure.error, failure.detail)
        except BadRequest as bad:  # what this provider's API has no place for; another's may have
            return Outcome(bad.error, f"{bad.param} cannot be sent", str(bad), param=bad.param)

    def _relay(self, call: Call, attempts: Attempts) -> Relay:
        def content() -> None:
            call.committed_at = self._clock.now()

        return Relay(
            self._client,
            call.reply,
            self._clock,
            attempts.commit,
            content,
            max_held_bytes=self._settings.max_response_bytes,
            max_event_bytes=self._settings.max_event_bytes,
        )

    def _job(self, call: Call, attempt: Attempt, now: float) -> Job:
        asked, caller = call.asked, call.caller
        assert asked is not None  # noqa: S101 - the order of the handler
        assert caller is not None  # noqa: S101
        offer, pool = attempt.offer, attempt.offer.pool
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
        view = asked.view
        stamp = Stamp(
            call.dialect,
            call.generation_id,
            offer.model_name,
            pool.wire.display_name,
            int(call.started),
            usage=asked.include_usage or not view.stream,
            cost=partial(cost_of, offer, call.started),
            choices=view.n,
            echo=msgspec.Raw(msgspec.json.encode(asked.fields)) if client is RESPONSES else None,
        )
        address = None if pool.external else attempt.endpoint.address
        target = call.snapshot.targets.target(pool, address, attempt.credential, provider)
        deadline = attempt.timeouts.deadline
        return Job(
            target,
            body.body,
            client,
            None if client.passed_through else form(client, provider),
            stamp,
            view.stream,
            attempt.timeouts,
            None if deadline is None else max(0.0, deadline - now),
            native=client is provider,
            headers=_headers(call, provider, body.content_type),
        )

    def _settle(self, call: Call, attempt: Attempt, outcome: Outcome) -> None:
        """Counts what the provider says that the answer took, also where it broke or its client left."""
        usage = outcome.usage
        call.finish_reason = outcome.finish_reason
        if usage is None:
            return
        call.usage = usage
        call.cost = cost_of(attempt.offer, call.started, usage)
        self._metrics.usage(attempt.offer.pool.key, usage, call.cost.total if call.cost else 0.0)


def _headers(call: Call, provider: Operation, content_type: str) -> Headers:
    """What one request's own headers to the provider are, beside those that the target has."""
    headers: Headers = ()
    if content_type != JSON:
        headers = (("Content-Type", content_type),)
    if provider is MESSAGES or provider is COUNT_TOKENS:
        given = call.request.headers
        headers += tuple((name, given[name]) for name in PASSED_TO_ANTHROPIC if name in given)
    return headers
