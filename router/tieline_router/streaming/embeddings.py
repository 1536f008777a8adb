"""Embeddings: the native form, plain answers only. Sans-I/O.

Vectors are never decoded; of them is asked only that there is one. Used by `forms`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tieline_router.errors import ErrorClass
from tieline_router.streaming.form import AnswerStream, Stamp, Whole
from tieline_router.streaming.observe import EMPTY_VALUES, Failure, never_raises, read
from tieline_router.streaming.usage import Usage, parse_usage
from tieline_router.wire.answer import encoded, ours, priced, read_fields


class _Embeddings(msgspec.Struct):
    data: list[msgspec.Raw] | None = None
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    object: str | None = None


_decoder: Final = msgspec.json.Decoder(_Embeddings)


def check_embeddings(data: bytes) -> Usage | Failure | None:
    """Whether the body of a 200 is a list of embeddings: its usage, or None where it has none."""
    answer = read(_decoder, data)
    if isinstance(answer, Failure):
        return answer
    if bytes(answer.error) not in EMPTY_VALUES or answer.object == "error":
        return Failure(ErrorClass.ERROR_EVENT, "the provider sent an error instead of an answer", bytes(data))
    if answer.data is None:
        return Failure(ErrorClass.GARBAGE, "the provider's answer has no data")
    if not answer.data:
        return Failure(ErrorClass.EMPTY, "the provider's answer is empty")
    return None if bytes(answer.usage) in EMPTY_VALUES else parse_usage(answer.usage)


class EmbeddingsForm:
    def stream(self, stamp: Stamp, max_event_bytes: int) -> AnswerStream:
        """Never asked for: no request for embeddings is read as one for a stream."""
        raise NotImplementedError("embeddings do not stream")

    @never_raises
    def whole(self, stamp: Stamp, body: bytes) -> Whole | Failure:
        checked = check_embeddings(body)
        if isinstance(checked, Failure):
            return checked
        fields = read_fields(body) | ours(stamp)
        if checked is not None:
            fields["usage"] = priced(stamp, bytes(fields["usage"]), checked)
        return Whole(encoded(fields), checked)
