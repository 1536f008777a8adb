"""Which form stands for which pair of (client operation, provider operation): the one table. Used by the runtime."""

from __future__ import annotations

from typing import Final

from tieline_router.apis import CHAT, Operation
from tieline_router.streaming.chat_native import ChatForm
from tieline_router.streaming.form import Form

_FORMS: Final[dict[tuple[Operation, Operation], Form]] = {
    (CHAT, CHAT): ChatForm(),
}


def form(client: Operation, provider: Operation) -> Form:
    """The form of a pair that `apis` permits: the same operation twice, or one of its `TRANSLATIONS`.

    Raises:
        KeyError: the pair is not in `apis`; asking for it is a mistake of ours.
    """
    return _FORMS[client, provider]
