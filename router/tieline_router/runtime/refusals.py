"""What a client is told when nobody could answer: from the attempts that failed to one problem. Pure; used by
`exchange`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tieline_router.errors import ERRORS, ErrorClass
from tieline_router.routing.attempts import Attempts, Stop
from tieline_router.runtime.outcome import Outcome
from tieline_router.wire.problems import Problem, previous_error

CALLERS_FAULT: Final = frozenset(
    {ErrorClass.BAD_REQUEST, ErrorClass.CONTEXT_LENGTH, ErrorClass.CONTENT_POLICY, ErrorClass.UNTRANSLATABLE}
)
"""Where the provider's own words (or a translator's) help the caller, because they speak of the request."""
ABOUT_MODEL: Final = frozenset({ErrorClass.MODEL_NOT_FOUND, ErrorClass.MODEL_NOT_ALLOWED})


def refusal(attempts: Attempts, stop: Stop, outcomes: Sequence[Outcome]) -> Problem:
    """The problem. `outcomes` are those of `attempts.failures`; words and provider are those of the failure that
    `stop` names, which need not be the last one."""
    error = stop.error
    told = [number for number, outcome in enumerate(outcomes) if outcome.error is error] or [len(outcomes) - 1]
    outcome = outcomes[told[-1]] if outcomes else Outcome()
    words = outcome.message
    return Problem(
        error,
        _message(attempts, stop, words),
        param="model" if error in ABOUT_MODEL else outcome.param,
        provider=attempts.failures[told[-1]].attempt.offer.pool.wire.slug if outcomes else None,
        retry_after=stop.retry_after,
        availability=None if attempts.failures else attempts.decision.availability(),
        previous=tuple(
            previous_error(failure.attempt.offer.pool.wire.slug, failure.error, outcome.status)
            for failure, outcome in zip(attempts.failures, outcomes, strict=True)
        ),
        raw=words or None,
    )


def _message(attempts: Attempts, stop: Stop, words: str) -> str:
    decision = attempts.decision
    remedy = ERRORS[stop.error].remedy
    if stop.error in CALLERS_FAULT and words:
        return words
    if attempts.failures:
        tried = ", ".join(f"{f.attempt.offer.pool.wire.slug}: {f.error}" for f in attempts.failures)
        return f"{remedy} Tried for model {decision.view.model!r}: {tried}; {stop.reason}."
    if decision.route is None:
        return f"{remedy} (model {decision.view.model!r}, namespace {decision.caller.namespace!r})"
    excluded = "; ".join(f"{one.pool}: {one.message}" for one in decision.shortlist.exclusions[:8])
    return f"{remedy} Model {decision.view.model!r}, route {decision.route.key}: {excluded or 'it has no backends'}."
