"""What routing knows of a request: a few facts, taken once from the body by the wire layer. Never the body itself.

Also the estimate of prompt tokens, so that there is one of it.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from tieline_router.apis import CHAT, Operation, PathTree

TEXT: Final = frozenset({"text"})
NOTHING: Final[frozenset[str]] = frozenset()

TOOLS: Final = "tools"
TOOL_CHOICE: Final = "tool_choice"
RESPONSE_FORMAT: Final = "response_format"
STRUCTURED_OUTPUTS: Final = "structured_outputs"
NEEDED_PARAMETERS: Final = (TOOLS, TOOL_CHOICE, RESPONSE_FORMAT, STRUCTURED_OUTPUTS)
"""The parameters without which an answer would break what the caller asked for; every other unsupported one only
changes taste. The words are those of a model's `supportedParameters`."""


class RequestView(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one request that filters, scorers and pickers may look at."""

    model: str
    """As the client sent it."""
    operation: Operation = CHAT
    """What the client called."""
    tree: PathTree = "openai"
    stream: bool = False
    prompt_tokens: int = 0
    """Estimated, see `estimate_prompt_tokens`."""
    max_tokens: int | None = None
    """`max_completion_tokens`, else `max_tokens`; None when neither was sent."""
    n: int = 1
    """How many choices are asked for."""
    parameters: frozenset[str] = NOTHING
    """Those of `NEEDED_PARAMETERS` that the request needs, see `needed_parameters`."""
    input_modalities: frozenset[str] = TEXT
    """Of text, image, audio, video, file."""
    output_modalities: frozenset[str] = TEXT
    """Of text, image, audio."""

    @property
    def api(self) -> str:
        """The operation's API: one of the values of a model's `apis`."""
        return self.operation.api.value


def needed_parameters(*, tools: bool, tool_choice: object = None, response_format: str | None = None) -> frozenset[str]:
    """Which of `NEEDED_PARAMETERS` a request needs.

    Args:
        tools: a non-empty `tools` (or legacy `functions`) was sent.
        tool_choice: the decoded value; `"auto"` and `"none"` are what every server does without being asked.
        response_format: its `type`: `text`, `json_object`, `json_schema`, or another, which counts as a schema.
    """
    needed = set()
    if tools:
        needed.add(TOOLS)
        if tool_choice not in (None, "auto", "none"):
            needed.add(TOOL_CHOICE)
    if response_format == "json_object":
        needed.add(RESPONSE_FORMAT)
    elif response_format not in (None, "text"):
        needed.add(STRUCTURED_OUTPUTS)
    return frozenset(needed)


BYTES_PER_TOKEN: Final = 4
"""Bytes of English text per token in the byte-pair vocabularies in use (OpenAI's rule of thumb: four characters). Code
and other scripts come nearer to three, which is why limits are compared with a margin (`filters.CONTEXT_MARGIN`)."""

_INLINE_MEDIA: Final = re.compile(rb'"(?:data:[^",]{0,128},)?[A-Za-z0-9+/=\\_-]{512,}"')
_MEDIA_SIGNS: Final = (b"base64,", b'"data"', b'"file_data"')


def estimate_prompt_tokens(*parts: bytes) -> int:
    """Tokens of the prompt, estimated from the raw JSON of the fields that hold it (messages, tools, input).

    Bytes ÷ 4, rounded up. Inline media (JSON strings of 512 and more base64 characters) are left out: their tokens do
    not follow from their bytes. The JSON around the text counts, which stands for the chat template's own tokens.
    """
    total = 0
    for part in parts:
        total += len(part)
        if len(part) > 512 and any(sign in part for sign in _MEDIA_SIGNS):
            total -= sum(len(media.group()) for media in _INLINE_MEDIA.finditer(part))
    return -(-total // BYTES_PER_TOKEN)
