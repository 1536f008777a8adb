"""What went wrong with an attempt, as a class of the error table. No sockets.

Words are for logs: they hold no URL, no header and no byte of an answer, because a base URL may carry what is secret to
its owner, and a provider may quote a key.
"""

from __future__ import annotations

import socket
import ssl

from tieline_router.errors import ErrorClass
from tieline_router.runtime.addresses import AddressRefused


class UpstreamFailure(Exception):
    """The attempt failed: `error` is its class, the message is for logs and never holds a secret."""

    def __init__(self, error: ErrorClass, detail: str) -> None:
        super().__init__(detail)
        self.error = error
        self.detail = detail


def dialing_failure(error: Exception) -> UpstreamFailure:
    """Why there is no connection. `error` is what the name, the socket or the TLS handshake raised."""
    words = f"{type(error).__name__}: {error}"
    match error:
        case AddressRefused():
            return UpstreamFailure(ErrorClass.ADDRESS_REFUSED, str(error))
        case socket.gaierror():
            return UpstreamFailure(ErrorClass.NAME_UNRESOLVED, words)
        case ssl.SSLError() | ssl.CertificateError():
            return UpstreamFailure(ErrorClass.TLS, words)
        case TimeoutError():  # also the system's own, ETIMEDOUT
            return UpstreamFailure(ErrorClass.CONNECT_TIMEOUT, "no connection in time")
        case ValueError() | OverflowError():  # no host for the resolver (`a..b`, a label of 90 characters), no port
            detail = f"no host or port that can be reached: {type(error).__name__}"
            return UpstreamFailure(ErrorClass.NAME_UNRESOLVED, detail)
        case _:
            return UpstreamFailure(ErrorClass.CONNECT_REFUSED, words)


def lost_failure(error: Exception | None, *, begun: bool, headers: bool) -> UpstreamFailure:
    """Why an answer is not whole: the connection ended, with `error` unless the server closed it in order.

    Args:
        error: what the transport said.
        begun: a byte of the answer has come.
        headers: its headers have come.
    """
    if isinstance(error, ssl.SSLError) and not begun:
        return UpstreamFailure(ErrorClass.TLS, f"{type(error).__name__}: {error}")
    how = "closed" if error is None else f"lost ({type(error).__name__})"
    if headers:
        return UpstreamFailure(ErrorClass.RESET_MID_STREAM, f"the connection was {how} inside the answer")
    where = "inside the headers of the answer" if begun else "before any byte of an answer"
    return UpstreamFailure(ErrorClass.RESET_BEFORE_HEADERS, f"the connection was {how} {where}")
