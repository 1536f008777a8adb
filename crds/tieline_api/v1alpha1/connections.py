"""How a provider is spoken to: protocols, credentials, headers, TLS. Part of ProviderPool."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import MaxLen, MinLen

from tieline_api.v1alpha1.identifiers import HeaderName, HeaderValue, HostName, ItemName, UrlPath
from tieline_api.v1alpha1.markers import ListMap, Rule
from tieline_api.v1alpha1.meta import Shape
from tieline_api.v1alpha1.references import ApiKey, CaSecretRef, SecretKeyRef


class Protocol(Shape):
    """A wire protocol that the provider speaks natively."""

    type: Literal["OpenAI", "Anthropic"]
    """Which protocol."""
    path: UrlPath = "/v1"
    """Where it begins, below the base address: without /chat/completions or /messages. / for the base
    address itself. Default /v1."""


class Credential(Shape):
    """What the provider knows us by."""

    RULES = (
        Rule(
            cel="(self.type == 'APIKey') == has(self.apiKey)",
            message="is required for type APIKey; write apiKey: {secretRef: {name: …, key: …}}",
            field=".apiKey",
            reason="FieldValueRequired",
        ),
    )

    name: ItemName
    """Tells the credentials of a pool apart."""
    type: Literal["APIKey"]
    """Kind of credential: APIKey is sent as a bearer token."""
    api_key: ApiKey | None = None
    """Where the API key stands; for type APIKey."""


class Header(Shape):
    """A header that is sent with every request to the provider."""

    RULES = (
        Rule(
            cel="has(self.value) != has(self.secretRef)",
            message="must have exactly one of value and secretRef; write value for open text, secretRef for a secret",
        ),
        Rule(
            cel="!has(self.value) || !self.name.matches('(?i)^(authorization|cookie|([a-z0-9-]+-)?api-key)$')",
            message="is a secret in the open; write secretRef instead, or for a bearer token connection.credentials",
            field=".value",
            reason="FieldValueForbidden",
        ),
    )

    name: HeaderName
    """Name of the header."""
    value: HeaderValue | None = None
    """Its value, in the open. Exactly one of value and secretRef."""
    secret_ref: SecretKeyRef | None = None
    """Where its value stands, when it is secret. Exactly one of value and secretRef."""


class Tls(Shape):
    """How the provider's certificate is verified."""

    server_name: HostName | None = None
    """Name that the certificate must carry. Default: the host of the address."""
    ca_secret_ref: CaSecretRef | None = None
    """Certificates of authorities to trust. Default: those of the router's system."""


class Connection(Shape):
    """How the provider is spoken to."""

    RULES = (
        Rule(
            cel="!has(self.credentials) || size(self.credentials) == 0 || !has(self.headers) || "
            "!self.headers.exists(h, h.name.matches('(?i)^authorization$'))",
            message="name Authorization beside credentials, which are sent in it; remove the one or the other",
            field=".headers",
            reason="FieldValueForbidden",
        ),
    )

    protocols: Annotated[tuple[Protocol, ...], ListMap(("type",)), MinLen(1), MaxLen(2)] = (Protocol(type="OpenAI"),)
    """Wire protocols that the provider speaks natively. Default: OpenAI at /v1."""
    credentials: Annotated[tuple[Credential, ...], ListMap(("name",)), MaxLen(16)] = ()
    """What the provider knows us by. Several are used in turn, and one that was refused rests for a while."""
    headers: Annotated[tuple[Header, ...], ListMap(("name",)), MaxLen(32)] = ()
    """Headers that are sent with every request."""
    tls: Tls | None = None
    """How the provider's certificate is verified. On a SelfHosted pool its presence switches TLS on."""
    allow_insecure: bool = False
    """Permit http:// to an External provider, where the operator's settings permit it too. Default false."""
    allow_private: bool = False
    """Permit an External provider at a private address, where the operator's settings permit it too. Default false."""
