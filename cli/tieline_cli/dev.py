"""`tieline dev FOLDER`: a router fed from a folder of manifests, in one process, following the folder's changes.

The same compile step as the operator's reads the folder instead of the API server. A change that has an error is told
and leaves the configuration in force as it was.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from rich.console import Console
from tieline_api.snapshot import ConfigFrame
from tieline_operator.verdicts import Evaluation
from tieline_router.__main__ import loop_factory
from tieline_router.app import Router
from tieline_router.runtime.snapshots import Refused
from tieline_router.settings import RouterSettings
from tieline_router.telemetry import logs
from watchfiles import awatch

from tieline_cli.folder import SUFFIXES, Folder, manifest_files, read_folder
from tieline_cli.frames import FrameSource
from tieline_cli.judge import Judgement, judge
from tieline_cli.lint import variables
from tieline_cli.problems import Problem, print_problems, problems_json, summary
from tieline_cli.settings import DevSettings

logger = logging.getLogger(__name__)

DEBOUNCE_MILLISECONDS: Final = 300
"""An editor writes a file in several steps; this long after the first one the folder is read."""
LOOK_MILLISECONDS: Final = 1000
"""How often the files' times are looked at when nothing was notified: some file systems notify nobody, and a change
between the first reading and the first watch would be missed."""


def serve_folder(settings: DevSettings) -> int:
    """Serves until SIGINT or SIGTERM; the process's exit status."""
    logs.configure(settings.log_level, "text")
    logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it tells every change, and so do we
    with asyncio.Runner(loop_factory=loop_factory(uvloop=True)) as runner:
        return runner.run(_Dev(settings).run())


def router_settings(settings: DevSettings) -> RouterSettings:
    """The router's settings for a folder: no operator, no files, an admin API that only this machine reaches."""
    return RouterSettings(
        host=settings.host,
        port=settings.port,
        admin_host="127.0.0.1",
        admin_port=settings.admin_port,
        auth=settings.effective_auth,
        anonymous_namespace=settings.anonymous_namespace,
        router_class=settings.router_class,
        operator_url=None,
        state_file=None,
        state_key_file=None,
        bootstrap_file=None,
        drain_delay_seconds=0,
        drain_seconds=5,
    )


class _Dev:
    """One run of the command: owner of the router, of the last evaluation, and of what is printed."""

    def __init__(self, settings: DevSettings) -> None:
        self._settings = settings
        self._router = Router(router_settings(settings), addresses_age=False)
        self._source = FrameSource(settings.router_class, f"dev-{secrets.token_hex(8)}")
        self._version_key = secrets.token_bytes(32)
        self._evaluation: Evaluation | None = None
        self._read: tuple[tuple[str, int, int], ...] = ()
        self._told: tuple[Problem, ...] = ()
        self._accepted_errors: frozenset[str] = frozenset()
        """Errors that were there when the configuration in force was read: they do not stop later edits."""
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(highlight=False, soft_wrap=True, stderr=True)

    async def run(self) -> int:
        ending = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ending.set)
        try:
            await self._router.start()
        except OSError as error:
            self._err.print(f"tieline dev: cannot listen: {error}; choose others with --port and --admin-port")
            await self._router.stop()
            return 1
        try:
            # What is wrong at the start cannot hide what is right: there is no older configuration to keep.
            await self._load(keep_when_wrong=False)
            self._tell_serving()
            await self._follow(ending)
            await self._router.drain()
        finally:
            await self._router.stop()
        return 0

    # -- configuration -----------------------------------------------------------------------------------------------

    async def _follow(self, ending: asyncio.Event) -> None:
        settings = self._settings
        watched = [settings.folder if settings.folder.is_dir() else settings.folder.parent]
        if settings.env_file is not None:
            watched.append(settings.env_file.parent)

        def is_ours(_: object, name: str) -> bool:
            path = Path(name)
            return path.suffix in SUFFIXES or (settings.env_file is not None and path.name == settings.env_file.name)

        changes = awatch(
            *watched,
            watch_filter=is_ours,
            stop_event=ending,
            debounce=DEBOUNCE_MILLISECONDS,
            rust_timeout=LOOK_MILLISECONDS,
            yield_on_timeout=True,
        )
        async for _ in changes:
            if await asyncio.to_thread(self._stamp) != self._read:
                await self._load(keep_when_wrong=True)

    def _stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Names, times and sizes of all files that are read: another stamp, another reading."""
        files = manifest_files(self._settings.folder)
        if self._settings.env_file is not None:
            files.append(self._settings.env_file)
        found = []
        for path in files:
            with suppress(OSError):  # it vanished since it was listed
                state = path.stat()
                found.append((str(path), state.st_mtime_ns, state.st_size))
        return tuple(found)

    async def _load(self, *, keep_when_wrong: bool) -> None:
        """Reads the folder and puts it in force; with `keep_when_wrong` a new error keeps what is in force."""
        started = time.perf_counter()
        try:
            folder, judgement = await asyncio.to_thread(self._judge)
        except Exception as error:
            logger.exception("a bug in tieline: the folder could not be read")
            self._tell("kept", f"kept the configuration in force: {type(error).__name__} while reading the folder")
            return
        self._tell_problems(judgement)
        errors = {_without_line(each): each for each in judgement.problems if each.severity == "error"}
        new = [each for key, each in errors.items() if key not in self._accepted_errors]
        if keep_when_wrong and new:
            first = min(new)
            where = f"{first.file}:{first.line} {first.message}"
            self._tell("kept", f"kept the configuration in force: {summary(new)}, first {where}")
            return
        frames = self._source.frames(judgement.evaluation)
        self._evaluation = judgement.evaluation
        try:
            for frame in frames:
                await self._router.apply(frame)
        except Refused as refused:
            self._tell("kept", f"kept the configuration in force: {refused}")
            return
        self._accepted_errors = frozenset(errors)
        if keep_when_wrong:
            milliseconds = (time.perf_counter() - started) * 1000
            changed = any(isinstance(frame, ConfigFrame) for frame in frames)
            what = "in force" if changed else "in force (addresses or keys only)" if frames else "nothing changed"
            left = f"; left out: {summary(judgement.problems)}" if errors else ""
            self._tell("reloaded", f"{what} after {milliseconds:.0f} ms: {len(folder.sources)} objects{left}")

    def _judge(self) -> tuple[Folder, Judgement]:
        self._read = self._stamp()  # before reading: what is written meanwhile is read next time
        folder = read_folder(self._settings.folder, variables(self._settings.env_file))
        return folder, judge(folder, self._version_key, self._evaluation)

    # -- what is printed ---------------------------------------------------------------------------------------------

    def _tell_problems(self, judgement: Judgement) -> None:
        """Problems that were not told last time."""
        new = [problem for problem in judgement.problems if problem not in self._told]
        self._told = judgement.problems
        if not new:
            return
        if self._settings.output == "json":
            self._err.out(problems_json(new), highlight=False)
        else:
            print_problems(self._err, new)

    def _tell(self, event: str, text: str) -> None:
        if self._settings.output == "json":
            self._out.out(json.dumps({"event": event, "message": text}), highlight=False)
        else:
            self._out.print(f"{time.strftime('%H:%M:%S')} {text}", markup=False)

    def _tell_serving(self) -> None:
        api, admin = (_url(*address) for address in (self._router.address, self._router.admin_address))
        current = self._router.store.current
        names = sorted({name for route in current.table.config.routes for name in route.models}) if current else []
        auth = self._settings.effective_auth
        if self._settings.output == "json":
            event = {"event": "serving", "api": api, "admin": admin, "auth": auth, "models": names}
            self._out.out(json.dumps(event), highlight=False)
            return
        keys = "every caller needs a Consumer's key"
        if auth == "Optional":
            keys = f"callers without a key use namespace {self._settings.anonymous_namespace}"
        self._out.print(f"Tieline serves {self._settings.folder}; {keys}", markup=False)
        self._out.print(f"API     {api}", markup=False)
        self._out.print(f"Admin   {admin}", markup=False)
        self._out.print(f"Models  {', '.join(names) or 'none: add a ModelRoute'}", markup=False)
        self._out.print("Ctrl-C ends it; changes of the folder take effect by themselves.", markup=False)


def _without_line(problem: Problem) -> str:
    """What makes an error the same error after an edit above it."""
    return f"{problem.file} {problem.object} {problem.field} {problem.message}"


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"
