"""Whom the router trusts, and the resumption of TLS sessions.

asyncio and uvloop take no session when they connect, but both ask the context for the TLS object of a connection
(`SSLContext.wrap_bio`, where a session may be given). So the context itself remembers the last session by server name.
A resumed handshake checks no certificates: it costs a quarter less CPU (0.4 of 1.7 ms, both sides together, one
certificate of 2048 bits) and saves the certificates' way over the network. The name was verified when the session was
made, and no other context ever sees it.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final, Self

SESSIONS: Final = 256


class Trust(ssl.SSLContext):
    """Verifies certificates and names, and resumes sessions. One per set of authorities."""

    _sessions: dict[str, ssl.SSLSession]

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
        known = self._sessions.get(server_hostname) if isinstance(server_hostname, str) else None
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session or known)

    def remember(self, name: str, session: ssl.SSLSession) -> None:
        self._sessions.pop(name, None)
        if len(self._sessions) >= SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[name] = session


def trusting(bundle: str | None = None) -> Trust:
    """Trusts the authorities of a PEM bundle alone, or those of the system.

    Raises:
        ssl.SSLError: it is no bundle of certificates.
    """
    trust = Trust()
    if bundle is None:
        trust.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        trust.load_verify_locations(cadata=bundle)
    return trust


def remember_session(transport: asyncio.Transport) -> None:
    """Keeps the session of a connection for the next one. Called when an answer has come, because servers of TLS 1.3
    send what resumes a session after the handshake; once, because asking for it costs 0.15 ms."""
    tls = transport.get_extra_info("ssl_object")
    if tls is None or tls.session_reused or tls.session is None:
        return
    if isinstance(tls.context, Trust) and tls.server_hostname:
        tls.context.remember(tls.server_hostname, tls.session)
