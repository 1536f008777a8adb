"""Which form stands for which pair of (client operation, provider operation): the one table. Used by the runtime."""

from __future__ import annotations

from typing import Final

from tieline_router.apis import CHAT, COMPLETIONS, Operation
from tieline_router.streaming.choices_native import ChoicesForm
from tieline_router.streaming.form import Form

_FORMS: Final[dict[tuple[Operation, Operation], Form]] = {
    (CHAT, CHAT): ChoicesForm(CHAT),
    (COMPLETIONS, COMPLETIONS): ChoicesForm(COMPLETIONS),
}


def form(client: Operation, provider: Operation) -> Form:
    """The form of a pair that `apis` permits: the same operation twice, or one of its `TRANSLATIONS`.

    Raises:
        KeyError: the pair is not in `apis`; asking for it is a mistake of ours.
    """
    return _FORMS[client, provider]
