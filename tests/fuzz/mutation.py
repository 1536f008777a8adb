"""Mutations that keep JSON well-formed, for a fuzzer that would otherwise break the first brace. Pure.

A byte-wise mutator rarely gets behind a parser. One of two mutations is therefore made in a JSON document of the input:
the whole payload, or the data of one event of a stream.
"""

from __future__ import annotations

import copy
import json
import random
from typing import Any, Final

from tests.fuzz.choices import HEAD
from tests.support.json_mutations import places

_VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**70), 0.5, 1e308, "", "a", "\u0000", "\ud83d", "ü", "stop", "error",
    "tool_calls", "function", "text", "user", "assistant", "system", "tool", [], {}, [None], [[]], {"a": None},
    "[DONE]",
    {"type": "text", "text": "t"}, {"index": 1}, "data: x\n\n", "x" * 300, {"type": "error", "error": {"message": "m"}},
)  # fmt: skip
_KEYS: Final = (
    "a", "", "model", "type", "role", "content", "error", "usage", "index", "id", "name", "delta", "choices", "stream",
    "finish_reason", "tool_calls", "n", "max_tokens", "store", "signature", "cost", "refusal", "audio", "logprobs",
    "\ud83d", "provider",
)  # fmt: skip


def mutate(data: bytes, seed: int) -> bytes | None:
    """The input with one JSON document of it changed; None when it has none."""
    draw = random.Random(seed)
    payload = data[HEAD:]
    lines = payload.split(b"\n")
    candidates = [number for number, line in enumerate(lines) if line.startswith(b"data: {")]
    if candidates:
        number = draw.choice(candidates)
        event = _changed(lines[number][6:], draw)
        if event is None:
            return None
        lines[number] = b"data: " + event
        if draw.random() < 0.2:  # events out of order, twice or not at all
            lines = _moved(lines, draw)
        return data[:HEAD] + b"\n".join(lines)
    start = payload.find(b"{")
    changed = _changed(payload[start:], draw) if start >= 0 else None
    return None if changed is None else data[:HEAD] + payload[:start] + changed


def _moved(lines: list[bytes], draw: random.Random) -> list[bytes]:
    events = b"\n".join(lines).split(b"\n\n")
    taken = events.pop(draw.randrange(len(events)))
    for _ in range(draw.randint(0, 2)):
        events.insert(draw.randint(0, len(events)), taken)
    return b"\n\n".join(events).split(b"\n")


def _changed(document: bytes, draw: random.Random) -> bytes | None:
    try:
        value = json.loads(document)
    except (ValueError, RecursionError):
        return None
    found = places(value)
    path = draw.choice(found)
    if not path:
        return json.dumps(draw.choice(_VALUES)).encode() if draw.random() < 0.1 else None
    holder: Any = value
    for step in path[:-1]:
        holder = holder[step]
    last: Any = path[-1]
    match draw.randrange(5):
        case 0:
            del holder[last]
        case 1 if isinstance(holder, dict):
            holder[draw.choice(_KEYS)] = copy.deepcopy(holder[last])
        case 2 if isinstance(holder, list) and len(holder) < 64:
            holder.insert(draw.randint(0, len(holder)), copy.deepcopy(holder[last]))
        case 3:
            other: Any = value
            for step in draw.choice(found):
                try:
                    other = other[step]
                except (KeyError, IndexError, TypeError):
                    break
            holder[last] = copy.deepcopy(other)
        case _:
            holder[last] = copy.deepcopy(draw.choice(_VALUES))
    written = json.dumps(value, separators=draw.choice(((",", ":"), None)), ensure_ascii=draw.random() < 0.5)
    return written.encode("utf-8", "surrogatepass")
