"""Scalar types of the API: what a string or number in a manifest may look like, and what it means. Pure; no I/O.

A scalar is validated twice by one expression: by the API server (the `Rule` becomes CEL in the CRD) and here, where its
text becomes a value (`Duration.seconds`, `Decimal`, `datetime`). Used by the API types and by their generator.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Self

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import BeforeValidator, GetCoreSchemaHandler, PlainSerializer
from pydantic_core import CoreSchema, core_schema

from tieline_api.v1alpha1.markers import Format, Rule, Text


def matches(expression: str, message: str) -> Rule:
    """A rule that the whole string matches an anchored RE2 expression (given without quotes or NUL)."""
    return Rule(cel="self.matches(r'" + expression + "')", message=message)


class _Text(str):
    """A string whose form is checked when it is made; pydantic makes it from plain strings."""

    __slots__ = ()

    EXPRESSION: ClassVar[re.Pattern[str]]
    MESSAGE: ClassVar[str]
    MARKERS: ClassVar[tuple[object, ...]]

    def __new__(cls, text: str) -> Self:
        if not cls.EXPRESSION.fullmatch(text):
            raise ValueError(f"{text!r} {cls.MESSAGE}")
        return super().__new__(cls, text)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: type[Any], _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


# -- time --

_UNIT_MILLISECONDS: Final = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_DURATION: Final = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
_DURATION_MESSAGE: Final = (
    "is not a duration; write hours, minutes, seconds or milliseconds, such as 90s, 1h30m or 250ms"
)


def parse_duration(text: str) -> float:
    """Seconds of a Gateway API duration (GEP-2257): up to four numbers with a unit of h, m, s or ms, added up.

    Raises:
        ValueError: the text has another form; days, fractions, signs and spaces are not part of it.
    """
    if not re.fullmatch(_DURATION, text, re.ASCII):
        raise ValueError(f"{text!r} {_DURATION_MESSAGE}")
    parts = re.findall(r"([0-9]+)(h|ms|m|s)", text)
    return sum(int(number) * _UNIT_MILLISECONDS[unit] for number, unit in parts) / 1000


class Duration(_Text):
    """A duration as written (`1h30m`); `seconds` is its length. `0s` switches a timeout off."""

    __slots__ = ()

    EXPRESSION = re.compile(_DURATION, re.ASCII)
    MESSAGE = _DURATION_MESSAGE
    MARKERS = (Text(2, 28), matches(_DURATION, _DURATION_MESSAGE))

    @property
    def seconds(self) -> float:
        return parse_duration(self)


_CLOCK: Final = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
_CLOCK_MESSAGE: Final = "is not a time of day; write hours and minutes from 00:00 to 24:00 in quotes, such as '16:30'"


class ClockTime(_Text):
    """A time of day as written (`16:30`); `minutes` counts from midnight, 0 to 1440."""

    __slots__ = ()

    EXPRESSION = re.compile(_CLOCK, re.ASCII)
    MESSAGE = _CLOCK_MESSAGE
    MARKERS = (Text(5, 5), matches(_CLOCK, _CLOCK_MESSAGE))

    @property
    def minutes(self) -> int:
        return int(self[:2]) * 60 + int(self[3:])


_MONTH_DAY: Final = (
    "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-9]))"
)
_CLOCK_SECONDS: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
_OFFSET: Final = "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_TIMESTAMP: Final = f"^[12][0-9]{{3}}-{_MONTH_DAY}T{_CLOCK_SECONDS}{_OFFSET}$"
_LEAP_YEAR: Final = "^([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-"
_TIMESTAMP_MESSAGE: Final = (
    "is not a time in RFC 3339 form; write date, T, time and offset, such as 2027-01-01T00:00:00Z"
)


def parse_timestamp(value: object) -> datetime:
    """An aware time from RFC 3339 text (or an aware datetime, which passes).

    Raises:
        ValueError: another form, a day that does not exist, or no offset.
    """
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    if not isinstance(value, str) or not re.fullmatch(_TIMESTAMP, value, re.ASCII):
        raise ValueError(f"{value!r} {_TIMESTAMP_MESSAGE}")
    return datetime.fromisoformat(value)


def format_timestamp(value: datetime) -> str:
    """RFC 3339 in UTC with a `Z`, whole seconds when there is no fraction: the form of Kubernetes timestamps."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


Timestamp = Annotated[
    datetime,
    BeforeValidator(parse_timestamp),
    PlainSerializer(format_timestamp),
    Text(20, 32),
    matches(_TIMESTAMP, _TIMESTAMP_MESSAGE),
    Rule(
        cel=f"!self.matches('^[0-9]{{4}}-02-29T') || self.matches('{_LEAP_YEAR}')",
        message="names 29 February of a year that has none; write a day that exists",
    ),
]
"""A point in time, written by a user."""

ServerTime = Annotated[
    datetime, BeforeValidator(parse_timestamp), PlainSerializer(format_timestamp), Text(20, 35), Format("date-time")
]
"""A point in time in metadata or status, written by a machine."""

TimeZoneName = Annotated[
    str,
    MinLen(1),
    MaxLen(64),
    matches(
        r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$",
        "is not a time zone name; write one of the IANA database, such as Europe/Berlin or UTC",
    ),
]

# -- decimals --

_DECIMAL: Final = r"^[0-9]{1,9}(\.[0-9]{1,9})?$"


def parse_decimal(value: object) -> Decimal:
    """A non-negative decimal from its wire form, at most nine digits before and after the point.

    Raises:
        ValueError: another form, or a number that is not a string (floats have no exact value).
    """
    if isinstance(value, Decimal) and value.is_finite() and value >= 0:
        return value
    if not isinstance(value, str) or not re.fullmatch(_DECIMAL, value, re.ASCII):
        raise ValueError(f'{value!r} is not a decimal; write digits in quotes, such as "0.28"')
    return Decimal(value)


def format_decimal(value: Decimal) -> str:
    """The wire form: plain digits, never an exponent."""
    return f"{value:f}"


DecimalString = Annotated[
    Decimal,
    BeforeValidator(parse_decimal),
    PlainSerializer(format_decimal),
    Text(1, 19),
    matches(
        _DECIMAL,
        "is not an amount; write digits in quotes, at most nine before and nine after the point, not negative, "
        'such as "0.28"',
    ),
]
"""A non-negative amount: USD, or another quantity that must be exact."""

Percent = Annotated[
    Decimal,
    BeforeValidator(parse_decimal),
    PlainSerializer(format_decimal),
    Text(1, 10),
    matches(
        r"^([0-9]{1,2}(\.[0-9]{1,6})?|100(\.0{1,6})?)$",
        'is not a percentage; write a number from 0 to 100 in quotes, such as "5.5"',
    ),
]

Fraction = Annotated[
    Decimal,
    BeforeValidator(parse_decimal),
    PlainSerializer(format_decimal),
    Text(1, 8),
    matches(
        r"^(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$",
        'is not a share; write a number from 0 to 1 in quotes, such as "0.7"',
    ),
]

Overhead = Annotated[
    Decimal,
    BeforeValidator(parse_decimal),
    PlainSerializer(format_decimal),
    Text(1, 6),
    matches(
        r"^[1-9](\.[0-9]{1,4})?$",
        'is not a power usage effectiveness; write a number from 1 to 9.9999 in quotes, such as "1.25"',
    ),
]
"""Power usage effectiveness: all power of a data centre ÷ power of its computers."""

# -- numbers --

PortNumber = Annotated[int, Ge(1), Le(65535)]
WholePercent = Annotated[int, Ge(0), Le(100)]
PositivePercent = Annotated[int, Ge(1), Le(100)]
Watts = Annotated[int, Ge(0), Le(10_000_000)]
Replicas = Annotated[int, Ge(0), Le(10_000)]
TokenCount = Annotated[int, Ge(1), Le(100_000_000)]
Rate = Annotated[int, Ge(1), Le(1_000_000_000_000)]
"""Requests or tokens per minute."""
Concurrency = Annotated[int, Ge(1), Le(1_000_000)]
Counter = Annotated[int, Ge(0), Le(1_000_000_000_000)]
"""A number that status reports."""
Priority = Annotated[int, Ge(0), Le(1000)]
Weight = Annotated[int, Ge(0), Le(1_000_000)]
