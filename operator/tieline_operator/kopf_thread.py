"""kopf in a thread and an event loop of its own, because on its way out it cancels every task of the loop it runs in.

Started by `app` once the API server has answered (kopf's own start is not guarded against outages), watched by `app`
and by /healthz. If it ends, the process must end.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Final

import kopf

from tieline_operator import handlers
from tieline_operator.credentials import Connection
from tieline_operator.resources import NAMESPACES, Body, Resource

logger = logging.getLogger(__name__)

ANSWER_SECONDS: Final = 5.0
"""A loop that does not answer within this time counts as hung."""

STOP_SECONDS: Final = 3.0
END_SECONDS: Final = 8.0
"""How long kopf may take to end after a part of it has failed. Some of its watchers may wait for credentials that
nobody brings any more; then the thread counts as ended, which ends the process."""
REACTOR: Final = "kopf._core.reactor"


class KopfThread:
    """Watches `resources` and hands each event to `deliver` on the loop that called `start`.

    Args:
        resources: kinds to watch; namespaces are not watched when only some are served.
        namespaces: those to watch; None = all.
        connect: reads the credentials.
        deliver: called with (resource, type, body).
    """

    def __init__(
        self,
        resources: tuple[Resource, ...],
        namespaces: tuple[str, ...] | None,
        connect: Callable[[], Awaitable[Connection]],
        deliver: handlers.Deliver,
    ) -> None:
        self._resources = tuple(item for item in resources if namespaces is None or item is not NAMESPACES)
        self._namespaces = namespaces
        self._connect = connect
        self._deliver = deliver
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._error: BaseException | None = None

    def start(self) -> asyncio.Future[None]:
        """Starts the thread; the future is done when the thread has ended, for whatever reason."""
        owner = asyncio.get_running_loop()
        ended: asyncio.Future[None] = owner.create_future()

        def deliver(resource: Resource, change: str | None, body: Body) -> None:
            owner.call_soon_threadsafe(self._deliver, resource, change, body)

        def failed(error: BaseException) -> None:
            self._error = self._error or error
            self._stop.set()  # a thread of kopf's loop waits for it, which the interpreter would wait for at its end
            if not owner.is_closed():
                owner.call_soon_threadsafe(owner.call_later, END_SECONDS, _settle, ended)

        def run() -> None:
            notice = _FailureNotice(failed)
            logging.getLogger(REACTOR).addHandler(notice)
            try:
                asyncio.run(self._watch(deliver))
            except BaseException as error:  # noqa: BLE001 - the owner decides what it means; nobody else would see it
                self._error = error
            finally:
                logging.getLogger(REACTOR).removeHandler(notice)
                self._loop = None
                if not owner.is_closed():
                    owner.call_soon_threadsafe(_settle, ended)

        self._thread = threading.Thread(target=run, name="kopf", daemon=True)
        self._thread.start()
        return ended

    @property
    def why(self) -> str:
        """Why the thread ended."""
        return "without an error" if self._error is None else f"{type(self._error).__name__}: {self._error}"

    async def alive(self) -> bool:
        """Whether the thread runs and its loop answers."""
        loop = self._loop
        if self._thread is None or not self._thread.is_alive() or loop is None:
            return False
        answered = asyncio.Event()
        owner = asyncio.get_running_loop()
        try:
            loop.call_soon_threadsafe(lambda: owner.call_soon_threadsafe(answered.set))
            async with asyncio.timeout(ANSWER_SECONDS):
                await answered.wait()
        except (TimeoutError, RuntimeError):
            return False
        return True

    async def stop(self) -> None:
        """Asks the thread to end and waits a little; it is a daemon, so nothing hangs if it does not."""
        self._stop.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, STOP_SECONDS)

    async def _watch(self, deliver: handlers.Deliver) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(_unretrieved)
        try:
            await kopf.operator(
                registry=handlers.registry(self._resources, deliver, self._connect),
                settings=handlers.settings(self._resources),
                standalone=True,
                clusterwide=self._namespaces is None,
                namespaces=self._namespaces or (),
                stop_flag=self._stop,
                identity="tieline-operator",  # type: ignore[arg-type] # a NewType that kopf does not export
            )
        finally:
            self._stop.set()  # a thread of kopf's loop waits for it, and the loop's end waits for that thread


class _FailureNotice(logging.Handler):
    """Hears of a failed part of kopf, which kopf only logs while it ends."""

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        super().__init__(logging.ERROR)
        self._failed = failed

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and record.getMessage().partition(":")[0].endswith("has failed"):
            self._failed(error)


def _unretrieved(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What ends kopf fails in several of its tasks at once; `why` says it, once is enough."""
    logger.debug("in kopf's loop: %s", context.get("message"))


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
