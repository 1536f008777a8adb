"""What routing must know of a request of the old completions API. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from tieline_router.apis import Operation, PathTree
from tieline_router.routing.view import RequestView, estimate_prompt_tokens
from tieline_router.wire.fields import count, flag, given, lenient, missing, required_string, typed, wrong
from tieline_router.wire.readers.chat import MAX_CHOICES

_values: Final = msgspec.json.Decoder(list[msgspec.Raw])
_string: Final = msgspec.json.Decoder(str)


def read(fields: Mapping[str, msgspec.Raw], operation: Operation, tree: PathTree) -> RequestView:
    """The view of a completion; `n` counts the choices of all prompts.

    Raises:
        BadRequest: a field is missing or has the wrong type.
    """
    model = required_string(fields, "model")
    prompt = texts(fields, "prompt")
    prompts = how_many(prompt)
    choices = count(fields, "n", most=MAX_CHOICES) or 1
    best_of = count(fields, "best_of", most=MAX_CHOICES)
    if best_of is not None and best_of < choices:
        raise wrong(f"best_of must be at least n, which is {choices}, not {best_of}", "best_of")
    flag(fields, "echo")
    suffix = typed(fields, "suffix", _string, "a string")
    return RequestView(
        model=model,
        operation=operation,
        tree=tree,
        stream=flag(fields, "stream"),
        prompt_tokens=tokens_of(prompt) + estimate_prompt_tokens((suffix or "").encode(errors="replace")),
        max_tokens=count(fields, "max_tokens", least=0),
        n=choices * prompts,
    )


def texts(fields: Mapping[str, msgspec.Raw], name: str) -> bytes:
    """The raw bytes of a field that is a text, several texts, tokens, or several lists of tokens.

    Raises:
        BadRequest: it is missing or nothing of these.
    """
    if not given(fields, name):
        raise missing(name)
    found = bytes(fields[name])
    if not found.startswith((b'"', b"[")):
        raise wrong(f"{name} must be a string or an array", name)
    return found


def tokens_of(prompt: bytes) -> int:
    """Tokens of texts, estimated; of tokens, counted."""
    inner = prompt.lstrip(b"[ \t\r\n")
    if prompt.startswith(b"[") and inner[:1].isdigit():
        return prompt.count(b",") + 1
    return estimate_prompt_tokens(prompt)


def how_many(prompt: bytes) -> int:
    """How many prompts these are: one, unless it is an array of texts or of lists of tokens."""
    inner = prompt[1:].lstrip()
    if not prompt.startswith(b"[") or not inner.startswith((b'"', b"[")):
        return 1
    return max(1, len(lenient(_values.decode, prompt, ())))
