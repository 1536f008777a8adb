"""What cannot be had from sockets at will: a client that has fallen behind before the answer begins."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from tieline_router.runtime.stream_relay import StreamRelay


class Line:
    """An answer of one piece; keeps whether it is read."""

    last_byte_at = 0.0

    def __init__(self) -> None:
        self.reading = True

    async def pump(self, sink: Any) -> None:
        assert sink(b"piece")

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


async def test_a_stream_that_begins_behind_unread_signs_of_life_is_held_up_at_once() -> None:
    pushed: list[bytes] = []
    reply = SimpleNamespace(writable=False, push=pushed.append, on_pause=None, on_resume=None)
    stream = SimpleNamespace(feed=bytes, failure=None, ended=False, committed=True, finished=False)
    timeouts = SimpleNamespace(first_token=None, idle=None)
    job = SimpleNamespace(timeouts=timeouts, seconds_left=None)
    relay = StreamRelay(cast("Any", reply), cast("Any", stream), cast("Any", job), lambda: True, lambda: None)
    line = Line()
    await relay.run(cast("Any", line))
    assert (pushed, line.reading) == ([b"piece"], False)
    cast("Any", reply.on_resume)()
    assert line.reading
