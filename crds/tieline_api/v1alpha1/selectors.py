"""Selections that several kinds use: time windows, label selectors, allow and deny lists, and hard constraints."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import MaxLen
from pydantic import Field

from tieline_api.v1alpha1.identifiers import CountryCode, LabelKey, LabelValue, ModelPattern, RegionName
from tieline_api.v1alpha1.markers import Atomic, ListSet, Rule
from tieline_api.v1alpha1.meta import Shape
from tieline_api.v1alpha1.scalars import ClockTime, DecimalString, TimeZoneName

Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
Quantization = Literal[
    "int4", "int8", "fp4", "mxfp4", "nvfp4", "fp6", "fp8", "mxfp8", "fp16", "bf16", "fp32"
]  # OpenRouter's names

_ALLOW = Rule(
    cel="!has(self.allow) || size(self.allow) > 0",
    message="is empty, so that nothing would be permitted; name at least one item, or leave allow out to permit all",
    field=".allow",
)


class TimeWindow(Shape):
    """A recurring time of day, half-open: it contains `from` and not `to`. It may wrap over midnight and then belongs
    to the day on which it began."""

    RULES = (
        Rule(
            cel="self.from != self.to",
            message="equals from, so that the window would be empty; write another time, or leave from and to "
            "out for the whole day",
            field=".to",
        ),
    )

    days: Annotated[tuple[Day, ...], ListSet(), MaxLen(7)] = ()
    """Days on which the window begins. Default: every day."""
    start: Annotated[ClockTime, Field(alias="from")] = ClockTime("00:00")
    """First minute of the window, in quotes: "16:30". Default "00:00"."""
    end: Annotated[ClockTime, Field(alias="to")] = ClockTime("24:00")
    """First minute after the window, in quotes. Earlier than `from`: on the next day. Default "24:00"."""
    time_zone: TimeZoneName = "UTC"
    """Time zone of both times, an IANA name such as Europe/Berlin. Default UTC."""


class LabelSelectorRequirement(Shape):
    """One condition on a label."""

    RULES = (
        Rule(
            cel="(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            message="do not fit operator; write values for In and NotIn, and none for Exists and DoesNotExist",
            field=".values",
        ),
    )

    key: LabelKey
    """Key of the label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How the label is compared."""
    values: Annotated[tuple[LabelValue, ...], Atomic(), MaxLen(32)] = ()
    """What it is compared with: for In and NotIn only."""


class LabelSelector(Shape):
    """Selects by labels; all parts must hold."""

    ATOMIC = True
    RULES = (
        Rule(
            cel="has(self.matchLabels) || has(self.matchExpressions)",
            message="selects everything by saying nothing; write matchLabels or matchExpressions, or from: All",
        ),
    )

    match_labels: Annotated[dict[LabelKey, LabelValue], MaxLen(16)] | None = None
    """Labels that must be present with these values."""
    match_expressions: Annotated[tuple[LabelSelectorRequirement, ...], Atomic(), MaxLen(16)] = ()
    """Further conditions on labels."""


class ModelAccess(Shape):
    """Which model names may be used. `deny` beats `allow`."""

    RULES = (_ALLOW,)

    allow: Annotated[tuple[ModelPattern, ...], ListSet(), MaxLen(256)] | None = None
    """Names and globs that are permitted. Default: all."""
    deny: Annotated[tuple[ModelPattern, ...], ListSet(), MaxLen(256)] = ()
    """Names and globs that are refused, even if `allow` has them."""


class CountryAccess(Shape):
    """Countries by their ISO 3166-1 codes. A provider whose country is not stated fails any rule about it."""

    RULES = (_ALLOW,)

    allow: Annotated[tuple[CountryCode, ...], ListSet(), MaxLen(250)] | None = None
    """Countries that are permitted, in quotes where YAML would read a code as something else ("NO"). Default: all."""
    deny: Annotated[tuple[CountryCode, ...], ListSet(), MaxLen(250)] = ()
    """Countries that are refused, even if `allow` has them."""


class RegionAccess(Shape):
    """Regions as pools name them. A provider whose region is not stated fails any rule about it."""

    RULES = (_ALLOW,)

    allow: Annotated[tuple[RegionName, ...], ListSet(), MaxLen(64)] | None = None
    """Regions that are permitted. Default: all."""
    deny: Annotated[tuple[RegionName, ...], ListSet(), MaxLen(64)] = ()
    """Regions that are refused, even if `allow` has them."""


class MaxPrice(Shape):
    """Most that an offer may cost, each part by itself."""

    RULES = (
        Rule(
            cel="has(self.prompt) || has(self.completion) || has(self.request)",
            message="limits nothing; write prompt, completion or request, or leave maxPrice out",
        ),
    )

    prompt: DecimalString | None = None
    """USD per million prompt tokens."""
    completion: DecimalString | None = None
    """USD per million completion tokens."""
    request: DecimalString | None = None
    """USD per request."""


class Constraints(Shape):
    """Hard rules: a provider that fails one is no candidate. Where route and consumer both have a rule, the stricter
    wins."""

    data_collection: Literal["Allow", "Deny"] | None = None
    """Deny: only providers that do not train on prompts and answers. An External pool that does not say trains."""
    zero_data_retention: bool | None = None
    """true: only providers that retain nothing (`dataPolicy.retention: 0s`). An External pool that does not say
    retains."""
    countries: CountryAccess | None = None
    """Where the provider's machines may stand."""
    regions: RegionAccess | None = None
    """Regions in which the provider may serve."""
    quantizations: (
        Annotated[
            tuple[Quantization, ...],
            ListSet(),
            MaxLen(11),
            Rule(
                cel="size(self) > 0",
                message="is empty, so that no offer would pass; name at least one, or leave quantizations out",
            ),
        ]
        | None
    ) = None
    """Number formats of weights that are permitted. An offer that states none fails. Default: all."""
    max_price: MaxPrice | None = None
    """Most that an offer may cost."""
