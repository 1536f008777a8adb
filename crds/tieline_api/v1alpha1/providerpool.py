"""ProviderPool: a place where tokens are made (SelfHosted) or bought (External). Types only."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from annotated_types import MaxLen
from pydantic import Field

from tieline_api.names import PROVIDER_POOL
from tieline_api.v1alpha1.capacity import SelfHosted
from tieline_api.v1alpha1.connections import Connection
from tieline_api.v1alpha1.health import Health, PoolLimits
from tieline_api.v1alpha1.identifiers import BaseURL, CountryCode, DisplayName, ProviderSlug, RegionName
from tieline_api.v1alpha1.markers import Atomic, ListMap, Rule
from tieline_api.v1alpha1.meta import ApiObject, Shape
from tieline_api.v1alpha1.offers import Model
from tieline_api.v1alpha1.poolstatus import ProviderPoolStatus
from tieline_api.v1alpha1.references import ConfigMapKeyRef
from tieline_api.v1alpha1.scalars import Duration, Percent
from tieline_api.v1alpha1.selectors import LabelSelector

PoolType = Literal["SelfHosted", "External"]


class Provider(Shape):
    """How the pool is named towards clients."""

    slug: ProviderSlug | None = None
    """What `provider.order` and `provider.only` of a request name; at most one "/", as in deepinfra/turbo. Default: the
    pool's name."""
    display_name: DisplayName | None = None
    """Name for people. Default: the slug."""


class External(Shape):
    """An API that tokens are bought from."""

    base_url: Annotated[BaseURL, Field(alias="baseURL")]
    """Scheme, host and, where needed, port and path: https://api.deepseek.com. What `connection.protocols` adds is
    left out."""
    fee_percent: Percent = Field(default="0", validate_default=True)
    """Platform fee on top of every price, in percent, in quotes: "5.5". Default "0"."""


class RouteNamespaces(Shape):
    """Namespaces by choice."""

    RULES = (
        Rule(
            cel="(self.from == 'Selector') == has(self.selector)",
            message="goes with from: Selector and only with it; write from: Selector and a selector, or leave "
            "the selector out",
            field=".selector",
        ),
    )

    from_: Annotated[Literal["Same", "All", "Selector"], Field(alias="from")] = "Same"
    """Same: the pool's own namespace. All: every namespace. Selector: those that `selector` matches. Default Same."""
    selector: LabelSelector | None = None
    """Labels of the namespaces; with from: Selector only."""


class AllowedRoutes(Shape):
    """Who may use the pool."""

    namespaces: RouteNamespaces = RouteNamespaces()
    """Namespaces whose routes may use the pool."""


class Location(Shape):
    """Where the provider's machines stand."""

    RULES = (
        Rule(
            cel="has(self.country) || has(self.region)",
            message="says nothing; write country, region or both, or leave location out",
        ),
    )

    country: CountryCode | None = None
    """Country by its ISO 3166-1 code, in quotes where YAML would read it as something else ("NO")."""
    region: RegionName | None = None
    """Region as the provider names it, such as eu-west-1."""


class DataPolicy(Shape):
    """What the provider does with prompts and answers."""

    training: bool | None = None
    """Whether it trains on them. Default: an External provider does, a SelfHosted one does not."""
    retention: Duration | None = None
    """How long it keeps them; 0s: not at all; 30 days are 720h. Default: an External provider does, for an unknown
    time,
    a SelfHosted one does not."""


class ModelSource(Shape):
    """Further models from another object."""

    config_map_ref: ConfigMapKeyRef
    """A key of a ConfigMap whose value is a YAML list of entries as in `models`."""


class ProviderPoolSpec(Shape):
    """What the pool is."""

    RULES = (
        Rule(
            cel="self.type != 'SelfHosted' || has(self.selfHosted)",
            message="is required for type SelfHosted; write selfHosted with serviceRef or addresses",
            field=".selfHosted",
            reason="FieldValueRequired",
        ),
        Rule(
            cel="self.type == 'SelfHosted' || !has(self.selfHosted)",
            message="goes with type SelfHosted only; remove it, or write type: SelfHosted",
            field=".selfHosted",
            reason="FieldValueForbidden",
        ),
        Rule(
            cel="self.type != 'External' || has(self.external)",
            message="is required for type External; write external with baseURL",
            field=".external",
            reason="FieldValueRequired",
        ),
        Rule(
            cel="self.type == 'External' || !has(self.external)",
            message="goes with type External only; remove it, or write type: External",
            field=".external",
            reason="FieldValueForbidden",
        ),
        Rule(
            cel="!has(self.external) || !self.external.baseURL.startsWith('http://') || self.connection.allowInsecure",
            message="is not encrypted; write https://, or connection.allowInsecure: true where the operator permits it",
            field=".external.baseURL",
        ),
        Rule(
            cel="!has(self.external) || !self.connection.protocols.exists(p, self.external.baseURL.endsWith(p.path))",
            message="ends with a path that connection.protocols adds again; remove that path from baseURL",
            field=".external.baseURL",
        ),
        Rule(
            cel="has(self.models) && size(self.models) > 0 || has(self.modelsFrom) && size(self.modelsFrom) > 0",
            message="offers nothing; write at least one entry of models or modelsFrom",
            field=".models",
            reason="FieldValueRequired",
        ),
        Rule(
            cel="self.type != 'External' || !has(self.models) || self.models.all(m, has(m.pricing))",
            message="must have pricing in every entry of an External pool; write pricing: {base: {prompt: …, "
            "completion: …}}",
            field=".models",
            reason="FieldValueRequired",
        ),
    )

    provider: Provider | None = None
    """How the pool is named towards clients."""
    type: PoolType
    """SelfHosted: servers that one runs (write selfHosted). External: an API that tokens are bought from (write
    external)."""
    self_hosted: SelfHosted | None = None
    """Servers that one runs; with type SelfHosted only."""
    external: External | None = None
    """An API that tokens are bought from; with type External only."""
    connection: Connection = Connection()
    """How the provider is spoken to; own servers have keys and TLS too."""
    allowed_routes: AllowedRoutes = AllowedRoutes()
    """Who may use the pool. Default: routes of its own namespace."""
    location: Location | None = None
    """Where the provider's machines stand. Default: unknown, which fails any rule about it."""
    data_policy: DataPolicy | None = None
    """What the provider does with prompts and answers. Default: an External provider trains and retains, a SelfHosted
    one does neither."""
    models: Annotated[tuple[Model, ...], ListMap(("name", "variant")), MaxLen(256)] = ()
    """Models that the pool offers."""
    models_from: Annotated[tuple[ModelSource, ...], Atomic(), MaxLen(8)] = ()
    """Further models, for long price lists. An entry of `models` with the same name and variant wins."""
    limits: PoolLimits | None = None
    """What the pool may be asked for. Default: anything."""
    health: Health = Health()
    """How failures are noticed."""


class ProviderPool(ApiObject):
    """A ProviderPool is a place where tokens are made or bought: model servers that one runs, or an API of a
    provider."""

    KIND: ClassVar[str] = PROVIDER_POOL

    spec: ProviderPoolSpec
    """What the pool is."""
    status: ProviderPoolStatus = ProviderPoolStatus()
    """What was seen of the pool; written by the operator."""

    @property
    def slug(self) -> str:
        """What requests name in `provider.order` and `provider.only`."""
        provider = self.spec.provider
        return (provider.slug if provider else None) or self.name
