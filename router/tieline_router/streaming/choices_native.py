"""Chat completions and completions for clients from providers that speak the same: the native form. Sans-I/O.

`id`, `model`, `provider`, the usage and the terminator are ours; all other values keep their bytes. The usage is told
once, in a last chunk without choices, however the provider spreads it; and only to those who asked. Used by `forms`.
"""

from __future__ import annotations

from typing import Final

from tieline_router.apis import CHAT, Operation
from tieline_router.streaming.choices import ChoicesObserver, check_choices
from tieline_router.streaming.dull import DullChunks
from tieline_router.streaming.form import AnswerStream, Stamp, Whole
from tieline_router.streaming.observe import EMPTY_VALUES, Failure, never_raises
from tieline_router.streaming.sse import Event, encode_event
from tieline_router.streaming.stream import DONE, Stream
from tieline_router.streaming.usage import parse_usage
from tieline_router.wire.answer import Fields, encoded, finished_choices, ours, priced, raw, read_fields

DONE_EVENT: Final = encode_event(DONE)
_NO_CHOICES: Final = frozenset({b"[]", b"null"})


class ChoicesWriter:
    """Chunks for the client, with what is ours in them."""

    next_sequence = 0

    def __init__(self, stamp: Stamp, operation: Operation, max_event_bytes: int) -> None:
        self._stamp = stamp
        self._ours = ours(stamp)
        self._superset = stamp.dialect.tree == "openrouter"
        self._expected = _expected(stamp, operation, stream=True) if self._superset else {}
        """Keys that clients of the tree `openrouter` need, for providers that leave them out."""
        self._last: Fields = {}
        """The top level of the last chunk: what the usage chunk is made of."""
        self._usage = b""
        self.dull = DullChunks(self._ours, self._expected, stamp.choices, max_event_bytes)

    def take(self, event: Event) -> bytes:
        fields = read_fields(event.data)
        usage = bytes(fields.get("usage", b""))
        told = usage not in EMPTY_VALUES
        if not told:
            self.dull.learn(event.data, fields)
        if told or self._superset:
            fields.pop("usage", None)
        for key, value in self._expected.items():
            fields.setdefault(key, value)
        fields.update(self._ours)
        self._last = fields
        choices = bytes(fields.get("choices", b"null"))
        if told:
            self._usage = usage
            if choices in _NO_CHOICES:
                return b""
        if self._superset and choices not in _NO_CHOICES:
            fields["choices"] = finished_choices(choices)
        return encode_event(encoded(fields))

    def end(self) -> bytes:
        if not (self._usage and self._stamp.usage):
            return DONE_EVENT
        usage = priced(self._stamp, self._usage, parse_usage(self._usage))
        return encode_event(encoded(self._last | {"choices": raw([]), "usage": usage})) + DONE_EVENT


class ChoicesForm:
    """The form of one of the two operations."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation

    def stream(self, stamp: Stamp, max_event_bytes: int) -> AnswerStream:
        writer = ChoicesWriter(stamp, self._operation, max_event_bytes)
        return Stream(ChoicesObserver(stamp.choices), writer, max_event_bytes, writer.dull.write)

    @never_raises
    def whole(self, stamp: Stamp, body: bytes) -> Whole | Failure:
        checked = check_choices(body, stamp.choices)
        if isinstance(checked, Failure):
            return checked
        fields = read_fields(body) | ours(stamp)
        usage = bytes(fields.get("usage", b""))
        if usage not in EMPTY_VALUES:
            fields["usage"] = priced(stamp, usage, checked.usage)
        if stamp.dialect.tree == "openrouter":
            fields = _expected(stamp, self._operation, stream=False) | fields
            fields["choices"] = finished_choices(fields["choices"])
        return Whole(encoded(fields), checked.usage, checked.finish_reasons[0])


def _expected(stamp: Stamp, operation: Operation, *, stream: bool) -> Fields:
    if operation is not CHAT:
        kind = "text_completion"
    else:
        kind = "chat.completion.chunk" if stream else "chat.completion"
    expected = {"object": raw(kind), "created": raw(stamp.created)}
    return expected if stream else expected | {"system_fingerprint": raw(None)}
