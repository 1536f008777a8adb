"""Request bodies: their type, their length, the time they take, and the room they share. Used by `server`.

A body is held until its request ends, because another attempt may need it. All bodies together have one bound; what
does not fit is refused at once, so that a burst of long prompts cannot take the process's memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import web

from tieline_router.errors import ERRORS, ErrorClass
from tieline_router.runtime.call import Refused
from tieline_router.settings import RouterSettings
from tieline_router.wire.chat import BadRequest
from tieline_router.wire.errors import Problem

RETRY_SECONDS: Final = 1.0


class Room:
    """One request's share of the room; grows with what is announced, then with what comes."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self.size = 0

    def grow(self, size: int) -> None:
        """Takes what is missing to `size` bytes.

        Raises:
            Refused: there is no room.
        """
        more = max(0, size - self.size)
        if more > self._bodies.free:
            message = "The router holds as many request bodies as it may (--max-bodies-bytes): try again soon."
            raise Refused(Problem(ErrorClass.BODIES_EXHAUSTED, message, retry_after=RETRY_SECONDS))
        self._bodies.free -= more
        self.size += more


class Bodies:
    """Reads the bodies of one process. `free`: bytes that may still be taken."""

    def __init__(self, settings: RouterSettings) -> None:
        self._longest = settings.max_body_bytes
        self._seconds = settings.body_seconds
        self.free = settings.max_bodies_bytes

    @contextmanager
    def room(self) -> Iterator[Room]:
        """A share that is given back at the end of the context."""
        room = Room(self)
        try:
            yield room
        finally:
            self.free += room.size

    async def read(self, request: web.BaseRequest, room: Room) -> bytes:
        """The whole body.

        Raises:
            BadRequest: it is compressed or no JSON by its type, too long, too slow, or breaks off.
            Refused: there is no room for it now.
        """
        _check_type(request)
        announced = request.content_length or 0
        if announced > self._longest:
            raise self._too_large()
        room.grow(announced)
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._seconds):
                while part := await request.content.readany():
                    size += len(part)
                    if size > self._longest:
                        raise self._too_large()
                    room.grow(size)
                    parts.append(part)
        except TimeoutError:
            raise BadRequest(ErrorClass.BODY_TIMEOUT, ERRORS[ErrorClass.BODY_TIMEOUT].remedy) from None
        except (web.RequestPayloadError, ValueError) as error:
            raise BadRequest(ErrorClass.INVALID_JSON, f"the body cannot be read: {error}") from None
        return b"".join(parts)

    def _too_large(self) -> BadRequest:
        message = f"the body is longer than {self._longest} bytes, which is this router's limit"
        return BadRequest(ErrorClass.BODY_TOO_LARGE, message)


def _check_type(request: web.BaseRequest) -> None:
    remedy = ERRORS[ErrorClass.UNSUPPORTED_MEDIA_TYPE].remedy
    kind = request.content_type
    if "Content-Type" in request.headers and kind != "application/json" and not kind.endswith("+json"):
        raise BadRequest(ErrorClass.UNSUPPORTED_MEDIA_TYPE, f"{remedy} This one is {kind}.")
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in {"identity", ""}:
        raise BadRequest(ErrorClass.UNSUPPORTED_MEDIA_TYPE, f"{remedy} This one is encoded as {coding[:64]}.")
