"""Keeps the last-known-good state on disk and starts from the newest of what is at hand.

Boot reads the state file and then the bootstrap copy; of each kind of frame the newer wins, and a copy of another
installation wins over the state file, because it was mounted by the cluster that this pod runs in. Used by `app`.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

from tieline_router.runtime.clock import Clock
from tieline_router.runtime.sealed import CannotOpen, Seal
from tieline_router.runtime.snapshots import Refused, SnapshotStore, frame_kind
from tieline_router.runtime.state_file import Saved, load, read_seal, save

logger = logging.getLogger(__name__)

MIN_INTERVAL: Final = 1.0
"""Seconds between two writes: endpoints of a busy cluster change many times a second."""


class StateKeeper:
    """One per process. `changed` is called after every frame; `run` writes."""

    def __init__(self, clock: Clock, *, state_file: Path | None, key_file: Path | None, bootstrap_file: Path | None):
        self._clock = clock
        self._state_file = state_file
        self._key_file = key_file
        self._bootstrap_file = bootstrap_file
        self._dirty = asyncio.Event()
        self._seal: Seal | None = None
        self._writing: asyncio.Task[None] | None = None
        self.failing = False
        """The last write failed."""

    async def boot(self, store: SnapshotStore) -> None:
        """Applies what the files hold. Problems are warnings: the stream may still come."""
        try:
            self._seal = await asyncio.to_thread(read_seal, self._key_file)
        except CannotOpen as error:
            logger.warning("%s; secrets are neither read from the state file nor written to it", error)
        for path, seal in ((self._state_file, self._seal), (self._bootstrap_file, None)):
            saved = await asyncio.to_thread(load, path, seal)
            for problem in saved.problems:
                logger.warning("%s; the rest of the file is used", problem)
            await _apply(store, saved, path)
        self._dirty.clear()

    def changed(self) -> None:
        """Something new is in force and wants to be written."""
        self._dirty.set()

    async def run(self, store: SnapshotStore) -> None:
        """Writes after changes, at most once in `MIN_INTERVAL`, until it is cancelled."""
        if self._state_file is None:
            return
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            self._writing = asyncio.create_task(self._write(self._state_file, store), name="state file write")
            await asyncio.shield(self._writing)  # a write that has begun is finished, also when the process ends
            await self._clock.sleep(MIN_INTERVAL)

    async def flush(self, store: SnapshotStore) -> None:
        """Waits for a write that is under way and writes what is not written yet; for the end of the process."""
        if self._writing is not None:
            await self._writing
        if self._state_file is not None and self._dirty.is_set():
            self._dirty.clear()
            await self._write(self._state_file, store)

    async def _write(self, path: Path, store: SnapshotStore) -> None:
        saved = Saved(store.config, store.endpoints, store.secrets)
        try:
            await asyncio.to_thread(save, path, saved, self._seal)
        except OSError as error:
            if not self.failing:
                logger.warning(
                    "the last-known-good state cannot be written, a restart would need the operator: %s", error
                )
            self.failing = True
        else:
            self.failing = False


async def _apply(store: SnapshotStore, saved: Saved, path: Path | None) -> None:
    for frame in (saved.secrets, saved.endpoints, saved.config):
        if frame is None:
            continue
        try:
            if await store.apply(frame, confirmed=False):
                logger.info("%s %s is in force, from %s", frame_kind(frame), frame.revision, path)
        except Refused as error:
            logger.info("%s of %s is not used: %s", frame_kind(frame), path, error)
