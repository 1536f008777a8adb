"""The operator's end of the snapshot stream, without an operator: it sends what a test says and keeps what routers say.

async with OperatorStub(folder) as operator:
…  # settings: operator.url, operator.ca_file, operator.token_file
router = await operator.connected()
await router.send(frame)
ack = await router.ack()
"""  # fmt: skip

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from aiohttp import WSMsgType, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tieline_api.names import SNAPSHOT_PATH
from tieline_api.snapshot import Ack, Frame, Hello, decode_message, encode

WAIT = 10.0


def certificate(name: str = "tieline-operator") -> tuple[bytes, bytes]:
    """A self-signed certificate for `name` and 127.0.0.1, and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return built.public_bytes(pem), private


def server_context(folder: Path, pem: bytes, key: bytes) -> ssl.SSLContext:
    """A server's TLS context; the files that Python wants for it stand in `folder`."""
    chain, private = folder / "server.crt", folder / "server.key"
    chain.write_bytes(pem)
    private.write_bytes(key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, private)
    return context


@dataclass
class Connected:
    """One router's stream."""

    socket: web.WebSocketResponse
    token: str
    hello: Hello
    acks: asyncio.Queue[Ack] = field(default_factory=asyncio.Queue)

    async def send(self, frame: Frame | str) -> None:
        await self.socket.send_bytes(encode(frame) if not isinstance(frame, str) else frame.encode())

    async def ack(self) -> Ack:
        async with asyncio.timeout(WAIT):
            return await self.acks.get()

    async def drop(self) -> None:
        await self.socket.close()


class OperatorStub:
    """A TLS server at `url`; accepts the token that stands in `token_file` when it starts."""

    def __init__(self, folder: Path) -> None:
        self.ca_file, self.token_file = folder / "ca.crt", folder / "token"
        self.token_file.write_text("token-1")
        self.accepted = {"token-1"}
        self.refused: list[str] = []
        self._folder = folder
        self._routers: asyncio.Queue[Connected] = asyncio.Queue()
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listens with a new certificate, whose CA bundle it writes; on the same port as before."""
        pem, key = certificate()
        self.ca_file.write_bytes(pem)
        app = web.Application()
        app.router.add_get(SNAPSHOT_PATH, self._stream)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        context = server_context(self._folder, pem, key)
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=context).start()
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def connected(self) -> Connected:
        """The next router that connects."""
        async with asyncio.timeout(WAIT):
            return await self._routers.get()

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.accepted:
            self.refused.append(token)
            return web.Response(status=401)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        hello = decode_message(await socket.receive_bytes())
        assert isinstance(hello, Hello)
        router = Connected(socket, token, hello)
        self._routers.put_nowait(router)
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                ack = decode_message(message.data)
                assert isinstance(ack, Ack)
                router.acks.put_nowait(ack)
        return socket
