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

from tieline_router.apis import Body
from tieline_router.errors import ERRORS, ErrorClass
from tieline_router.runtime.call import Refused
from tieline_router.runtime.inflate import CODINGS, STEP_BYTES, Damaged
from tieline_router.settings import RouterSettings
from tieline_router.wire.errors import Problem
from tieline_router.wire.fields import BadRequest

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

    async def read(self, request: web.BaseRequest, room: Room, kind: Body = Body.JSON) -> bytes:
        """The whole body, expanded when it came compressed.

        Raises:
            BadRequest: it is not of this kind or of an unknown coding by its headers, too long, too slow, breaks off,
                or is not what its coding says.
            Refused: there is no room for it now.
        """
        coding = _checked_coding(request, kind)
        announced = request.content_length or 0
        if announced > self._longest:
            raise self._too_large()
        room.grow(announced)
        body = await self._received(request, room)
        return body if coding is None else await self._expanded(body, coding, room)

    async def _received(self, request: web.BaseRequest, room: Room) -> bytes:
        if request.content.is_eof():  # it came with the head, as most do: no timer is needed (2 us)
            body = request.content.read_nowait(-1)
            if len(body) > self._longest:
                raise self._too_large()
            room.grow(len(body))
            return body
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

    async def _expanded(self, body: bytes, coding: str, room: Room) -> bytes:
        """Step by step: another request may run between two of them, and a bomb ends at the limit."""
        parts: list[bytes] = []
        size = 0
        try:
            for piece in CODINGS[coding](body):
                size += len(piece)
                if size > self._longest:
                    raise self._too_large()
                room.grow(len(body) + size)
                parts.append(piece)
                if len(piece) == STEP_BYTES:
                    await asyncio.sleep(0)
        except Damaged as damaged:
            message = f"the body is not the {coding} that its Content-Encoding says: {damaged}"
            raise BadRequest(ErrorClass.INVALID_JSON, message) from None
        return b"".join(parts)


def _checked_coding(request: web.BaseRequest, kind: Body) -> str | None:
    """The coding of the body; None when it is sent as it is."""
    remedy = ERRORS[ErrorClass.UNSUPPORTED_MEDIA_TYPE].remedy
    type_ = request.content_type
    if "Content-Type" not in request.headers:
        fits = kind is Body.JSON
    else:
        fits = type_ == kind or (kind is Body.JSON and type_.endswith("+json"))
    if not fits:
        raise BadRequest(ErrorClass.UNSUPPORTED_MEDIA_TYPE, f"{remedy} Wanted here: {kind}; this one is {type_}.")
    coding = request.headers.get("Content-Encoding", "").strip().lower()
    if coding in {"", "identity"}:
        return None
    if coding not in CODINGS:
        raise BadRequest(ErrorClass.UNSUPPORTED_MEDIA_TYPE, f"{remedy} This one is encoded as {coding[:64]}.")
    return coding
