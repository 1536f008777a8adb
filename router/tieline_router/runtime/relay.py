"""One attempt: send the request to one endpoint, and pass the answer on as it comes. Used by `exchange`.

Three limits guard it: *first token* until the content commit (streams), *idle* between two reads after it (streams),
and *response* for the whole answer (plain). Connecting has its own, and the request's total stands around all attempts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from tieline_router.errors import ErrorClass
from tieline_router.routing.attempts import AttemptTimeouts
from tieline_router.routing.classify import classify_error, classify_status
from tieline_router.runtime.redaction import redacted
from tieline_router.runtime.reply import Reply
from tieline_router.runtime.upstream import Answer, Target, UpstreamClient, UpstreamFailure
from tieline_router.streaming.chat import DONE_EVENT, ChatStream
from tieline_router.streaming.observe import Failure, check_answer
from tieline_router.streaming.usage import Usage
from tieline_router.wire.answer import AnswerStamp

ERROR_BODY_BYTES: Final = 64 * 1024
ERROR_BODY_SECONDS: Final = 5.0
END_SECONDS: Final = 1.0
"""How long the usage and the terminator may take after the last finish reason; the answer is complete without them."""
LINGER_SECONDS: Final = 0.25
"""How long a connection may take to end its body after the answer's end, so that it can be used again."""


class Outcome(NamedTuple):
    """What an attempt came to. `error` None: the answer is complete and has been given."""

    error: ErrorClass | None = None
    detail: str = ""
    """For logs: our words, never the provider's, which may quote a key or a prompt."""
    message: str = ""
    """The provider's own words, without our secrets, for the client where the request is at fault."""
    retry_after: float | None = None
    usage: Usage | None = None


class Job(NamedTuple):
    """One attempt, ready to be sent."""

    target: Target
    body: bytes
    stamp: AnswerStamp
    stream: bool
    choices: int
    timeouts: AttemptTimeouts


class Relay:
    """Performs attempts for one request. `on_commit` is called when the first content is about to reach the client."""

    def __init__(
        self,
        client: UpstreamClient,
        reply: Reply,
        on_commit: Callable[[], None],
        *,
        max_response_bytes: int,
        max_event_bytes: int,
    ) -> None:
        self._client = client
        self._reply = reply
        self._on_commit = on_commit
        self._max_response = max_response_bytes
        self._max_event = max_event_bytes

    async def perform(self, job: Job) -> Outcome:
        """Sends the attempt and relays its answer; every failure of the provider is an outcome.

        Raises:
            ClientGone: the client does not read any more.
        """
        try:
            outcome = await (self._stream(job) if job.stream else self._plain(job))
        except UpstreamFailure as failure:
            outcome = Outcome(failure.error, failure.detail)
        if outcome.error is None:
            return outcome
        secrets = job.target.secrets
        return outcome._replace(detail=redacted(outcome.detail, secrets), message=redacted(outcome.message, secrets))

    # -- plain -------------------------------------------------------------------------------------------------------

    async def _plain(self, job: Job) -> Outcome:
        try:
            async with asyncio.timeout(job.timeouts.response):
                async with self._client.post(job.target, job.body, job.timeouts.connect) as answer:
                    if answer.status != 200:
                        return await _refused(answer)
                    _check_encoding(answer)
                    body = await answer.read_all(self._max_response)
        except TimeoutError:
            return Outcome(ErrorClass.TIMEOUT_RESPONSE, f"no answer within {job.timeouts.response} s")
        checked = check_answer(body)
        if isinstance(checked, Failure):
            return _outcome(checked)
        self._on_commit()
        self._reply.whole(200, job.stamp.answer(body))
        return Outcome(usage=checked.usage)

    # -- streams -----------------------------------------------------------------------------------------------------

    async def _stream(self, job: Job) -> Outcome:
        stream = ChatStream(job.stamp.chunk, job.choices, self._max_event)
        limit = _Limit(job.timeouts)
        try:
            async with limit.context, self._client.post(job.target, job.body, job.timeouts.connect) as answer:
                if answer.status != 200:
                    return await _refused(answer)
                _check_encoding(answer)
                if answer.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "text/event-stream":
                    return await self._no_stream(answer)
                await self._pump(answer, stream, limit)
                if stream.failure is None:
                    await _linger(answer)
        except TimeoutError:
            return Outcome(limit.error, limit.detail, usage=stream.observer.usage)
        except UpstreamFailure as failure:
            return Outcome(failure.error, failure.detail, usage=stream.observer.usage)
        if stream.failure is not None:
            return _outcome(stream.failure)._replace(usage=stream.observer.usage)
        return Outcome(usage=stream.observer.usage)

    async def _pump(self, answer: Answer, stream: ChatStream, limit: _Limit) -> None:
        """Moves events until the answer's end or its failure, which `stream` then holds."""
        committed = False
        while not stream.ended and (data := await _next(answer, stream, limit)):
            out = stream.feed(data)
            if stream.failure is not None and not committed:
                return  # nothing of this answer has reached the client, and nothing shall
            if stream.committed and not committed:
                committed = True
                self._on_commit()
            if out:
                self._reply.push(out)
                if not self._reply.writable:
                    limit.off()
                    await self._reply.drain()
            if stream.failure is not None:
                return
            limit.reading() if committed else limit.waiting()
        rest = stream.end()
        if stream.failure is None:
            limit.off()
            self._reply.push(rest + DONE_EVENT)
            self._reply.end()
            await self._reply.drain()

    async def _no_stream(self, answer: Answer) -> Outcome:
        """A stream was asked, something else came: an error as a plain body, or a page of something that is no model
        server."""
        body = await _read_error(answer)
        checked = check_answer(body)
        if isinstance(checked, Failure) and checked.error is ErrorClass.ERROR_EVENT:
            return _outcome(checked)
        kind = answer.headers.get("Content-Type", "no content type")
        return Outcome(ErrorClass.GARBAGE, f"a stream was asked for, and {kind} came")


async def _next(answer: Answer, stream: ChatStream, limit: _Limit) -> bytes:
    """The next bytes; none at the end. A connection that is lost or silent after the last finish reason loses nothing:
    some servers leave it open, and write no terminator."""
    if not stream.observer.finished:
        return await answer.read_some()
    limit.off()
    with suppress(UpstreamFailure, TimeoutError):
        async with asyncio.timeout_at(limit.end()):
            return await answer.read_some()
    return b""


class _Limit:
    """The time limit of a stream: which phase it is in, and what its end means."""

    def __init__(self, timeouts: AttemptTimeouts) -> None:
        self._timeouts = timeouts
        self._time = asyncio.get_running_loop().time
        self._first = None if timeouts.first_token is None else self._time() + timeouts.first_token
        self.context = asyncio.timeout_at(self._first)
        self.error = ErrorClass.TIMEOUT_FIRST_TOKEN
        self._end: float | None = None

    @property
    def detail(self) -> str:
        if self.error is ErrorClass.TIMEOUT_FIRST_TOKEN:
            return f"no content within {self._timeouts.first_token} s"
        return f"the stream was silent for {self._timeouts.idle} s"

    def end(self) -> float:
        """When to wait no longer for what may follow the last finish reason; fixed at the first call."""
        if self._end is None:
            self._end = self._time() + END_SECONDS
        return self._end

    def waiting(self) -> None:
        """For the first content, as at the beginning."""
        self.error = ErrorClass.TIMEOUT_FIRST_TOKEN
        self.context.reschedule(self._first)

    def reading(self) -> None:
        self.error = ErrorClass.TIMEOUT_IDLE
        idle = self._timeouts.idle
        self.context.reschedule(None if idle is None else self._time() + idle)

    def off(self) -> None:
        """For what has a bound of its own: writing to the client, and the end of the stream."""
        self.context.reschedule(None)


def _check_encoding(answer: Answer) -> None:
    encoding = answer.headers.get("Content-Encoding", "identity").lower()
    if encoding != "identity":
        raise UpstreamFailure(ErrorClass.GARBAGE, f"the answer is encoded as {encoding}, although identity was asked")


async def _refused(answer: Answer) -> Outcome:
    found = classify_status(answer.status, answer.headers, await _read_error(answer))
    return Outcome(found.error, f"status {answer.status}", found.message, found.retry_after)


async def _read_error(answer: Answer) -> bytes:
    with suppress(UpstreamFailure, TimeoutError):
        async with asyncio.timeout(ERROR_BODY_SECONDS):
            return await answer.read_all(ERROR_BODY_BYTES)
    return b""


async def _linger(answer: Answer) -> None:
    with suppress(UpstreamFailure, TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            await answer.read_all(ERROR_BODY_BYTES)


def _outcome(failure: Failure) -> Outcome:
    if failure.error is not ErrorClass.ERROR_EVENT:
        return Outcome(failure.error, failure.detail)
    found = classify_error(failure.body)
    return Outcome(found.error, failure.detail, found.message, found.retry_after)
