"""What is ours in a provider's answer: id, model, provider, and usage only for those who asked. Pure.

Every other value keeps its bytes. The same for a whole answer and for a chunk of a stream. Used by the runtime.
"""

from __future__ import annotations

import msgspec

_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NO_CHOICES = frozenset({b"[]", b"null"})


class AnswerStamp:
    """Rewrites the answers of one attempt.

    `model` is the canonical name that answered, `provider` the pool's display name.
    """

    def __init__(self, generation_id: str, model: str, provider: str, *, usage: bool = True) -> None:
        self._stamp = {
            "id": msgspec.Raw(msgspec.json.encode(generation_id)),
            "model": msgspec.Raw(msgspec.json.encode(model)),
            "provider": msgspec.Raw(msgspec.json.encode(provider)),
        }
        self._usage = usage

    def answer(self, data: bytes) -> bytes:
        """A whole answer; `data` is a JSON object."""
        return msgspec.json.encode(_decoder.decode(data) | self._stamp)

    def chunk(self, data: bytes) -> bytes | None:
        """One chunk; None when it holds nothing but the usage that the client did not ask for."""
        fields = _decoder.decode(data)
        if not self._usage and "usage" in fields:
            del fields["usage"]
            if bytes(fields.get("choices", b"null")) in _NO_CHOICES:
                return None
        return msgspec.json.encode(fields | self._stamp)
