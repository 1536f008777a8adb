"""The listener's certificate, from two mounted files, renewed without a restart. Used by `app`.

Kubernetes replaces the files of a mounted Secret when cert-manager renews it. New handshakes get the new certificate;
connections that stand keep theirs. Files that cannot be used change nothing, and say so once.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Final

from tieline_router.runtime.clock import Clock

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 10.0
"""How often the files are looked at; the kubelet itself takes up to a minute to replace them."""


class UnusableCertificate(Exception):
    """The files hold no certificate and key that belong together. The message names them, never their content."""


class ListenerCertificate:
    """One TLS context for the listener; `keep` loads the files again when they change."""

    def __init__(self, certificate: Path, key: Path, clock: Clock) -> None:
        """Reads the files.

        Raises:
            UnusableCertificate: they cannot be used.
        """
        self._certificate, self._key = certificate, key
        self._clock = clock
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.set_alpn_protocols(["http/1.1"])
        self._state = self._look()
        self._load(self.context)

    async def keep(self) -> None:
        """Follows the files until it is cancelled."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            state = await asyncio.to_thread(self._look)
            if state == self._state:
                continue
            self._state = state
            try:
                # Into a context that nobody uses first: a half-written pair must not break the one in use.
                await asyncio.to_thread(self._load, ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
                self._load(self.context)
            except UnusableCertificate as error:
                logger.error("%s; the one in use stays", error)
            else:
                logger.info("the listener has a new certificate from %s", self._certificate)

    def _look(self) -> tuple[tuple[int, int, int], ...]:
        """What changes when a file is replaced; zeros for one that is not there."""
        found = []
        for path in (self._certificate, self._key):
            try:
                stat = path.stat()
                found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
            except OSError:
                found.append((0, 0, 0))
        return tuple(found)

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(self._certificate, self._key, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            reason = error.reason if isinstance(error, ssl.SSLError) and error.reason else type(error).__name__
            message = f"{self._certificate} and {self._key} are no certificate and key for the listener: {reason}"
            raise UnusableCertificate(message) from None


def _no_password() -> str:
    """OpenSSL would ask at a terminal that is not there."""
    raise ValueError("the key is encrypted")
