"""OpenRouter's `provider` object, as far as this version has it: which of its rules must not be passed over. Pure.

A rule that restricts (where data may go, what may be spent) is never ignored in silence: a request that states one
which is not built yet is refused. Wishes (order, sort, preferred speeds) may be ignored. Used by `chat`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

_WISHES: Final = frozenset({"order", "sort", "preferred_min_throughput", "preferred_max_latency", "options"})
_HARMLESS: Final[dict[str, object]] = {
    "allow_fallbacks": True,
    "require_parameters": False,
    "data_collection": "allow",
    "zdr": False,
    "enforce_distillable_text": False,
    "only": [],
    "ignore": [],
    "quantizations": [],
    "max_price": {},
}
"""Values of restricting keys that restrict nothing (null aside)."""
_decoder: Final = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)


def _restricts_nothing(key: str, value: msgspec.Raw) -> bool:
    try:
        decoded = msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):  # such as 1e999, which is well-formed and no number
        return False
    # 0 == False in Python, and 0 is not what the contract has.
    return decoded is None or (key in _HARMLESS and decoded == _HARMLESS[key] and type(decoded) is type(_HARMLESS[key]))


def check_provider_rules(raw: bytes, refuse: Callable[[str, str], Exception]) -> None:
    """Raises what `refuse(message, param)` makes when the `provider` object is wrong or states a rule that this version
    does not enforce."""
    try:
        rules = _decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        raise refuse("provider must be an object", "provider") from None
    for key, value in (rules or {}).items():
        if key in _WISHES or _restricts_nothing(key, value):
            continue
        if key in _HARMLESS:
            message = f"provider.{key} is not served yet, and a rule is never ignored: state it in the ModelRoute"
        else:
            known = ", ".join(sorted({*_WISHES, *_HARMLESS}))
            message = f"provider.{key} is not a known key; known are {known}"
        raise refuse(message, f"provider.{key}")
