"""From a decoded request to its answer: decide, attempt, relay, settle. The loop around the attempt machine.

All choices are made by `routing` (whom to try, whether to try again); all bytes move in `relay`. Used by `server`.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from typing import Final

from tieline_api.prices import prices_in_force, request_cost

from tieline_router.errors import ERRORS, ErrorClass
from tieline_router.routing.attempts import Attempt, Attempts, Fallback, Stop
from tieline_router.routing.decide import decide
from tieline_router.routing.live import LiveTable
from tieline_router.routing.offers import Offer
from tieline_router.runtime.call import Call, Refused
from tieline_router.runtime.clock import Clock
from tieline_router.runtime.relay import Job, Outcome, Relay
from tieline_router.runtime.reply import ClientGone
from tieline_router.runtime.upstream import UpstreamClient, UpstreamFailure
from tieline_router.settings import RouterSettings
from tieline_router.streaming.usage import Usage
from tieline_router.telemetry.metrics import Metrics
from tieline_router.wire.answer import AnswerStamp
from tieline_router.wire.chat import attempt_body
from tieline_router.wire.errors import Problem

logger = logging.getLogger(__name__)

_CALLERS_FAULT: Final = frozenset({ErrorClass.BAD_REQUEST, ErrorClass.CONTEXT_LENGTH, ErrorClass.CONTENT_POLICY})
"""Where the provider's own words help the caller, because they speak of the request."""


class Exchange:
    """Serves chat completions with one upstream client and one live table."""

    def __init__(
        self,
        client: UpstreamClient,
        live: LiveTable,
        clock: Clock,
        metrics: Metrics,
        settings: RouterSettings,
        draw: Callable[[], float],
    ) -> None:
        self._client = client
        self._live = live
        self._clock = clock
        self._metrics = metrics
        self._settings = settings
        self._draw = draw

    def decide(self, call: Call) -> None:
        """Sets `call.decision`."""
        assert call.chat is not None  # noqa: S101 - the order of the handler
        assert call.caller is not None  # noqa: S101
        call.decision = decide(
            call.chat.view, call.caller, call.snapshot.table, self._live, self._clock.now(), self._draw
        )

    async def attempt(self, call: Call) -> None:
        """Tries until an answer is complete or nothing is left to try.

        Raises:
            Refused: no answer; nothing of one has reached the client, or it has and the error goes in-band.
            ClientGone: the client does not read any more.
        """
        decision = call.decision
        assert decision is not None  # noqa: S101 - the order of the handler
        attempts = Attempts(decision, self._live, self._draw, call.started)
        if decision.view.stream and decision.route is not None:
            call.reply.keep_alive_after(decision.route.wire.timeouts.keep_alive_after)
        failed: list[Outcome] = []
        while True:
            step = attempts.next(self._clock.now())
            match step:
                case Attempt():
                    outcome = await self._try(call, attempts, step)
                    if outcome.error is None:
                        attempts.succeed(self._clock.now())
                        self._settle(call, step.offer, outcome.usage)
                        return
                    attempts.fail(outcome.error, outcome.retry_after)
                    failed.append(outcome)
                case Fallback():
                    logger.debug("%s falls back to %s after %s", call.generation_id, step.model, step.cause)
                case Stop():
                    raise Refused(_problem(attempts, step, failed))

    async def _try(self, call: Call, attempts: Attempts, attempt: Attempt) -> Outcome:
        lease = self._live.begin(attempt.endpoint, attempt.credential, self._clock.now())
        pool = attempt.offer.pool
        call.answered_by, call.answered_model = pool.key, attempt.offer.model_name
        outcome = Outcome(ErrorClass.INTERNAL)
        try:
            outcome = await self._perform(call, attempts, attempt)
        except (ClientGone, asyncio.CancelledError):
            outcome = Outcome(ErrorClass.CLIENT_DISCONNECTED)
            raise
        finally:
            transition = self._live.end(lease, outcome.error, self._clock.now(), outcome.retry_after)
            self._metrics.attempt(pool.key, outcome.error)
            call.attempts.append(f"{pool.key} {attempt.endpoint.name} {outcome.error or 'ok'}")
            if transition is not None:
                logger.warning("breaker of %s %s: %s", pool.key, transition.endpoint.name, transition.state)
        if outcome.error is not None:
            logger.debug("%s attempt %d failed: %s", call.generation_id, attempt.number, outcome.detail)
        return outcome

    async def _perform(self, call: Call, attempts: Attempts, attempt: Attempt) -> Outcome:
        deadline = attempt.timeouts.deadline
        now = self._clock.now()
        try:
            async with asyncio.timeout(None if deadline is None else max(0.0, deadline - now)):
                if attempt.not_before > now:
                    await self._clock.sleep(attempt.not_before - now)
                job = self._job(call, attempt)
                return await self._relay(call, attempts).perform(job)
        except TimeoutError:
            return Outcome(ErrorClass.TIMEOUT_TOTAL, "the request's total time is over")
        except UpstreamFailure as failure:
            return Outcome(failure.error, failure.detail)

    def _relay(self, call: Call, attempts: Attempts) -> Relay:
        def committed() -> None:
            attempts.commit()
            call.committed_at = self._clock.now()

        return Relay(
            self._client,
            call.reply,
            committed,
            max_response_bytes=self._settings.max_response_bytes,
            max_event_bytes=self._settings.max_event_bytes,
        )

    def _job(self, call: Call, attempt: Attempt) -> Job:
        assert call.chat is not None  # noqa: S101 - the order of the handler
        assert call.caller is not None  # noqa: S101
        offer, pool = attempt.offer, attempt.offer.pool
        salt = f"{call.snapshot.revision.installation}/{call.caller.consumer_key or call.caller.namespace}"
        body = attempt_body(
            call.chat,
            offer.upstream_name,
            ask_usage=offer.model.stream_usage == "Inject",
            identity_salt=salt if pool.external else None,
        )
        view = call.chat.view
        address = None if pool.external else attempt.endpoint.address
        usage = call.chat.include_usage or not view.stream
        stamp = AnswerStamp(call.generation_id, offer.model_name, pool.wire.display_name, usage=usage)
        target = call.snapshot.targets.target(pool, address, attempt.credential)
        return Job(target, body, stamp, view.stream, view.n, attempt.timeouts)

    def _settle(self, call: Call, offer: Offer, usage: Usage | None) -> None:
        """Counts what the answer took."""
        call.usage = usage
        if usage is None:
            return
        pricing = offer.model.pricing
        if pricing is not None:
            prices = prices_in_force(pricing, usage.prompt, math.floor(call.started))
            call.cost_usd = float(request_cost(prices, usage.prompt, usage.completion))
        self._metrics.usage(offer.pool.key, usage, call.cost_usd or 0.0)


def _problem(attempts: Attempts, stop: Stop, outcomes: Sequence[Outcome]) -> Problem:
    """What the client is told. `outcomes` are those of `attempts.failures`; words and provider are those of the failure
    that `stop` names, which need not be the last one."""
    decision = attempts.decision
    error = stop.error
    told = [number for number, outcome in enumerate(outcomes) if outcome.error is error] or [len(outcomes) - 1]
    provider = attempts.failures[told[-1]].attempt.offer.pool.wire.slug if outcomes else None
    previous = tuple(
        {"provider": failure.attempt.offer.pool.wire.slug, "code": ERRORS[failure.error].code}
        for failure in attempts.failures
    )
    return Problem(
        error,
        _message(attempts, stop, outcomes[told[-1]].message if outcomes else ""),
        param="model" if error in {ErrorClass.MODEL_NOT_FOUND, ErrorClass.MODEL_NOT_ALLOWED} else None,
        provider=provider,
        retry_after=stop.retry_after,
        availability=None if attempts.failures else decision.availability(),
        previous=previous,
    )


def _message(attempts: Attempts, stop: Stop, words: str) -> str:
    decision = attempts.decision
    remedy = ERRORS[stop.error].remedy
    if stop.error in _CALLERS_FAULT and words:
        return words
    if attempts.failures:
        tried = ", ".join(f"{f.attempt.offer.pool.wire.slug}: {f.error}" for f in attempts.failures)
        return f"{remedy} Tried for model {decision.view.model!r}: {tried}; {stop.reason}."
    if decision.route is None:
        return f"{remedy} (model {decision.view.model!r}, namespace {decision.caller.namespace!r})"
    excluded = "; ".join(f"{one.pool}: {one.message}" for one in decision.shortlist.exclusions[:8])
    return f"{remedy} Model {decision.view.model!r}, route {decision.route.key}: {excluded or 'it has no backends'}."
