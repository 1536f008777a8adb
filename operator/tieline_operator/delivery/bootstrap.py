"""The bootstrap copy: configuration and endpoints of a gateway fleet in a ConfigMap, for routers that start without us.

No secret value stands in it. Written seldom (`--bootstrap-seconds`) and only when its content changed; a revision alone
is no change, so a restart writes nothing.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import logging
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tieline_api.names import BOOTSTRAP_CONFIG_MAP_PREFIX, BOOTSTRAP_KEY, FIELD_MANAGER, LABEL_ROUTER_CLASS
from tieline_api.snapshot import (
    MAX_FRAME_BYTES,
    ConfigFrame,
    EndpointsFrame,
    PoolEndpoints,
    UnreadableFrame,
    decode_frame,
)

from tieline_operator.cluster import Cluster
from tieline_operator.delivery.keeper import write_config_map
from tieline_operator.delivery.publications import Publication
from tieline_operator.errors import ApiError, Unavailable, Unserved
from tieline_operator.resources import CONFIG_MAPS, Body

logger = logging.getLogger(__name__)

MAX_BYTES: Final = 900 * 1024
"""A ConfigMap holds one mebibyte."""
MAX_PAUSE_SECONDS: Final = 300.0
"""Longest wait between two tries when writes fail."""


@dataclass(frozen=True)
class Copy:
    """What a bootstrap ConfigMap says, apart from revisions."""

    content_hash: str
    endpoints: str


def pack(publication: Publication) -> bytes:
    """The two frames as gzipped JSON lines; equal frames give equal bytes."""
    lines = b"\n".join(publication.frames[kind].data for kind in ("config", "endpoints"))
    return gzip.compress(lines + b"\n", mtime=0)


def unpack(packed: bytes) -> Copy | None:
    """What a packed copy says; None when it cannot be read, or is larger than two frames can be."""
    machine = zlib.decompressobj(wbits=31)  # gzip
    try:
        lines = machine.decompress(packed, 2 * MAX_FRAME_BYTES)
        if not machine.eof:
            return None
        frames = [decode_frame(line) for line in lines.splitlines() if line]
    except (zlib.error, UnreadableFrame):
        return None
    digest = next((frame.content_hash for frame in frames if isinstance(frame, ConfigFrame)), "")
    pools = next((frame.pools for frame in frames if isinstance(frame, EndpointsFrame)), {})
    return Copy(digest, _canonical(pools))


def _canonical(pools: Mapping[str, PoolEndpoints]) -> str:
    """Equal addresses, equal text; compared within one process only."""
    return repr(sorted(pools.items()))


class Bootstrap:
    """Writes the copies. `counted` is called with written, unchanged, too_large or failed."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        seconds: float,
        leading: Callable[[], bool],
        counted: Callable[[str], None],
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._seconds = seconds
        self._leading = leading
        self._counted = counted
        self._waiting: dict[str, Publication] = {}
        self._written: dict[str, Copy] = {}
        self._too_large: set[str] = set()
        self._failed: dict[str, str] = {}
        """How the last try of each class failed."""
        self._said: dict[str, str] = {}
        self._wake = asyncio.Event()

    def offer(self, publication: Publication) -> None:
        """The frames of a gateway fleet changed."""
        self._waiting[publication.target.router_class] = publication
        self._wake.set()

    async def run(self) -> None:
        """Writes until it is cancelled. Whatever goes wrong with a copy is tried again: the stream does without it."""
        failures = 0
        while True:
            await self._wake.wait()
            self._wake.clear()
            failed = False
            for router_class in sorted(self._waiting):
                publication = self._waiting.pop(router_class)
                if not await self._tried(router_class, publication):
                    failed = True
                    self._waiting.setdefault(router_class, publication)
                    self._wake.set()
            failures = failures + 1 if failed else 0
            pace = max(self._seconds, 1.0)
            await asyncio.sleep(max(pace, min(pace * 2.0 ** min(failures - 1, 16), MAX_PAUSE_SECONDS)))

    async def _tried(self, router_class: str, publication: Publication) -> bool:
        """Whether the copy stands now, as far as it can."""
        try:
            await self._write(router_class, publication)
        except Exception as error:  # a convenience for starting routers must not end the operator
            self._counted("failed")
            line = f"{type(error).__name__}: {error}"
            served_others = isinstance(error, Unserved) and not self._cluster.outage.active
            away = isinstance(error, Unavailable) and not served_others  # said by `outage`
            # Said from the second time on: the first may be the beginning of an outage, which has its own line.
            again = isinstance(error, ApiError) or self._failed.get(router_class) == line
            self._failed[router_class] = line
            if again and not away and self._said.get(router_class) != line:
                self._said[router_class] = line
                own = None if isinstance(error, ApiError | Unserved) else error
                logger.error(
                    "the bootstrap copy of class %s is not written: %s; trying again", router_class, line, exc_info=own
                )
            return False
        self._said.pop(router_class, None)
        self._failed.pop(router_class, None)
        return True

    async def _write(self, router_class: str, publication: Publication) -> None:
        if not self._leading():
            raise Unavailable("the Lease is not renewed")
        packed = pack(publication)
        copy = Copy(publication.frames["config"].content_hash, _canonical(publication.endpoints))
        name = BOOTSTRAP_CONFIG_MAP_PREFIX + router_class
        if router_class not in self._written:
            known = await self._known(name)
            if known is not None:
                self._written[router_class] = known
        if self._written.get(router_class) == copy:
            self._counted("unchanged")
            return
        if len(packed) > MAX_BYTES:
            self._counted("too_large")
            if router_class not in self._too_large:
                self._too_large.add(router_class)
                logger.warning(
                    "the bootstrap copy of class %s has %d KiB, a ConfigMap holds %d: it is not written; routers start "
                    "from the stream or their last-known-good file",
                    *(router_class, len(packed) // 1024, MAX_BYTES // 1024),
                )
            return
        self._too_large.discard(router_class)
        labels = {"app.kubernetes.io/managed-by": FIELD_MANAGER, LABEL_ROUTER_CLASS: router_class}
        body: Body = {
            "metadata": {"name": name, "namespace": self._namespace, "labels": labels},
            "binaryData": {BOOTSTRAP_KEY: base64.b64encode(packed).decode()},
        }
        await write_config_map(self._cluster, body)
        self._written[router_class] = copy
        self._counted("written")

    async def _known(self, name: str) -> Copy | None:
        found = await self._cluster.get(CONFIG_MAPS, self._namespace, name)
        packed = ((found or {}).get("binaryData") or {}).get(BOOTSTRAP_KEY)
        if not packed:
            return None
        try:
            known = unpack(base64.b64decode(packed))
        except ValueError:
            known = None
        if known is None:
            logger.warning("ConfigMap %s/%s cannot be read and is written anew", self._namespace, name)
        return known
