"""One attempt: send the request to one endpoint, and pass the answer on as it comes. Used by `exchange`.

Plain answers are held back until they are complete, so that another provider can still take over; those too long for
that, and opaque ones, are passed on as they come, and the connection is cut when they break. Streams are
`stream_relay`'s. `response` limits a plain answer, connecting has its own limit, and the request's total stands over
all.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec
from msgspec.structs import replace

from tieline_router.errors import ErrorClass
from tieline_router.routing.classify import classify_error, classify_status
from tieline_router.runtime.clock import Clock
from tieline_router.runtime.limit import Limit
from tieline_router.runtime.outcome import Job, Outcome
from tieline_router.runtime.redaction import redacted
from tieline_router.runtime.reply import Reply
from tieline_router.runtime.stream_relay import StreamRelay, linger
from tieline_router.runtime.upstream import Answer, UpstreamClient, UpstreamFailure
from tieline_router.streaming.observe import Failure
from tieline_router.streaming.usage import parse_responses_usage, parse_usage

ERROR_BODY_BYTES: Final = 64 * 1024
ERROR_BODY_SECONDS: Final = 5.0
EVENT_STREAM: Final = "text/event-stream"
PASSED_HEADERS: Final = ("Content-Disposition", "Content-Language")
"""Of an opaque answer's headers, beside its type: what describes the bytes. All others are the provider's own."""


LOST: Final = Outcome(ErrorClass.HEDGE_LOST, "another attempt was first")
TOTAL: Final = Outcome(ErrorClass.TIMEOUT_TOTAL, "the request's total time is over")


class _Counted(msgspec.Struct):
    usage: msgspec.Raw = msgspec.Raw(b"null")


_counted: Final = msgspec.json.Decoder(_Counted)


class Relay:
    """Performs one attempt. `on_open` is asked when the first byte of the answer is about to reach the client (False:
    another attempt's has), and `on_content` is called at the first content."""

    def __init__(
        self,
        client: UpstreamClient,
        reply: Reply,
        clock: Clock,
        on_open: Callable[[], bool],
        on_content: Callable[[], None],
        *,
        max_held_bytes: int,
        max_event_bytes: int,
    ) -> None:
        self._client = client
        self._reply = reply
        self._clock = clock
        self._on_open = on_open
        self._on_content = on_content
        self._max_held = max_held_bytes
        self._max_event = max_event_bytes
        self._stream: StreamRelay | None = None
        self._loop = asyncio.get_running_loop()
        self._ends = math.inf
        """Plain answers: when the request's total time is over, by the loop's clock."""
        self._over = Outcome()
        """What it means when the limit on a plain answer ends it."""
        self.sequence = 0
        """Number of the next event, for an error in-band."""

    async def perform(self, job: Job) -> Outcome:
        """Sends the attempt and relays its answer; every failure of the provider is an outcome.

        Raises:
            ClientGone: the client does not read any more.
        """
        try:
            outcome = await (self._perform_stream(job) if job.stream else self._perform_plain(job))
        except UpstreamFailure as failure:
            outcome = Outcome(failure.error, failure.detail)
        if outcome.error is None:
            return outcome
        secrets = job.target.secrets
        detail, message = redacted(outcome.detail, secrets), redacted(outcome.message, secrets)
        return replace(outcome, detail=detail, message=message)

    def interrupted(self) -> Outcome:
        """What an attempt has come to whose request is being cancelled."""
        stream = self._stream
        if stream is None:
            return Outcome(ErrorClass.CLIENT_DISCONNECTED)
        error = None if stream.complete else ErrorClass.CLIENT_DISCONNECTED
        return Outcome(error, usage=stream.stream.usage, finish_reason=stream.stream.finish_reason)

    # -- plain -------------------------------------------------------------------------------------------------------

    async def _perform_plain(self, job: Job) -> Outcome:
        response, left = job.timeouts.response, job.seconds_left
        total = left is not None and (response is None or left < response)
        self._over = TOTAL if total else Outcome(ErrorClass.TIMEOUT_RESPONSE, f"no answer within {response} s")
        if left is not None:
            self._ends = self._loop.time() + left
        try:
            with Limit(left if total else response) as limit:
                async with self._client.post(job.target, job.body, job.timeouts.connect, job.headers) as answer:
                    if answer.status != 200:
                        return await _refused(answer, self._clock.wall())
                    return await self._plain(answer, job, limit)
        except TimeoutError:
            return self._over

    async def _plain(self, answer: Answer, job: Job, limit: Limit) -> Outcome:
        if job.form is None and not _is_json(answer):
            return await self._pass_on(answer, job, limit, [])
        parts: list[bytes] = []
        size = 0
        while data := await answer.read_some():
            parts.append(data)
            size += len(data)
            if size > self._max_held:
                if not job.native:
                    raise UpstreamFailure(
                        ErrorClass.ANSWER_TOO_LARGE, f"the answer is longer than the {self._max_held} bytes held"
                    )
                return await self._pass_on(answer, job, limit, parts)
        return self._whole(parts[0] if len(parts) == 1 else b"".join(parts), answer, job)

    def _whole(self, body: bytes, answer: Answer, job: Job) -> Outcome:
        if job.form is None:
            try:
                counted = _counted.decode(body)
            except (msgspec.DecodeError, RecursionError) as error:
                return Outcome(ErrorClass.GARBAGE, f"the provider sent what is not JSON: {error}")
            if not self._on_open():
                return LOST
            self._reply.whole(200, body, _passed(answer), answer.headers["Content-Type"])
            return Outcome(usage=parse_usage(counted.usage) or parse_responses_usage(counted.usage))
        whole = job.form.whole(job.stamp, body)
        if isinstance(whole, Failure):
            return failed(whole)
        if not self._on_open():
            return LOST
        self._reply.whole(200, whole.body, content_type=whole.content_type)
        return Outcome(usage=whole.usage, finish_reason=whole.finish_reason)

    async def _pass_on(self, answer: Answer, job: Job, limit: Limit, parts: list[bytes]) -> Outcome:
        """Passes the body on as it comes, after `parts` of it. From the first byte on nothing can take over."""
        reply = self._reply
        opened = False
        while data := b"".join(parts) or await answer.read_some():
            parts.clear()
            if not opened:
                opened = True
                if not self._on_open():
                    return LOST
                reply.open(answer.headers.get("Content-Type", "application/octet-stream"), _passed(answer))
            reply.push(data)
            self._wait_for(None, limit)
            await reply.drain()
            self._wait_for(job.timeouts.idle, limit)
        if not opened:
            return Outcome(ErrorClass.EMPTY, "the provider's answer has no body")
        limit.set(None)  # the answer is whole: what its client does with it has a limit of its own
        reply.end()
        await reply.drain()
        return Outcome()

    def _wait_for(self, idle: float | None, limit: Limit) -> None:
        """The limit on what comes next of an answer that is passed on: `idle` seconds (None: we wait for the client,
        who is `reply`'s to limit), and in any case the request's total."""
        left = self._ends - self._loop.time()
        if idle is not None and idle <= left:
            self._over = Outcome(ErrorClass.TIMEOUT_IDLE, f"the answer was silent for {idle} s")
            limit.set(idle)
        else:
            self._over = TOTAL
            limit.set(left if left < math.inf else None)

    # -- streams -----------------------------------------------------------------------------------------------------

    async def _perform_stream(self, job: Job) -> Outcome:
        assert job.form is not None, "opaque answers are no streams"  # noqa: S101
        stream = job.form.stream(job.stamp, self._max_event)
        self._stream = relay = StreamRelay(self._reply, stream, job, self._on_open, self._on_content)
        try:
            with relay.limit:
                relay.start()
                async with self._client.post(job.target, job.body, job.timeouts.connect, job.headers) as answer:
                    if answer.status != 200:
                        return await _refused(answer, self._clock.wall())
                    if _content_type(answer) != EVENT_STREAM:
                        return await self._no_stream(answer, job)
                    await relay.run(answer)
                    relay.finish()
                    if relay.complete:
                        await linger(answer)
        except TimeoutError:
            if relay.expired is not None and not stream.ended:
                return relay.failure(job)
            relay.finish()
        except UpstreamFailure as failure:
            if not stream.finished:
                return Outcome(failure.error, failure.detail, usage=stream.usage)
            relay.finish()
        finally:
            relay.stop()
            self.sequence = stream.next_sequence if relay.opened else 0
        if stream.failure is not None:
            return replace(failed(stream.failure), usage=stream.usage)
        if not relay.complete:
            return LOST
        await self._reply.drain()
        return Outcome(usage=stream.usage, finish_reason=stream.finish_reason)

    async def _no_stream(self, answer: Answer, job: Job) -> Outcome:
        """A stream was asked, something else came: an error as a plain body, or a page of something that is no model
        server."""
        assert job.form is not None  # noqa: S101 - as above
        checked = job.form.whole(job.stamp, await _read_error(answer))
        if isinstance(checked, Failure) and checked.error is ErrorClass.ERROR_EVENT:
            return failed(checked)
        kind = answer.headers.get("Content-Type", "no content type")
        return Outcome(ErrorClass.GARBAGE, f"a stream was asked for, and {kind} came")


def _content_type(answer: Answer) -> str:
    return answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _is_json(answer: Answer) -> bool:
    kind = _content_type(answer)
    return kind == "application/json" or kind.endswith("+json")


def _passed(answer: Answer) -> dict[str, str]:
    return {name: answer.headers[name] for name in PASSED_HEADERS if name in answer.headers}


async def _refused(answer: Answer, now: float) -> Outcome:
    found = classify_status(answer.status, answer.headers, await _read_error(answer), now)
    detail = f"status {answer.status}"
    return Outcome(found.error, detail, found.message, found.retry_after, status=answer.status)


async def _read_error(answer: Answer) -> bytes:
    with suppress(UpstreamFailure, TimeoutError):
        async with asyncio.timeout(ERROR_BODY_SECONDS):
            return await answer.read_all(ERROR_BODY_BYTES)
    return b""


def failed(failure: Failure) -> Outcome:
    """The outcome of an answer that is none, by what the provider says of it."""
    if failure.error is not ErrorClass.ERROR_EVENT:
        return Outcome(failure.error, failure.detail)
    found = classify_error(failure.body)
    return Outcome(found.error, failure.detail, found.message, found.retry_after)
