"""How names are compared: model globs, allow and deny lists, host patterns. Pure.

A glob knows one sign, `*`, which stands for any run of characters, `/` included: `deepseek/*`, `*/claude-*`, `*`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tieline_api.snapshot import AllowDeny

GLOB_SIGN: Final = "*"


def is_glob(pattern: str) -> bool:
    return GLOB_SIGN in pattern


def matches(pattern: str, name: str) -> bool:
    """Whether a plain name or a glob matches the whole of `name`; case counts. Linear in the length of `name`."""
    if not is_glob(pattern):
        return pattern == name
    first, *middle, last = pattern.split(GLOB_SIGN)
    position, end = len(first), len(name) - len(last)
    if position > end or not name.startswith(first) or not name.endswith(last):
        return False
    for part in middle:
        found = name.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


def any_matches(patterns: Iterable[str], name: str) -> bool:
    return any(matches(pattern, name) for pattern in patterns)


def allows(rule: AllowDeny, name: str) -> bool:
    """`deny` beats `allow`; an empty `allow` allows all."""
    if any_matches(rule.deny, name):
        return False
    return not rule.allow or any_matches(rule.allow, name)


def host_permitted(hosts: tuple[str, ...], host: str) -> bool:
    """Whether a credential bound to `hosts` may be sent to `host`: exact, or `*.suffix` for any name below it; an empty
    binding permits all. Case does not count, as in DNS."""
    if not hosts:
        return True
    host = host.lower().rstrip(".")
    return any(host == h.lower() or (h.startswith("*.") and host.endswith(h[1:].lower())) for h in hosts)
