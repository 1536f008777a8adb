"""What routing must know of an embeddings request. Pure.

`input` is a text, texts, tokens, lists of tokens, or OpenRouter's objects with parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from tieline_router.apis import Operation, PathTree
from tieline_router.routing.view import NOTHING, TEXT, RequestView
from tieline_router.wire.fields import count, required_string, typed, wrong
from tieline_router.wire.readers.completions import texts, tokens_of
from tieline_router.wire.readers.parts import look

ENCODINGS: Final = ("float", "base64")
_string: Final = msgspec.json.Decoder(str)


def read(fields: Mapping[str, msgspec.Raw], operation: Operation, tree: PathTree) -> RequestView:
    """The view of an embeddings request. It asks for no modality of output: what comes out, the API says.

    Raises:
        BadRequest: a field is missing or has the wrong type.
    """
    model = required_string(fields, "model")
    asked = texts(fields, "input")
    count(fields, "dimensions")
    encoding = typed(fields, "encoding_format", _string, "a string")
    if encoding is not None and encoding not in ENCODINGS:
        raise wrong(f"encoding_format must be one of {', '.join(ENCODINGS)}, not {encoding[:32]!r}", "encoding_format")
    objects = asked.startswith(b"[") and asked[1:].lstrip().startswith(b"{")
    return RequestView(
        model=model,
        operation=operation,
        tree=tree,
        prompt_tokens=tokens_of(asked),
        input_modalities=look(asked)[1] if objects else TEXT,
        output_modalities=NOTHING,
    )
