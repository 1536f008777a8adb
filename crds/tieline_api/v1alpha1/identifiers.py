"""Names and addresses of the API: strings that name something, and the form each must have. Pure; data only.

Each form is one CEL rule with a message that says what to write. Python takes the strings as they are: the API server
and `tieline lint` have checked them.
"""

from __future__ import annotations

from typing import Annotated, Final

from annotated_types import MaxLen, MinLen

from tieline_api.v1alpha1.markers import Rule
from tieline_api.v1alpha1.scalars import matches

# -- names --

OBJECT_NAME: Final = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
_OBJECT_NAME_MESSAGE: Final = (
    "is not the name of a Kubernetes object; write lower-case letters, digits, '-' and '.', beginning and "
    "ending with a "
    "letter or digit"
)
ObjectName = Annotated[str, MinLen(1), MaxLen(253), matches(OBJECT_NAME, _OBJECT_NAME_MESSAGE)]

NamespaceName = Annotated[
    str,
    MinLen(1),
    MaxLen(63),
    matches(
        r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
        "is not the name of a namespace; write lower-case letters, digits and '-', beginning and ending with a "
        "letter or digit",
    ),
]

DataKey = Annotated[
    str,
    MinLen(1),
    MaxLen(253),
    matches(
        r"^[A-Za-z0-9._-]+$",
        "is not a key of a Secret or ConfigMap; write letters, digits, '-', '_' and '.'",
    ),
]

ItemName = Annotated[
    str,
    MinLen(1),
    MaxLen(63),
    matches(
        r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
        "is not a name; write lower-case letters, digits and '-', beginning and ending with a letter or digit",
    ),
]
"""Tells the entries of a list apart (a key, a credential, a level)."""

ModelName = Annotated[
    str,
    MinLen(1),
    MaxLen(256),
    matches(
        r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$",
        "is not a model name; write letters, digits and . _ : / @ + -, beginning with a letter or digit, such as "
        "deepseek/deepseek-v3.2",
    ),
]

ModelPattern = Annotated[
    str,
    MinLen(1),
    MaxLen(256),
    matches(
        r"^(\*|[A-Za-z0-9][A-Za-z0-9._:/@+-]*\*?)$",
        "is not a model name or glob; write a name such as coder, a prefix that ends with its only *, such as "
        "deepseek/*, "
        "or * alone",
    ),
]
"""A model name, or a glob whose only `*` stands at the end."""

VariantName = Annotated[
    str,
    MaxLen(63),
    matches(
        r"^([a-z0-9]([a-z0-9._-]*[a-z0-9])?)?$",
        "is not a variant; write lower-case letters, digits, '.', '_' and '-', such as fp8 or turbo, or nothing",
    ),
]

ProviderSlug = Annotated[
    str,
    MinLen(1),
    MaxLen(128),
    matches(
        r"^[a-z0-9]([a-z0-9._-]*[a-z0-9])?(/[a-z0-9]([a-z0-9._-]*[a-z0-9])?)?$",
        "is not a provider slug; write lower-case letters, digits, '.', '_' and '-' with at most one '/', such as "
        "deepinfra/turbo",
    ),
]

UpstreamName = Annotated[
    str,
    MinLen(1),
    MaxLen(256),
    matches(r"^[!-~]+$", "is not a model name; write printable ASCII characters without spaces"),
]
"""What a provider calls a model: its own business, so any printable text."""

DisplayName = Annotated[
    str,
    MinLen(1),
    MaxLen(128),
    matches(r"^[^\x00-\x1f\x7f]+$", "holds control characters; write one line of text"),
]

CountryCode = Annotated[
    str,
    MinLen(2),
    MaxLen(2),
    matches(
        "^[A-Z]{2}$",
        'is not a country code; write the two upper-case letters of ISO 3166-1 in quotes, such as "NO"',
    ),
]

RegionName = Annotated[
    str,
    MinLen(1),
    MaxLen(63),
    matches(
        r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        "is not a region name; write letters, digits, '.', '_' and '-', such as eu-west-1",
    ),
]

ParameterName = Annotated[
    str,
    MinLen(1),
    MaxLen(63),
    matches(
        r"^[a-z][a-z0-9_]*$",
        "is not a request parameter; write it as in the request body, such as tool_choice",
    ),
]

ParameterCount = Annotated[
    str,
    MinLen(1),
    MaxLen(10),
    matches(
        r"^[0-9]{1,5}(\.[0-9]{1,3})?[KMBT]?$",
        "is not a parameter count; write a number with K, M, B or T, such as 671B",
    ),
]

# -- addresses --

_GROUP: Final = "[0-9A-Fa-f]{1,4}"
_IPV6: Final = "|".join(
    (
        f"({_GROUP}:){{7}}{_GROUP}",
        *(f"({_GROUP}:){{1,{7 - after}}}(:{_GROUP}){{1,{after}}}" for after in range(1, 7)),
        f"({_GROUP}:){{1,7}}:",
        f":(:{_GROUP}){{1,7}}",
        "::",
    )
)
"""Eight groups, or fewer with one `::` (RFC 4291, section 2.2, without the form that ends in an IPv4 address)."""
_HOST: Final = rf"([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[({_IPV6})\])"
_PORT: Final = "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"

_OCTET: Final = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"


def _no_odd_number(before: str) -> Rule:
    """Resolvers read 127.1, 0x7f000001 and 2130706433 as addresses, which no reader of the manifest recognises. A host
    whose last label is a number must be four decimal numbers, as in the URL standard of WHATWG. `before`: the host."""
    odd = f"{before}([^/?#:]*[.])?(0[xX][0-9A-Fa-f]*|[0-9]+)(:[0-9]+)?([/?#].*)?$"
    plain = rf"{before}{_OCTET}([.]{_OCTET}){{3}}(:[0-9]+)?([/?#].*)?$"
    return Rule(
        cel=f"!self.matches(r'{odd}') || self.matches(r'{plain}')",
        message="has a number for a host; write a name, or an IPv4 address as four decimal numbers, such as 10.0.0.7",
    )


HostPort = Annotated[
    str,
    MinLen(3),
    MaxLen(260),
    _no_odd_number("^"),
    matches(
        f"^{_HOST}:{_PORT}$",
        "is not an address; write host and port in quotes, such as '10.0.0.7:8000' or '[fd00::7]:8000'",
    ),
]

BaseURL = Annotated[
    str,
    MinLen(9),
    MaxLen(512),
    _no_odd_number("^https?://([^/@]*@)?"),
    Rule(
        cel="!self.matches(r'^[A-Za-z]+://[^/]*@')",
        message="holds a user name or password; put the key into connection.credentials",
        reason="FieldValueForbidden",
    ),
    Rule(
        cel="!self.contains('?') && !self.contains('#')",
        message="holds a query or fragment; write scheme, host and path only",
        reason="FieldValueForbidden",
    ),
    matches(
        # A userinfo, query or fragment is let through here: it has a message of its own.
        f"^https?://([^/@]*@)?{_HOST}(:{_PORT})?(/[A-Za-z0-9._~%/-]*)?([?#].*)?$",
        "is not a URL; write scheme, host and, where needed, port and path, such as https://api.example.com",
    ),
]

UrlPath = Annotated[
    str,
    MinLen(1),
    MaxLen(256),
    matches(
        r"^(/|(/[A-Za-z0-9._~%-]+)+)$",
        "is not a path; begin with / and write no query, no fragment and no / at the end, such as /v1",
    ),
]

HostName = Annotated[
    str,
    MinLen(1),
    MaxLen(253),
    matches(
        r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$",
        "is not a host name; write letters, digits, '-' and '.', without scheme or port, such as api.example.com",
    ),
]

HeaderName = Annotated[
    str,
    MinLen(1),
    MaxLen(128),
    matches(
        r"^[A-Za-z0-9!#$%&*+.^_|~-]+$",
        "is not a header name; write letters, digits and '-', such as X-Title",
    ),
    Rule(
        cel="!self.matches('(?i)^(connection|content-encoding|content-length|content-type|expect|host|keep-alive|"
        "proxy-authorization|proxy-connection|te|trailer|transfer-encoding|upgrade)$')",
        message="is set by the router itself; remove it",
        reason="FieldValueForbidden",
    ),
]

HeaderValue = Annotated[
    str,
    MinLen(1),
    MaxLen(1024),
    matches("^[!-~]([ -~]*[!-~])?$", "is not a header value; write printable ASCII without spaces at the ends"),
]

LABEL_KEY: Final = r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"
LABEL_VALUE: Final = r"^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$"

LabelKey = Annotated[
    str,
    MinLen(1),
    MaxLen(317),
    matches(
        LABEL_KEY,
        "is not a label key; write a name, or prefix/name, such as kubernetes.io/metadata.name",
    ),
]

LabelValue = Annotated[
    str,
    MaxLen(63),
    matches(
        LABEL_VALUE,
        "is not a label value; write at most 63 letters, digits, '-', '_' and '.'",
    ),
]
