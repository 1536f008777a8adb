"""From a pool, an address and a credential to the request line and headers of an attempt. No sockets.

Secrets come in here and leave only in the headers of their own target. One object stands for one (configuration,
secrets) pair and remembers what it built. Used by `exchange`.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Final

from aiohttp import BasicAuth
from aiohttp.helpers import get_env_proxy_for_url
from multidict import CIMultiDict
from tieline_api.commandline import tieline_version
from tieline_api.snapshot import Credential, Pool, SecretRef, SecretValue
from yarl import URL

from tieline_router.errors import ErrorClass
from tieline_router.routing.offers import CompiledPool
from tieline_router.runtime.addresses import Reach
from tieline_router.runtime.upstream import Target, UpstreamFailure

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
CHAT: Final = "/chat/completions"


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
            context = ssl.create_default_context(cadata=bundle)
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
        self._built: dict[tuple[str, str | None, str | None], Target] = {}

    def target(self, pool: CompiledPool, address: str | None, credential: Credential | None) -> Target:
        """Where a chat completion goes.

        Args:
            pool: the compiled pool; External ones have a base URL.
            address: `host:port` of a SelfHosted pool's endpoint; None for an External pool.
            credential: what authenticates us; None when the pool needs nothing.

        Raises:
            UpstreamFailure: a secret is not here, or is none that can be sent.
        """
        key = (pool.key, address, credential.name if credential else None)
        known = self._built.get(key)
        if known is None:
            if len(self._built) >= _REMEMBERED:
                self._built.clear()
            known = self._built[key] = self._build(pool, address, credential)
        return known

    def _build(self, pool: CompiledPool, address: str | None, credential: Credential | None) -> Target:
        wire = pool.wire
        base = wire.base_url if address is None else f"{wire.scheme}://{address}"
        path = next((protocol.path for protocol in wire.protocols if protocol.type == "OpenAI"), "")
        try:
            url = URL((base or "").rstrip("/") + path.rstrip("/") + CHAT)
        except ValueError:
            raise UpstreamFailure(
                ErrorClass.NAME_UNRESOLVED, f"pool {pool.key} has no address that can be read"
            ) from None
        refs = [header.secret for header in wire.headers] + [credential.secret if credential else None]
        proxy, proxy_auth = self._proxy(url) if pool.external else (None, None)
        return Target(
            url=url,
            headers=self._headers(wire, credential),
            secrets=tuple(self._value(ref) for ref in refs if ref is not None),
            tls=self._context(wire.tls.ca) if wire.tls and wire.tls.ca else True,
            server_name=wire.tls.server_name if wire.tls else None,
            reach=_reach(wire),
            proxy=proxy,
            proxy_auth=proxy_auth,
        )

    def _headers(self, wire: Pool, credential: Credential | None) -> Mapping[str, str]:
        """Names are told apart as HTTP does it, without regard to case. What belongs to the router or to a credential
        is left out: the API server refuses it, but a configuration may be older than that rule."""
        headers: CIMultiDict[str] = CIMultiDict(_BASE_HEADERS)
        for header in wire.headers:
            name = header.name.lower()
            if name in _OWN_HEADERS or (name == "authorization" and (credential is not None or header.secret is None)):
                continue
            headers[header.name] = self._value(header.secret) if header.secret else header.value or ""
        if credential is not None:
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

    def _proxy(self, url: URL) -> tuple[URL | None, BasicAuth | None]:
        if not self._trust_env:
            return None, None
        try:
            return get_env_proxy_for_url(url)
        except LookupError:
            return None, None
