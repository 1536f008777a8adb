"""The last generations of this router, for `GET /generation?id=`. In memory and bounded; fed by `records`.

Another replica does not know them, and a restart forgets them: what has to be kept is metering's.
"""

from __future__ import annotations

from typing import Final

from tieline_router.routing.callers import Caller
from tieline_router.wire.accounts import GenerationRecord

_OPENAI_WORDS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "completed": "stop",
    "max_output_tokens": "length",
}
"""Finish reasons of Anthropic's Messages and of Responses, in those of chat completions."""


class Generations:
    """Forgets the oldest beyond `bound`."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._records: dict[str, GenerationRecord] = {}

    def add(self, record: GenerationRecord) -> None:
        """Keeps one that has settled."""
        records = self._records
        if len(records) >= self._bound:
            del records[next(iter(records))]
        records[record.id] = record

    def of(self, caller: Caller, generation_id: str) -> GenerationRecord | None:
        """The record, if it is the caller's own."""
        record = self._records.get(generation_id)
        own = record is not None and (record.consumer, record.namespace) == (caller.consumer_key, caller.namespace)
        return record if own else None


def openai_finish_reason(native: str | None) -> str | None:
    """A provider's finish reason in the words of chat completions."""
    return None if native is None else _OPENAI_WORDS.get(native, native)
