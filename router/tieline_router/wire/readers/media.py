"""What routing must know of a request for speech, transcriptions or pictures: little, as it is passed through. Pure.

No modality is asked for: which media go in and out, the path says, and the pool declares the API.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tieline_router.apis import Operation, PathTree
from tieline_router.routing.view import NOTHING, RequestView, estimate_prompt_tokens
from tieline_router.wire.fields import required_string


def read(fields: Mapping[str, msgspec.Raw], operation: Operation, tree: PathTree) -> RequestView:
    """The view of an audio or image request, JSON or multipart.

    Raises:
        BadRequest: the model is missing or no string.
    """
    texts = (bytes(fields[name]) for name in ("input", "prompt") if name in fields)
    return RequestView(
        model=required_string(fields, "model"),
        operation=operation,
        tree=tree,
        prompt_tokens=estimate_prompt_tokens(*texts),
        input_modalities=NOTHING,
        output_modalities=NOTHING,
    )
