"""The request of chat completions, as far as Anthropic's API can carry it. Types only.

What is not declared here is refused by name. A field of type `None` is one that clients echo as null.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

ABSENT: Final = Raw()
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class CacheBreakpoint(Struct, forbid_unknown_fields=True):
    mode: Literal["explicit"] = "explicit"
    ttl: str | None = None


class TextPart(Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    text: str
    cache_control: Raw = ABSENT
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class RefusalPart(Struct, tag_field="type", tag="refusal", forbid_unknown_fields=True):
    refusal: str


class ImageUrl(Struct, forbid_unknown_fields=True):
    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class ImagePart(Struct, tag_field="type", tag="image_url", forbid_unknown_fields=True):
    image_url: ImageUrl
    cache_control: Raw = ABSENT
    prompt_cache_breakpoint: CacheBreakpoint | None = None


class File(Struct, forbid_unknown_fields=True):
    file_data: str
    filename: str | None = None
    file_id: None = None


class FilePart(Struct, tag_field="type", tag="file", forbid_unknown_fields=True):
    file: File
    cache_control: Raw = ABSENT
    prompt_cache_breakpoint: CacheBreakpoint | None = None


Part = TextPart | ImagePart | FilePart
Content = str | list[TextPart | ImagePart | FilePart]


class SystemMessage(Struct, tag_field="role", tag="system", forbid_unknown_fields=True):
    content: str | list[TextPart]
    name: str | None = None


class DeveloperMessage(Struct, tag_field="role", tag="developer", forbid_unknown_fields=True):
    content: str | list[TextPart]
    name: str | None = None


class UserMessage(Struct, tag_field="role", tag="user", forbid_unknown_fields=True):
    content: Content
    name: str | None = None


class FunctionCall(Struct, forbid_unknown_fields=True):
    name: str
    arguments: str


class ToolCall(Struct, forbid_unknown_fields=True):
    id: str
    function: FunctionCall
    type: Literal["function"] = "function"
    index: int | None = None


class AssistantMessage(Struct, tag_field="role", tag="assistant", forbid_unknown_fields=True):
    """`reasoning` and `reasoning_content` have no signature; `annotations`, `model` and LiteLLM's
    `provider_specific_fields` say something about the answer that this turn once was: none of them is for the model."""

    content: str | list[TextPart | RefusalPart] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    reasoning_details: list[Raw] | None = None
    reasoning: Raw = ABSENT
    reasoning_content: Raw = ABSENT
    annotations: Raw = ABSENT
    model: Raw = ABSENT
    audio: None = None
    function_call: None = None
    provider_specific_fields: Raw = ABSENT
    name: str | None = None


class ToolMessage(Struct, tag_field="role", tag="tool", forbid_unknown_fields=True):
    """`name` repeats the function's name, which the call's id stands for."""

    tool_call_id: str
    content: Content
    name: str | None = None


Message = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage


class Function(Struct, forbid_unknown_fields=True):
    name: str
    description: str | None = None
    parameters: Raw = ABSENT
    strict: bool | None = None


class Tool(Struct, forbid_unknown_fields=True):
    function: Function
    type: Literal["function"]
    cache_control: Raw = ABSENT


class FunctionName(Struct, forbid_unknown_fields=True):
    name: str


class NamedTool(Struct, tag_field="type", tag="function", forbid_unknown_fields=True):
    function: FunctionName


class AllowedTool(Struct, forbid_unknown_fields=True):
    function: FunctionName
    type: Literal["function"]


class AllowedTools(Struct, forbid_unknown_fields=True):
    mode: Literal["auto", "required"]
    tools: list[AllowedTool]


class AllowedToolChoice(Struct, tag_field="type", tag="allowed_tools", forbid_unknown_fields=True):
    allowed_tools: AllowedTools


ToolChoice = Literal["none", "auto", "required"] | NamedTool | AllowedToolChoice


class TextFormat(Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    pass


class Schema(Struct, forbid_unknown_fields=True, rename={"schema_": "schema"}):
    schema_: Raw
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class SchemaFormat(Struct, tag_field="type", tag="json_schema", forbid_unknown_fields=True):
    json_schema: Schema


Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Reasoning(Struct, forbid_unknown_fields=True):
    effort: Effort | None = None
    max_tokens: Count | None = None
    exclude: bool | None = None
    enabled: bool | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


class ChatRequest(Struct, forbid_unknown_fields=True):
    messages: list[Message]
    model: Raw = ABSENT
    stream: bool = False
    max_completion_tokens: Count | None = None
    max_tokens: Count | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Count | None = None
    stop: str | list[str] | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: TextFormat | SchemaFormat | None = None
    reasoning_effort: Effort | None = None
    reasoning: Reasoning | None = None
    include_reasoning: bool | None = None
    verbosity: Literal["medium"] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    service_tier: Literal["auto", "default", "priority", "fast"] | None = None
    cache_control: Raw = ABSENT
    n: Literal[1] | None = None
    logprobs: Literal[False] | None = None
    top_logprobs: Literal[0] | None = None
    logit_bias: dict[str, None] | None = None
    store: Literal[False] | None = None
    modalities: list[Literal["text"]] | None = None


decode_request: Final = msgspec.json.Decoder(ChatRequest).decode
