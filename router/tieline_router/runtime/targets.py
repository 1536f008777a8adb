"""From a pool, an address and a credential to the request line and headers of an attempt. No sockets.

Secrets come in here and leave only in the headers of their own target. One object stands for one (configuration,
secrets) pair and remembers what it built. Used by `exchange`.
"""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.request import getproxies_environment, proxy_bypass

from multidict import CIMultiDict
from tieline_api.commandline import tieline_version
from tieline_api.snapshot import Credential, Pool, SecretRef, SecretValue
from yarl import URL

from tieline_router.apis import ANTHROPIC_VERSION, CHAT, PROTOCOLS, Operation, Protocol
from tieline_router.errors import ErrorClass
from tieline_router.routing.offers import CompiledPool
from tieline_router.runtime.addresses import Reach
from tieline_router.runtime.upstream import Target, UpstreamFailure
from tieline_router.runtime.upstream.tls import trusting

_BASE_HEADERS: Final = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "Accept-Encoding": "identity",
    "User-Agent": f"tieline/{tieline_version()}",
}
_OWN_HEADERS: Final = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that belong to one connection or describe the body: no manifest's business (RFC 9110, section 7.6.1)."""
_REMEMBERED: Final = 4096
_BUNDLES: Final = 256
_CREDENTIAL_HEADERS: Final = {
    Protocol.OPENAI: frozenset({"authorization"}),
    Protocol.ANTHROPIC: frozenset({"authorization", "x-api-key"}),
}
"""Headers that authenticate: a credential's business. A manifest may set one with a Secret where there is none."""


def _reach(wire: Pool) -> Reach:
    if wire.type == "External":
        return Reach.ANYWHERE if wire.allow_private else Reach.PUBLIC
    return Reach.HOST if wire.allow_loopback else Reach.CLUSTER


class TlsContexts:
    """TLS contexts by the CA bundle that they trust. They outlive a configuration, because connections are shared only
    between equal contexts, and an edit elsewhere must not cost every pool its connections."""

    def __init__(self) -> None:
        self._by_bundle: dict[str, ssl.SSLContext] = {}

    def trusting(self, bundle: str) -> ssl.SSLContext:
        """The context that trusts this PEM bundle alone.

        Raises:
            ssl.SSLError: it is no PEM bundle of certificates.
        """
        context = self._by_bundle.get(bundle)
        if context is None:
            context = trusting(bundle)
            if len(self._by_bundle) >= _BUNDLES:
                self._by_bundle.clear()
            self._by_bundle[bundle] = context
        return context


class Targets:
    """Builds targets from compiled pools and secret values."""

    def __init__(self, secrets: Mapping[str, SecretValue], contexts: TlsContexts, *, trust_env: bool) -> None:
        self._secrets = secrets
        self._contexts = contexts
        self._trust_env = trust_env
        self._built: dict[tuple[str, str | None, str | None, str], Target] = {}

    def target(
        self, pool: CompiledPool, address: str | None, credential: Credential | None, operation: Operation = CHAT
    ) -> Target:
        """Where a request goes.

        Args:
            pool: the compiled pool; External ones have a base URL.
            address: `host:port` of a SelfHosted pool's endpoint; None for an External pool.
            credential: what authenticates us; None when the pool needs nothing.
            operation: what the provider is asked; the pool speaks its protocol.

        Raises:
            UpstreamFailure: a secret is not here, or is none that can be sent.
        """
        key = (pool.key, address, credential.name if credential else None, operation.path)
        known = self._built.get(key)
        if known is None:
            if len(self._built) >= _REMEMBERED:
                self._built.clear()
            known = self._built[key] = self._build(pool, address, credential, operation)
        return known

    def _build(
        self, pool: CompiledPool, address: str | None, credential: Credential | None, operation: Operation
    ) -> Target:
        wire = pool.wire
        protocol = PROTOCOLS[operation.api]
        path = next((one.path for one in wire.protocols if one.type == protocol), None)
        if path is None:  # routing knows it, so this is a mistake of ours
            raise UpstreamFailure(ErrorClass.INTERNAL, f"pool {pool.key} does not speak {protocol}")
        base = wire.base_url if address is None else f"{wire.scheme}://{address}"
        try:
            url = URL((base or "").rstrip("/") + path.rstrip("/") + operation.path)
        except ValueError:
            raise UpstreamFailure(
                ErrorClass.NAME_UNRESOLVED, f"pool {pool.key} has no address that can be read"
            ) from None
        refs = [header.secret for header in wire.headers] + [credential.secret if credential else None]
        proxy, proxy_authorization = self._proxy(url) if pool.external else (None, None)
        return Target(
            url=url,
            headers=self._headers(wire, credential, protocol),
            secrets=tuple(self._value(ref) for ref in refs if ref is not None),
            tls=self._context(wire.tls.ca) if wire.tls and wire.tls.ca else True,
            server_name=wire.tls.server_name if wire.tls else None,
            reach=_reach(wire),
            proxy=proxy,
            proxy_authorization=proxy_authorization,
        )

    def _headers(self, wire: Pool, credential: Credential | None, protocol: Protocol) -> Mapping[str, str]:
        """Names are told apart as HTTP does it, without regard to case. What belongs to the router or to a credential
        is left out: the API server refuses it, but a configuration may be older than that rule."""
        headers: CIMultiDict[str] = CIMultiDict(_BASE_HEADERS)
        if protocol is Protocol.ANTHROPIC:
            headers["anthropic-version"] = ANTHROPIC_VERSION
        authenticating = _CREDENTIAL_HEADERS[protocol]
        for header in wire.headers:
            name = header.name.lower()
            if name in _OWN_HEADERS or (name in authenticating and (credential is not None or header.secret is None)):
                continue
            headers[header.name] = self._value(header.secret) if header.secret else header.value or ""
        if credential is not None and protocol is Protocol.ANTHROPIC:
            headers["x-api-key"] = self._value(credential.secret)
        elif credential is not None:
            headers["Authorization"] = f"Bearer {self._value(credential.secret)}"
        return headers

    def _text(self, ref: SecretRef) -> str:
        # Another version than the configuration names is used all the same: the frames of a rotation come apart.
        value = self._secrets.get(ref.id)
        if value is None:
            detail = f"secret {ref.id} has not come from the operator"
            raise UpstreamFailure(ErrorClass.CREDENTIALS_UNAVAILABLE, detail)
        return value.value.strip()

    def _value(self, ref: SecretRef) -> str:
        text = self._text(ref)
        if not text.isprintable():
            detail = f"secret {ref.id} holds characters that no header can carry"
            raise UpstreamFailure(ErrorClass.CREDENTIALS_UNAVAILABLE, detail)
        return text

    def _context(self, ref: SecretRef) -> ssl.SSLContext:
        try:
            return self._contexts.trusting(self._text(ref))
        except ssl.SSLError as error:
            detail = f"secret {ref.id} is not a PEM bundle of certificates: {error.reason}"
            raise UpstreamFailure(ErrorClass.TLS, detail) from None

    def _proxy(self, url: URL) -> tuple[URL | None, str | None]:
        """The proxy that the environment names, and what it wants to see of us."""
        host = url.host or ""
        stated = getproxies_environment().get(url.scheme) if self._trust_env else None
        if not stated or proxy_bypass(host):
            return None, None
        try:
            proxy = URL(stated if "://" in stated else f"http://{stated}")
        except ValueError:
            raise UpstreamFailure(
                ErrorClass.CONNECT_REFUSED, "the environment names no proxy that can be read"
            ) from None
        if proxy.user is None:
            return proxy.origin(), None
        pair = f"{proxy.user}:{proxy.password or ''}".encode()
        return proxy.origin(), f"Basic {b64encode(pair).decode()}"
