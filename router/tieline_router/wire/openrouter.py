"""OpenRouter's `provider` object, as far as this version has it: which of its rules must not be passed over. Pure.

A rule that restricts (where data may go, what may be spent) is never ignored in silence: a request that states one
which is not built yet is refused. Wishes (order, sort, preferred speeds) may be ignored. Used by `chat`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

_WISHES: Final = frozenset({"order", "sort", "preferred_min_throughput", "preferred_max_latency", "options"})
_HARMLESS: Final[dict[str, tuple[bytes, ...]]] = {
    "allow_fallbacks": (b"true",),
    "require_parameters": (b"false",),
    "data_collection": (b'"allow"',),
    "zdr": (b"false",),
    "enforce_distillable_text": (b"false",),
    "only": (b"[]",),
    "ignore": (b"[]",),
    "quantizations": (b"[]",),
    "max_price": (b"{}",),
}
"""Values of restricting keys that restrict nothing (null aside)."""
_decoder: Final = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)


def check_provider_rules(raw: bytes, refuse: Callable[[str, str], Exception]) -> None:
    """Raises what `refuse(message, param)` makes when the `provider` object is wrong or states a rule that this version
    does not enforce."""
    try:
        rules = _decoder.decode(raw)
    except msgspec.ValidationError:
        raise refuse("provider must be an object", "provider") from None
    for key, value in (rules or {}).items():
        if key in _WISHES or bytes(value) == b"null" or bytes(value) in _HARMLESS.get(key, ()):
            continue
        if key in _HARMLESS:
            message = f"provider.{key} is not served yet, and a rule is never ignored: state it in the ModelRoute"
        else:
            known = ", ".join(sorted({*_WISHES, *_HARMLESS}))
            message = f"provider.{key} is not a known key; known are {known}"
        raise refuse(message, f"provider.{key}")
