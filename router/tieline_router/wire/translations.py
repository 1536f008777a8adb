"""Which translator makes a provider's request of a client's: the one table of pairs on the request's side. Pure.

Used by `attempt`. The pairs are those of `apis.TRANSLATIONS`; what one cannot say in the other API is the caller's to
hear, with the field's name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tieline_router.apis import CHAT, MESSAGES, RESPONSES, Operation
from tieline_router.errors import ErrorClass
from tieline_router.translate import (
    chat_over_messages,
    chat_over_responses,
    messages_over_chat,
    responses_over_chat,
    through_chat,
)
from tieline_router.translate.translated import Translated, Untranslatable
from tieline_router.wire.fields import BadRequest, Fields

_TRANSLATORS: Final[dict[tuple[str, str], Callable[..., Translated]]] = {
    (CHAT.path, MESSAGES.path): chat_over_messages.translate_request,
    (CHAT.path, RESPONSES.path): chat_over_responses.translate_request,
    (MESSAGES.path, CHAT.path): messages_over_chat.translate_request,
    (RESPONSES.path, CHAT.path): responses_over_chat.translate_request,
    (MESSAGES.path, RESPONSES.path): through_chat.requests(
        messages_over_chat.translate_request, chat_over_responses.translate_request
    ),
    (RESPONSES.path, MESSAGES.path): through_chat.requests(
        responses_over_chat.translate_request, chat_over_messages.translate_request
    ),
}
"""By the paths of the client's and the provider's operation."""


def translated(client: Operation, provider: Operation, fields: Fields, max_output_tokens: int | None) -> Translated:
    """The fields for a provider of another API, and what was left out.

    Raises:
        BadRequest: something of the request has no place there.
    """
    try:
        return _TRANSLATORS[client.path, provider.path](fields, max_output_tokens=max_output_tokens)
    except Untranslatable as refused:
        raise BadRequest(ErrorClass.UNTRANSLATABLE, refused.message, refused.param) from None
