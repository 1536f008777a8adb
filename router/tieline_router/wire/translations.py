"""Which translator makes a provider's request of a client's: the one table of pairs on the request's side. Pure.

Used by `attempt`. The pairs are those of `apis.TRANSLATIONS`; what one cannot say in the other API is the caller's to
hear, with the field's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any, Final

from tieline_router.apis import CHAT, MESSAGES, RESPONSES, Operation
from tieline_router.errors import ErrorClass
from tieline_router.translate.translated import Translated, Untranslatable
from tieline_router.wire.fields import BadRequest, Fields

_NAMES: Final[Mapping[str, str]] = {CHAT.path: "chat", MESSAGES.path: "messages", RESPONSES.path: "responses"}


@cache
def _translator(client: str, provider: str) -> Callable[..., Any]:
    module = import_module(f"tieline_router.translate.{_NAMES[client]}_over_{_NAMES[provider]}")
    found: Callable[..., Any] = module.translate_request
    return found


def translated(client: Operation, provider: Operation, fields: Fields, max_output_tokens: int | None) -> Translated:
    """The fields for a provider of another API, and what was left out.

    Raises:
        BadRequest: something of the request has no place there.
    """
    try:
        made: Translated = _translator(client.path, provider.path)(fields, max_output_tokens=max_output_tokens)
    except Untranslatable as refused:
        raise BadRequest(ErrorClass.UNTRANSLATABLE, refused.message, refused.param) from None
    return made
