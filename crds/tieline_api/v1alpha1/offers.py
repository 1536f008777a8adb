"""What a pool offers: models and their prices. Part of ProviderPool, and the entries of its price lists."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import MaxLen, MinLen

from tieline_api.v1alpha1.identifiers import ModelName, ParameterCount, ParameterName, UpstreamName, VariantName
from tieline_api.v1alpha1.markers import Atomic, ListSet, Rule
from tieline_api.v1alpha1.meta import Shape
from tieline_api.v1alpha1.scalars import DecimalString, Timestamp, TokenCount
from tieline_api.v1alpha1.selectors import Quantization, TimeWindow

Api = Literal["ChatCompletions", "Completions", "Responses", "Messages", "Embeddings", "Audio", "Images"]
InputModality = Literal["text", "image", "file", "audio", "video"]
OutputModality = Literal["text", "image", "audio", "video", "embeddings", "transcription", "speech"]


class BasePrices(Shape):
    """Prices as long as no override holds."""

    prompt: DecimalString
    """USD per million prompt tokens, in quotes: "0.28"."""
    completion: DecimalString
    """USD per million completion tokens."""
    cache_read: DecimalString | None = None
    """USD per million prompt tokens that the provider had in its cache. Default: the price of prompt."""
    cache_write: DecimalString | None = None
    """USD per million prompt tokens written into the provider's cache. Default: the price of prompt."""
    request: DecimalString | None = None
    """USD per request, on top. Default 0."""


class OverridePrices(Shape):
    """Prices that replace the ones before them. What is left out stays as it was."""

    RULES = (
        Rule(
            cel="has(self.prompt) || has(self.completion) || has(self.cacheRead) || has(self.cacheWrite) || "
            "has(self.request)",
            message="changes nothing; write prompt, completion, cacheRead, cacheWrite or request",
        ),
    )

    prompt: DecimalString | None = None
    """USD per million prompt tokens."""
    completion: DecimalString | None = None
    """USD per million completion tokens."""
    cache_read: DecimalString | None = None
    """USD per million prompt tokens that the provider had in its cache."""
    cache_write: DecimalString | None = None
    """USD per million prompt tokens written into the provider's cache."""
    request: DecimalString | None = None
    """USD per request."""


class OverrideWhen(Shape):
    """When an override holds: all parts that are written must hold."""

    RULES = (
        Rule(
            cel="has(self.window) || has(self.minPromptTokens) || has(self.effectiveFrom)",
            message="always holds; write window, minPromptTokens or effectiveFrom, or put the prices into base",
        ),
    )

    window: TimeWindow | None = None
    """A recurring time of day, such as off-peak hours."""
    min_prompt_tokens: TokenCount | None = None
    """Prompts of at least this many tokens: long-context prices."""
    effective_from: Timestamp | None = None
    """From this time on: an announced change of price, such as "2027-01-01T00:00:00Z"."""


class PriceOverride(Shape):
    """Prices that hold under a condition."""

    when: OverrideWhen
    """When they hold."""
    prices: OverridePrices
    """The prices that change."""


class Pricing(Shape):
    """What the pool charges for a model."""

    base: BasePrices
    """Prices as long as no override holds."""
    overrides: Annotated[tuple[PriceOverride, ...], Atomic(), MaxLen(16)] = ()
    """Conditional prices, applied in order: a later one wins, price by price."""


class ParameterCounts(Shape):
    """How large a model is. Informational."""

    RULES = (
        Rule(
            cel="has(self.total) || has(self.active)",
            message="says nothing; write total, active or both, or leave parameters out",
        ),
    )

    total: ParameterCount | None = None
    """All parameters, such as 671B."""
    active: ParameterCount | None = None
    """Parameters that one token uses (mixture of experts), such as 37B."""


class Model(Shape):
    """One offer of one model. Name and variant tell offers apart."""

    RULES = (
        Rule(
            cel="!has(self.maxOutputTokens) || !has(self.contextLength) || self.maxOutputTokens <= self.contextLength",
            message="is more than contextLength, which counts prompt and answer; write at most as many",
            field=".maxOutputTokens",
        ),
    )

    name: ModelName
    """Canonical name, author/slug: deepseek/deepseek-v3.2. Routes name it."""
    variant: VariantName = ""
    """Tells two offers of one model in this pool apart, such as fp8 or turbo. Default: none."""
    upstream_name: UpstreamName | None = None
    """What the provider calls it. Default: `name`."""
    apis: Annotated[tuple[Api, ...], ListSet(), MinLen(1), MaxLen(7)] = ("ChatCompletions",)
    """APIs through which it is served. Default [ChatCompletions]."""
    context_length: TokenCount | None = None
    """Most tokens of prompt and answer together. Default: unknown, so that no request is ruled out by it."""
    max_output_tokens: TokenCount | None = None
    """Most tokens of one answer. Default: unknown."""
    quantization: Quantization | None = None
    """Number format of the weights. Default: unknown, which fails any rule about it."""
    input_modalities: Annotated[tuple[InputModality, ...], ListSet(), MinLen(1), MaxLen(5)] = ("text",)
    """What it takes. Default [text]."""
    output_modalities: Annotated[tuple[OutputModality, ...], ListSet(), MinLen(1), MaxLen(7)] = ("text",)
    """What it gives. Default [text]."""
    parameters: ParameterCounts | None = None
    """How large it is. Informational."""
    supported_parameters: Annotated[tuple[ParameterName, ...], ListSet(), MaxLen(64)] | None = None
    """Request parameters beyond the basics that it honours, such as tools or structured_outputs. Default: the basics
    only."""
    stream_usage: Literal["Inject", "Never"] = "Inject"
    """Inject: ask for token counts at the end of streams even when the client did not. Never: for servers that refuse
    that. Default Inject."""
    pricing: Pricing | None = None
    """What it costs. Required in an External pool; in a SelfHosted one it takes the place of `selfHosted.cost`."""

    @property
    def upstream(self) -> str:
        """The name to send to the provider."""
        return self.upstream_name or self.name
