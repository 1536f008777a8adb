"""Sessions by hand, over two ends in memory."""

import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from tieline_router.runtime.upstream.tls import RENEWAL_SECONDS, SESSIONS, trusting

from tests.support.operator_stub import certificate, server_context

NAME = "inner.example"


class Ends:
    """A server, and clients of one trust that shake hands with it."""

    def __init__(self, folder: Path) -> None:
        pem, key = certificate(NAME)
        self.server = server_context(folder, pem, key)
        self.server.set_alpn_protocols(["h2", "http/1.1"])
        self.trust = trusting(pem.decode())

    def connect(self, name: str = NAME) -> ssl.SSLObject:
        there, here = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = self.trust.wrap_bio(here, there, server_hostname=name)
        server = self.server.wrap_bio(there, here, server_side=True)
        for _ in range(3):
            for end in (client, server):
                with suppress(ssl.SSLWantReadError):
                    end.do_handshake()
        assert client.selected_alpn_protocol() == "http/1.1"
        server.write(b"x")
        assert client.read(1) == b"x"
        return client


@pytest.fixture
def ends(tmp_path: Path) -> Ends:
    return Ends(tmp_path)


def test_who_is_trusted_is_verified_by_certificate_and_name(ends: Ends) -> None:
    for trust in (ends.trust, trusting()):
        assert trust.verify_mode is ssl.CERT_REQUIRED
        assert trust.check_hostname
    with pytest.raises(ssl.SSLCertVerificationError):
        ends.connect("other.example")
    with pytest.raises(ssl.SSLError):
        trusting("no bundle")


def test_a_session_is_resumed_and_renewed_only_when_it_is_old(ends: Ends) -> None:
    first = ends.connect()
    ends.trust.remember(first, 0.0)
    resumed = ends.connect()
    assert (first.session_reused, resumed.session_reused) == (False, True)
    kept = ends.trust._sessions[NAME]
    ends.trust.remember(resumed, RENEWAL_SECONDS * 2)
    assert ends.trust._sessions[NAME] is kept, "what resumes needs no other"
    ends.trust.remember(first, RENEWAL_SECONDS - 1)
    assert ends.trust._sessions[NAME] is kept, "reading sessions is not for nothing"
    ends.trust.remember(first, RENEWAL_SECONDS)
    assert ends.trust._sessions[NAME][1] == RENEWAL_SECONDS


def test_what_is_remembered_is_bounded(ends: Ends) -> None:
    ends.trust.remember(ends.connect(), 0.0)
    ends.trust._sessions = {f"{number}.example": ends.trust._sessions[NAME] for number in range(SESSIONS)}
    ends.trust.remember(ends.connect(), 1.0)
    assert len(ends.trust._sessions) == SESSIONS
    assert NAME in ends.trust._sessions
    assert "0.example" not in ends.trust._sessions
