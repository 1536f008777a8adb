"""Keeps the operator's certificates: reads and writes Secret and CA bundle, and loads the leaf into the server's TLS.

The Secret is the truth and is written with its resourceVersion, so two writers cannot mix their keys; the ConfigMap
with the bundle follows from it. A new CA is in the ConfigMap a day before it signs. Decisions are `certificates`'s.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from tieline_api.names import CA_CONFIG_MAP, CA_KEY, CERTIFICATE_SECRET, FIELD_MANAGER

from tieline_operator.cluster import Cluster
from tieline_operator.delivery.certificates import (
    Material,
    UnreadableMaterial,
    carry_out,
    pack,
    pem,
    plan_certificates,
    span_of,
    unpack,
)
from tieline_operator.errors import ApiError, Conflict, Unavailable, Unserved
from tieline_operator.resources import CONFIG_MAPS, SECRETS, Body

logger = logging.getLogger(__name__)

CHECK_SECONDS: Final = 30.0
"""Pace of checks: two GETs. Routers that start need the bundle, so a deleted one must not stay away for long."""
MAX_CONFLICTS: Final = 6
CONFLICT_SECONDS: Final = 0.1
"""Pause after the first conflict with another writer; it doubles with each."""
_LABELS: Final = {"app.kubernetes.io/managed-by": FIELD_MANAGER}


class Keeper:
    """One per process. `context` is what the server serves with; new handshakes use the newest leaf at once."""

    def __init__(self, cluster: Cluster, namespace: str, names: Sequence[str], now: Callable[[], datetime]) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.expires: datetime | None = None
        self._cluster = cluster
        self._namespace = namespace
        self._names = tuple(names)
        self._now = now
        self._material = Material()
        self._loaded: bytes = b""

    async def ensure(self) -> None:
        """Brings Secret, bundle and TLS context to where they must be now.

        Raises:
            ApiError, Unavailable: the API server refused or is away (or others write all the time: Conflict); what was
                loaded stays in use.
        """
        for conflicts in range(MAX_CONFLICTS):
            try:
                await self._ensure_secret()
                await write_config_map(
                    self._cluster,
                    {
                        "metadata": {"name": CA_CONFIG_MAP, "namespace": self._namespace, "labels": _LABELS},
                        "data": {CA_KEY: self._material.bundle().decode()},
                    },
                )
            except Conflict:  # somebody wrote at the same time: read again
                if conflicts + 1 == MAX_CONFLICTS:
                    raise
                await asyncio.sleep(CONFLICT_SECONDS * 2.0**conflicts)
                continue
            self._load()
            return

    async def keep(self, leading: Callable[[], bool]) -> None:
        """Checks now and then until it is cancelled; only while `leading` may write. Nothing ends it: what is loaded
        serves on."""
        said = ""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                if leading():
                    await self.ensure()
                said = ""
            except Exception as error:  # routers are better served by the old certificate than by none
                line = f"{type(error).__name__}: {error}"
                served_others = isinstance(error, Unserved) and not self._cluster.outage.active
                away = isinstance(error, Unavailable) and not served_others  # said by `outage`
                if not away and line != said:
                    said = line
                    own = None if isinstance(error, ApiError | Unserved) else error
                    logger.error("certificates could not be checked: %s; trying again", line, exc_info=own)

    async def _ensure_secret(self) -> None:
        found = await self._cluster.get(SECRETS, self._namespace, CERTIFICATE_SECRET)
        known = self._material
        material = known if found is None else self._unpacked(found, known)
        now = self._now()
        steps = plan_certificates(material.state(), now, self._names)
        material = carry_out(material, steps, now, self._names)
        data = pack(material)
        if found is None:
            await self._cluster.create(SECRETS, self._namespace, self._secret(data))
        elif found.get("data") != data:
            body = {**self._secret(data), "metadata": {**found["metadata"]}}
            await self._cluster.replace(SECRETS, {**body, "type": found.get("type", "Opaque")})
        if steps:
            logger.info("certificates renewed: %s", ", ".join(step.value for step in steps))
        self._material = material

    def _secret(self, data: dict[str, str]) -> Body:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": CERTIFICATE_SECRET, "namespace": self._namespace, "labels": _LABELS},
            "data": data,
        }

    def _unpacked(self, secret: Body, known: Material) -> Material:
        try:
            return unpack(secret.get("data") or {})
        except UnreadableMaterial as error:
            logger.error("Secret %s/%s cannot be read (%s): written anew", self._namespace, CERTIFICATE_SECRET, error)
            return known

    def _load(self) -> None:
        leaf = self._material.leaf
        assert leaf is not None  # noqa: S101 - every plan ends with a leaf
        certificate, key = pem(leaf)
        if certificate == self._loaded:
            return
        with tempfile.TemporaryDirectory() as folder:  # the ssl module reads files only
            files = Path(folder, "tls.crt"), Path(folder, "tls.key")
            files[0].write_bytes(certificate)
            files[1].touch(mode=0o600)
            files[1].write_bytes(key)
            self.context.load_cert_chain(*files)
        self._loaded = certificate
        self.expires = span_of(leaf.certificate).ends


async def write_config_map(cluster: Cluster, body: Body) -> bool:
    """Makes a ConfigMap that is the operator's own hold exactly this content; False when it did already.

    Raises:
        Conflict: somebody wrote at the same time. ApiError, Unavailable: as ever.
    """
    metadata = body["metadata"]
    content = {name: body[name] for name in ("data", "binaryData") if name in body}
    found = await cluster.get(CONFIG_MAPS, metadata["namespace"], metadata["name"])
    if found is None:
        full = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **content}
        await cluster.create(CONFIG_MAPS, metadata["namespace"], full)
        return True
    if {name: found[name] for name in ("data", "binaryData") if name in found} == content:
        return False
    kept = {name: value for name, value in found.items() if name not in {"data", "binaryData"}}
    await cluster.replace(CONFIG_MAPS, {**kept, **content})
    return True
