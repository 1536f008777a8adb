import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tieline_api.snapshot import Header, Pool, Protocol, SecretRef, SecretValue, Tls
from tieline_router.apis import CHAT, COUNT_TOKENS, EMBEDDINGS, MESSAGES, RESPONSES, Operation
from tieline_router.errors import ErrorClass
from tieline_router.routing.offers import CompiledPool
from tieline_router.runtime.addresses import Reach
from tieline_router.runtime.targets import Targets, TlsContexts
from tieline_router.runtime.upstream import Target, UpstreamFailure

from tests.support import frames

API = "https://api.example.com"


def certificate() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test CA")])
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM).decode()


def targets(*, trust_env: bool = False, **values: str) -> Targets:
    secrets = {name.replace("_", "-"): SecretValue(version="1", value=value) for name, value in values.items()}
    return Targets(secrets, TlsContexts(), trust_env=trust_env)


def build(pool: Pool, address: str | None = None, *, trust_env: bool = False, **values: str) -> Target:
    credential = pool.credentials[0] if pool.credentials else None
    return targets(trust_env=trust_env, **values).target(CompiledPool(pool), address, credential)


def external(base_url: str = API, **more: Any) -> Pool:
    return frames.external_pool("b", base_url, **{"allow_private": False, **more})


def test_an_external_pool() -> None:
    target = build(external(), b_key="sk-1\n")
    assert str(target.url) == "https://api.example.com/v1/chat/completions"
    assert target.headers["Authorization"] == "Bearer sk-1"
    assert target.headers["Accept-Encoding"] == "identity"
    assert target.reach is Reach.PUBLIC
    assert build(external(allow_private=True), b_key="k").reach is Reach.ANYWHERE
    assert target.tls is True


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://api.deepseek.com", "/v1", "https://api.deepseek.com/v1/chat/completions"),
        ("https://openrouter.ai/api/", "/v1/", "https://openrouter.ai/api/v1/chat/completions"),
        ("https://x.example:8443/a%20b", "/", "https://x.example:8443/a%20b/chat/completions"),
    ],
)
def test_the_base_urls_prefix_stays(base: str, path: str, url: str) -> None:
    pool = external(base_url=base, protocols=(Protocol(type="OpenAI", path=path),))
    assert str(build(pool, b_key="k").url) == url


def test_an_own_server_is_spoken_to_at_its_address() -> None:
    target = build(frames.own_pool("a"), "10.0.0.1:8000")
    assert str(target.url) == "http://10.0.0.1:8000/v1/chat/completions"
    assert "Authorization" not in target.headers
    assert target.reach is Reach.HOST
    assert build(frames.own_pool("a", allow_loopback=False), "10.0.0.1:8000").reach is Reach.CLUSTER
    assert str(build(frames.own_pool("a", scheme="https"), "[fd00::1]:8000").url).startswith("https://[fd00::1]:8000/")


def test_headers_of_the_pool_come_last() -> None:
    headers = (Header(name="X-Title", value="tieline"), Header(name="X-Key", secret=SecretRef(id="other", version="1")))
    target = build(external(headers=headers), b_key="k", other="o")
    assert (target.headers["X-Title"], target.headers["X-Key"]) == ("tieline", "o")


def test_a_missing_secret_is_named_and_not_its_value() -> None:
    with pytest.raises(UpstreamFailure, match="secret b-key has not come") as failure:
        build(external())
    assert failure.value.error is ErrorClass.CREDENTIALS_UNAVAILABLE


@pytest.mark.parametrize("value", ["sk\r\nX-Injected: 1", "sk\0", "sk\n\nx"])
def test_a_secret_cannot_smuggle_headers(value: str) -> None:
    with pytest.raises(UpstreamFailure, match="no header can carry") as failure:
        build(external(), b_key=value)
    assert "Injected" not in failure.value.detail


def test_a_private_ca_gets_a_context_that_is_kept() -> None:
    pool = external(tls=Tls(server_name="inner.example", ca=SecretRef(id="ca", version="1")))
    contexts, bundle = TlsContexts(), certificate()
    values = {"ca": SecretValue(version="1", value=bundle), "b-key": SecretValue(version="1", value="k")}
    first, second = (
        Targets(values, contexts, trust_env=False).target(CompiledPool(pool), None, pool.credentials[0])
        for _ in range(2)
    )
    assert isinstance(first.tls, ssl.SSLContext)
    assert first.tls is second.tls
    assert first.tls.verify_mode is ssl.CERT_REQUIRED
    assert len(first.tls.get_ca_certs()) == 1
    assert first.server_name == "inner.example"


def test_a_ca_that_is_none_is_named() -> None:
    pool = external(tls=Tls(ca=SecretRef(id="ca", version="1")))
    with pytest.raises(UpstreamFailure, match="secret ca is not a PEM bundle") as failure:
        build(pool, b_key="k", ca="no certificate")
    assert failure.value.error is ErrorClass.TLS


def test_proxies_are_for_pools_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "direct.example")
    assert str(build(external(), b_key="k", trust_env=True).proxy) == "http://proxy.example:3128"
    assert build(external(base_url="https://direct.example"), b_key="k", trust_env=True).proxy is None
    assert build(external(), b_key="k").proxy is None
    assert build(frames.own_pool("a", scheme="https"), "10.0.0.1:1", trust_env=True).proxy is None


@pytest.mark.parametrize(
    ("stated", "proxy", "authorization"),
    [
        ("http://proxy.example:3128/", "http://proxy.example:3128", None),
        ("proxy.example:3128", "http://proxy.example:3128", None),
        ("https://us%40er:p%3Aw@proxy.example", "https://proxy.example", "Basic dXNAZXI6cDp3"),
        ("http://user@proxy.example", "http://proxy.example", "Basic dXNlcjo="),
    ],
)
def test_a_proxy_and_what_it_wants_to_see(
    monkeypatch: pytest.MonkeyPatch, stated: str, proxy: str, authorization: str | None
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", stated)
    target = build(external(), b_key="k", trust_env=True)
    assert (str(target.proxy), target.proxy_authorization) == (proxy, authorization)


def test_a_proxy_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://secret:pw@[::1:80")
    with pytest.raises(UpstreamFailure) as failure:
        build(external(), b_key="k", trust_env=True)
    assert failure.value.error is ErrorClass.CONNECT_REFUSED
    assert "secret" not in failure.value.detail


BOTH = (Protocol(type="OpenAI", path="/v1"), Protocol(type="Anthropic", path="/anthropic/v1"))


@pytest.mark.parametrize(
    ("operation", "url", "authenticated"),
    [
        (CHAT, "/v1/chat/completions", ("Authorization", "Bearer sk-1")),
        (EMBEDDINGS, "/v1/embeddings", ("Authorization", "Bearer sk-1")),
        (RESPONSES, "/v1/responses", ("Authorization", "Bearer sk-1")),
        (MESSAGES, "/anthropic/v1/messages", ("x-api-key", "sk-1")),
        (COUNT_TOKENS, "/anthropic/v1/messages/count_tokens", ("x-api-key", "sk-1")),
    ],
)
def test_an_operation_has_the_path_and_the_key_header_of_its_protocol(
    operation: Operation, url: str, authenticated: tuple[str, str]
) -> None:
    pool = external(protocols=BOTH)
    target = targets(b_key="sk-1").target(CompiledPool(pool), None, pool.credentials[0], operation)
    assert str(target.url) == API + url
    keys = [(name, value) for name, value in target.headers.items() if name.lower() in {"authorization", "x-api-key"}]
    assert keys == [authenticated]
    assert target.headers.get("anthropic-version") == ("2023-06-01" if authenticated[0] == "x-api-key" else None)


def test_operations_of_one_pool_are_told_apart() -> None:
    pool = external(protocols=BOTH)
    made, compiled = targets(b_key="k"), CompiledPool(pool)
    first, second = (made.target(compiled, None, pool.credentials[0], one) for one in (CHAT, MESSAGES))
    assert first.url != second.url
    assert made.target(compiled, None, pool.credentials[0]) is first


def test_no_header_overrides_a_key_of_anthropics_protocol() -> None:
    stated = tuple(Header(name=name, value="x") for name in ("X-API-Key", "Authorization", "Anthropic-Version"))
    pool = external(protocols=BOTH, headers=stated)
    target = targets(b_key="sk-1").target(CompiledPool(pool), None, pool.credentials[0], MESSAGES)
    assert target.headers["x-api-key"] == "sk-1"
    assert "authorization" not in target.headers
    assert target.headers["anthropic-version"] == "x", "a manifest may ask for another version"


def test_a_protocol_that_the_pool_does_not_speak_is_a_mistake_of_routing() -> None:
    with pytest.raises(UpstreamFailure, match="does not speak Anthropic") as failure:
        targets().target(CompiledPool(frames.own_pool("a")), "10.0.0.1:1", None, MESSAGES)
    assert failure.value.error is ErrorClass.INTERNAL


def test_what_was_built_is_kept() -> None:
    pool = CompiledPool(frames.own_pool("a"))
    made = targets()
    assert made.target(pool, "10.0.0.1:1", None) is made.target(pool, "10.0.0.1:1", None)
    assert made.target(pool, "10.0.0.2:1", None).url.host == "10.0.0.2"


@pytest.mark.parametrize("name", ["authorization", "Authorization", "AUTHORIZATION"])
def test_no_header_overrides_a_credential_or_carries_one_in_the_open(name: str) -> None:
    plain = (Header(name=name, value="Bearer mine"),)
    target = build(external(headers=plain), b_key="sk-1")
    assert [value for header, value in target.headers.items() if header.lower() == "authorization"] == ["Bearer sk-1"]
    assert "authorization" not in build(external(headers=plain, credentials=())).headers
    secret = (Header(name=name, secret=SecretRef(id="own", version="1")),)
    alone = build(external(headers=secret, credentials=()), own="Key x")
    assert alone.headers["Authorization"] == "Key x"
    assert build(external(headers=secret), b_key="sk-1", own="Key x").headers["Authorization"] == "Bearer sk-1"


def test_headers_of_the_connection_are_the_routers_own() -> None:
    stated = tuple(Header(name=name, value="x") for name in ("Host", "content-length", "TE", "user-agent", "X-Title"))
    target = build(external(headers=stated), b_key="k")
    assert target.headers["Content-Type"] == "application/json"
    assert {"host", "content-length", "te"}.isdisjoint(name.lower() for name in target.headers)
    assert [value for name, value in target.headers.items() if name.lower() == "user-agent"] == ["x"]
    assert target.headers["X-Title"] == "x"


def test_an_address_that_cannot_be_read_fails_the_attempt_alone() -> None:
    with pytest.raises(UpstreamFailure) as caught:
        build(frames.own_pool("a"), "[::1:80")
    assert caught.value.error is ErrorClass.NAME_UNRESOLVED
