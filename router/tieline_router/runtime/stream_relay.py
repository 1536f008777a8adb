"""One attempt's stream: from the provider's bytes to the client's, in the call that brings them. Used by `relay`.

The task of the request sleeps meanwhile; it wakes for the end, for a failure, or because a limit is over. The limits:
*first token* until the content commit, *idle* between two pieces after it (whatever the provider writes counts, also
comments; the clock stands while we do not read because the client does not), and the request's total. One timer looks
after all of them and is set when a phase begins, not at every event.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from tieline_router.errors import ErrorClass
from tieline_router.runtime.limit import Limit
from tieline_router.runtime.outcome import Job, Outcome
from tieline_router.runtime.reply import Reply
from tieline_router.runtime.upstream import Answer, UpstreamFailure
from tieline_router.streaming.form import AnswerStream

END_SECONDS: Final = 1.0
"""How long the usage and the terminator may take after the last finish reason; the answer is complete without them."""
LINGER_SECONDS: Final = 0.25
"""How long a connection may take to end its body after the answer's end, so that it can be used again."""
LINGER_BYTES: Final = 64 * 1024


class StreamRelay:
    """Passes one stream on. `on_open` is asked when the first byte of the answer is about to reach the client, from
    where on no other provider can take over (False: another attempt's has reached it, and this one's may not);
    `on_content` is called at the first content."""

    def __init__(
        self,
        reply: Reply,
        stream: AnswerStream,
        job: Job,
        on_open: Callable[[], bool],
        on_content: Callable[[], None],
    ) -> None:
        self.stream = stream
        self.expired: ErrorClass | None = None
        """The limit that ended it."""
        self._reply = reply
        self._on_open = on_open
        self._on_content = on_content
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        timeouts = job.timeouts
        self._total = now + _or_never(job.seconds_left)
        self._first = now + _or_never(timeouts.first_token)
        self._idle = _or_never(timeouts.idle)
        self._end = math.inf
        """When to wait no longer for what may follow the last finish reason."""
        self._answer: Answer | None = None
        self._resumed = now
        self._committed = self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self.limit = Limit()
        """Stands around the sending of the request and `run`; `start` comes first in it."""
        self.complete = False
        """The client has the whole answer and its end."""
        self.opened = False
        """Something of it has reached the client."""

    # -- the task's part ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """The clock runs, from before the request is sent."""
        self._look()

    async def run(self, answer: Answer) -> None:
        """Passes the body on to its end, to a failure, or to what is as good as the end. Look at `stream.failure`.

        Raises:
            ClientGone: the client does not read any more.
            TimeoutError: a limit is over, see `expired`; None where it was the wait for the end alone.
            UpstreamFailure: the connection broke.
        """
        self._answer = answer
        await answer.pump(self._take)

    def finish(self) -> None:
        """The provider's stream is over: gives the client the rest, and the end if the answer is complete."""
        self.stop()
        stream = self.stream
        if stream.failure is not None:
            return
        rest = stream.end()
        if stream.failure is None:
            if not self._open():
                return
            if stream.committed:
                self._commit()
            if rest:
                self._reply.push(rest)
            self._reply.end()
            self.complete = True

    def stop(self) -> None:
        """No limit ends it any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.opened:
            self._reply.on_pause = self._reply.on_resume = None

    # -- the hot path ------------------------------------------------------------------------------------------------

    def _take(self, data: bytes) -> bool:
        """A piece of the provider's body, straight from the socket. False: no more of it is wanted."""
        stream = self.stream
        out = stream.feed(data)
        if out:
            if not self.opened:
                if stream.failure is not None:
                    return False  # nothing of this answer has reached the client, and nothing shall
                if not self._open():
                    return False
            self._reply.push(out)
        if stream.failure is not None or stream.ended:
            return False
        if not self._committed and stream.committed:
            self._commit()
            self._set_timer()
        if stream.finished and self._end == math.inf:
            self._end = self._loop.time() + END_SECONDS
            self._set_timer()
        return True

    def _open(self) -> bool:
        if not self.opened:
            if not self._on_open():
                return False
            self.opened = True
            self._reply.on_pause, self._reply.on_resume = self._pause, self._resume
            if not self._reply.writable:  # it has not even taken the signs of life
                self._pause()
        return True

    def _commit(self) -> None:
        if not self._committed:
            self._committed = True
            self._on_content()

    def _pause(self) -> None:
        self._paused = True
        if self._answer is not None:
            self._answer.pause_reading()

    def _resume(self) -> None:
        self._paused = False
        self._resumed = self._loop.time()
        if self._answer is not None:
            self._answer.resume_reading()

    # -- limits ------------------------------------------------------------------------------------------------------

    def _due(self, now: float) -> tuple[float, ErrorClass | None]:
        """When the phase's limit is over, and what that means."""
        if self._end < math.inf:
            return self._end, None
        if not self._committed:
            phase = (self._first, ErrorClass.TIMEOUT_FIRST_TOKEN)
        elif self._paused:
            phase = (now + self._idle, ErrorClass.TIMEOUT_IDLE)
        else:
            last = self._answer.last_byte_at if self._answer is not None else now
            phase = (max(last, self._resumed) + self._idle, ErrorClass.TIMEOUT_IDLE)
        return min(phase, (self._total, ErrorClass.TIMEOUT_TOTAL))

    def _look(self) -> None:
        now = self._loop.time()
        due, error = self._due(now)
        if due > now:
            self._timer = None if due == math.inf else self._loop.call_at(due, self._look)
            return
        self._timer = None
        self.expired = error
        self.limit.expire()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._look()

    def failure(self, job: Job) -> Outcome:
        """The outcome of an attempt that a limit ended."""
        assert self.expired is not None  # noqa: S101 - asked only then
        told = {
            ErrorClass.TIMEOUT_FIRST_TOKEN: f"no content within {job.timeouts.first_token} s",
            ErrorClass.TIMEOUT_IDLE: f"the stream was silent for {job.timeouts.idle} s",
            ErrorClass.TIMEOUT_TOTAL: "the request's total time is over",
        }
        return Outcome(self.expired, told[self.expired], usage=self.stream.usage)


async def linger(answer: Answer) -> None:
    """Reads what is behind the answer's end, so that the connection can be used again."""
    with suppress(UpstreamFailure, TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            await answer.read_all(LINGER_BYTES)


def _or_never(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds
