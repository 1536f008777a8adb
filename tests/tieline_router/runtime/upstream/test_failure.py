import socket
import ssl

import pytest
from tieline_router.errors import ErrorClass
from tieline_router.runtime.addresses import AddressRefused
from tieline_router.runtime.upstream.failure import dialing_failure, lost_failure

E = ErrorClass


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (AddressRefused("x"), E.ADDRESS_REFUSED),
        (socket.gaierror(socket.EAI_NONAME, "x"), E.NAME_UNRESOLVED),
        (UnicodeError("label too long"), E.NAME_UNRESOLVED),
        (OverflowError("port"), E.NAME_UNRESOLVED),
        (ssl.SSLCertVerificationError("x"), E.TLS),
        (ssl.SSLError("x"), E.TLS),
        (TimeoutError(), E.CONNECT_TIMEOUT),
        (TimeoutError(110, "Connection timed out"), E.CONNECT_TIMEOUT),
        (ConnectionRefusedError(111, "x"), E.CONNECT_REFUSED),
        (ConnectionResetError(104, "x"), E.CONNECT_REFUSED),
        (OSError(101, "Network is unreachable"), E.CONNECT_REFUSED),
        (RuntimeError("x"), E.CONNECT_REFUSED),
    ],
)
def test_why_there_is_no_connection(error: Exception, kind: ErrorClass) -> None:
    assert dialing_failure(error).error is kind


@pytest.mark.parametrize(
    ("error", "begun", "headers", "kind"),
    [
        (None, False, False, E.RESET_BEFORE_HEADERS),
        (None, True, False, E.RESET_BEFORE_HEADERS),
        (ConnectionResetError(), True, True, E.RESET_MID_STREAM),
        (ssl.SSLError("certificate required"), False, False, E.TLS),
        (ssl.SSLError("bad record"), True, True, E.RESET_MID_STREAM),
    ],
)
def test_why_an_answer_is_not_whole(error: Exception | None, begun: bool, headers: bool, kind: ErrorClass) -> None:
    assert lost_failure(error, begun=begun, headers=headers).error is kind
