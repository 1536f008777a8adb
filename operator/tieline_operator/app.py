"""The operator's process: sets up log, loop and signals, runs the operator, and says in one line why it ended."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine

from tieline_operator.composition import Operator
from tieline_operator.credentials import NoCredentials
from tieline_operator.errors import LeaseLost, PartEnded
from tieline_operator.settings import OperatorSettings
from tieline_operator.telemetry import logs

logger = logging.getLogger(__name__)


def run(settings: OperatorSettings) -> int:
    """Runs until a signal or a failure; returns the process's exit status (0 or 1)."""
    logs.configure(settings.log_level, settings.log_format)
    with asyncio.Runner(loop_factory=_loop_factory(settings)) as runner:
        return runner.run(_main(settings))


async def _main(settings: OperatorSettings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return await supervise(Operator(settings).run(), stop)


async def supervise(work: Coroutine[object, object, None], stop: asyncio.Event) -> int:
    """Runs `work` until it ends (1, with a line that says why) or `stop` is set (0, after it has cleaned up)."""
    task = asyncio.create_task(work, name="operator")
    waiter = asyncio.create_task(stop.wait(), name="signals")
    await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if not task.done():
        logger.info("stopping")
        task.cancel()
        await asyncio.wait({task})
        return 0
    error: BaseException | None = task.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case LeaseLost() | PartEnded() | NoCredentials() | OSError():
            logger.critical("the operator ends: %s", error)
        case _:
            logger.critical("the operator ends by an error of its own, please report it", exc_info=error)
    return 1


def _loop_factory(settings: OperatorSettings) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if not settings.uvloop:
        return None
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
