"""Whom the router trusts, and the resumption of TLS sessions.

asyncio and uvloop take no session when they connect, but both ask the context for the TLS object of a connection
(`SSLContext.wrap_bio`, where a session may be given). So the context itself remembers a session by server name. A
resumed handshake checks no certificates: it costs a quarter less CPU (1.3 ms instead of 1.7, both sides together, one
certificate of 2048 bits) and saves the certificates' way over the network. The name was verified when the session was
made, and no other context ever sees it.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final, Self

SESSIONS: Final = 256
RENEWAL_SECONDS: Final = 7200.0
"""A session is read at most so often for each name: OpenSSL's own lifetime of a session. Reading costs 0.15 ms, and in
Python 3.11 it loses 5 KiB for ever (python/cpython#116810): 60 KiB a day for a server that never resumes."""


class Trust(ssl.SSLContext):
    """Verifies certificates and names, and resumes sessions. One per set of authorities."""

    _sessions: dict[str, tuple[ssl.SSLSession, float]]

    def __new__(cls) -> Self:
        trust = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)  # which verifies certificate and name
        trust._sessions = {}
        return trust

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        if session is None and isinstance(server_hostname, str) and server_hostname in self._sessions:
            session, _ = self._sessions[server_hostname]
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def remember(self, tls: ssl.SSLObject, now: float) -> None:
        """Keeps the session of a connection of this context for the next one, if it is worth keeping."""
        name = tls.server_hostname
        if name is None or tls.session_reused:
            return
        _, since = self._sessions.get(name, (None, -RENEWAL_SECONDS))
        if now - since < RENEWAL_SECONDS:
            return
        session = tls.session
        if session is not None:
            self._sessions.pop(name, None)
            if len(self._sessions) >= SESSIONS:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[name] = (session, now)


def trusting(bundle: str | None = None) -> Trust:
    """Trusts the authorities of a PEM bundle alone, or those of the system.

    Raises:
        ssl.SSLError: it is no bundle of certificates.
    """
    trust = Trust()
    trust.set_alpn_protocols(["http/1.1"])
    if bundle is None:
        trust.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        trust.load_verify_locations(cadata=bundle)
    return trust


def remember_session(transport: asyncio.Transport, now: float) -> None:
    """To be called once an answer has come: in TLS 1.3 servers send what resumes a session after the handshake."""
    tls = transport.get_extra_info("ssl_object")
    if tls is not None and isinstance(tls.context, Trust):
        tls.context.remember(tls, now)
