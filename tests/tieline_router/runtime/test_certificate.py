import asyncio
import logging
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tieline_router.runtime.certificate import ListenerCertificate, UnusableCertificate

from tests.support.clock import VirtualClock
from tests.support.operator_stub import certificate
from tests.support.waiting import eventually

NOW = datetime.now(UTC)


def write(folder: Path) -> bytes:
    pem, key = certificate()
    (folder / "tls.crt").write_bytes(pem)
    (folder / "tls.key").write_bytes(key)
    return pem


def listener(folder: Path, clock: VirtualClock) -> ListenerCertificate:
    return ListenerCertificate(folder / "tls.crt", folder / "tls.key", clock)


async def served(context: ssl.SSLContext) -> bytes:
    """The certificate that a new connection is shown, as PEM."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
    finally:
        server.close()
    return ssl.DER_cert_to_PEM_cert(shown).encode()


async def test_new_files_are_shown_to_new_connections(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = write(tmp_path)
    made = listener(tmp_path, VirtualClock())
    assert await served(made.context) == first
    keeping = asyncio.create_task(made.keep())
    with caplog.at_level(logging.INFO):
        second = write(tmp_path)
        # The files come one after the other: a look between them finds a pair that does not belong together.
        await eventually(lambda: "has a new certificate" in caplog.text, "the new certificate")
    assert await served(made.context) == second
    keeping.cancel()


@pytest.mark.parametrize("name", ["tls.key", "tls.crt"])
@pytest.mark.parametrize("content", [b"half a k", None], ids=["rubbish", "another's"])
async def test_files_that_cannot_be_used_change_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, content: bytes | None
) -> None:
    clock = VirtualClock()
    first = write(tmp_path)
    made = listener(tmp_path, clock)
    keeping = asyncio.create_task(made.keep())
    other = dict(zip(("tls.crt", "tls.key"), certificate(), strict=True))
    (tmp_path / name).write_bytes(content or other[name])
    with caplog.at_level(logging.ERROR):
        await eventually(lambda: caplog.records, "the complaint")
    assert "no certificate and key" in caplog.text
    assert "half" not in caplog.text
    assert await served(made.context) == first
    keeping.cancel()


@pytest.mark.parametrize("key", [None, b"", b"rubbish"])
def test_a_start_without_usable_files_says_which(tmp_path: Path, key: bytes | None) -> None:
    write(tmp_path)
    if key is None:
        (tmp_path / "tls.key").unlink()
    else:
        (tmp_path / "tls.key").write_bytes(key)
    with pytest.raises(UnusableCertificate, match=r"tls\.crt and .*tls\.key"):
        listener(tmp_path, VirtualClock())


def test_a_pair_that_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "tls.key").write_bytes(certificate()[1])
    with pytest.raises(UnusableCertificate):
        listener(tmp_path, VirtualClock())
