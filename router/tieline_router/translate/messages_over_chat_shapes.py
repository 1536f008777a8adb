"""The request of Anthropic's Messages API, as far as chat completions can carry it. Types only.

What is not declared here is refused by name: server tools and their results, citations, documents by URL or file id,
and whatever later versions add. A field of type `None` is one that clients echo as null.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

ABSENT: Final = Raw()
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class Text(Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    """`citations` say something about the answer that this text once was; they are not for the model."""

    text: str
    cache_control: Raw = ABSENT
    citations: Raw = ABSENT


class Base64Source(Struct, tag_field="type", tag="base64", forbid_unknown_fields=True):
    media_type: str
    data: str


class UrlSource(Struct, tag_field="type", tag="url", forbid_unknown_fields=True):
    url: str


class TextSource(Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    data: str
    media_type: Literal["text/plain"] = "text/plain"


class Image(Struct, tag_field="type", tag="image", forbid_unknown_fields=True):
    source: Base64Source | UrlSource
    cache_control: Raw = ABSENT
    transformations: None = None


class ContentSource(Struct, tag_field="type", tag="content", forbid_unknown_fields=True):
    content: str | list[Text | Image]


class Citations(Struct, forbid_unknown_fields=True):
    enabled: Literal[False] = False


class Document(Struct, tag_field="type", tag="document", forbid_unknown_fields=True):
    source: Base64Source | TextSource | ContentSource
    title: str | None = None
    context: str | None = None
    cache_control: Raw = ABSENT
    citations: Citations | None = None


class Thinking(Struct, tag_field="type", tag="thinking", forbid_unknown_fields=True):
    thinking: str
    signature: str = ""


class RedactedThinking(Struct, tag_field="type", tag="redacted_thinking", forbid_unknown_fields=True):
    data: str


class Caller(Struct, forbid_unknown_fields=True):
    type: Literal["direct"]


class ToolUse(Struct, tag_field="type", tag="tool_use", forbid_unknown_fields=True):
    id: str
    name: str
    input: Raw
    cache_control: Raw = ABSENT
    caller: Caller | None = None
    toolset_name: None = None


class ToolResult(Struct, tag_field="type", tag="tool_result", forbid_unknown_fields=True):
    tool_use_id: str
    content: str | list[Text | Image | Document] | None = None
    is_error: bool | None = None
    cache_control: Raw = ABSENT
    toolset_name: None = None


class UserMessage(Struct, tag_field="role", tag="user", forbid_unknown_fields=True):
    content: str | list[Text | Image | Document | ToolResult]


class AssistantMessage(Struct, tag_field="role", tag="assistant", forbid_unknown_fields=True):
    content: str | list[Text | Thinking | RedactedThinking | ToolUse]


class SystemMessage(Struct, tag_field="role", tag="system", forbid_unknown_fields=True):
    content: str | list[Text]


Message = UserMessage | AssistantMessage | SystemMessage


class Tool(Struct, forbid_unknown_fields=True):
    """`eager_input_streaming` and `cache_control` change how fast and how cheaply an answer comes, not what it is."""

    name: str
    input_schema: Raw
    type: Literal["custom"] | None = None
    description: str | None = None
    strict: bool | None = None
    cache_control: Raw = ABSENT
    eager_input_streaming: bool | None = None
    defer_loading: Literal[False] | None = None
    allowed_callers: list[Literal["direct"]] | None = None


class AutoChoice(Struct, tag_field="type", tag="auto", forbid_unknown_fields=True):
    disable_parallel_tool_use: bool = False


class AnyChoice(Struct, tag_field="type", tag="any", forbid_unknown_fields=True):
    disable_parallel_tool_use: bool = False


class ToolChoice(Struct, tag_field="type", tag="tool", forbid_unknown_fields=True):
    name: str
    disable_parallel_tool_use: bool = False


class NoneChoice(Struct, tag_field="type", tag="none", forbid_unknown_fields=True):
    pass


Display = Literal["summarized", "omitted"]


class Enabled(Struct, tag_field="type", tag="enabled", forbid_unknown_fields=True):
    budget_tokens: Count
    display: Display | None = None


class Adaptive(Struct, tag_field="type", tag="adaptive", forbid_unknown_fields=True):
    display: Display | None = None


class Disabled(Struct, tag_field="type", tag="disabled", forbid_unknown_fields=True):
    pass


class Format(Struct, forbid_unknown_fields=True, rename={"schema_": "schema"}):
    schema_: Raw
    type: Literal["json_schema"]


class OutputConfig(Struct, forbid_unknown_fields=True):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: Format | None = None


class Metadata(Struct, forbid_unknown_fields=True):
    user_id: str | None = None


class MessagesRequest(Struct, forbid_unknown_fields=True):
    messages: list[Message]
    max_tokens: Count
    model: Raw = ABSENT
    system: str | list[Text] | None = None
    stream: bool = False
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    tools: list[Tool] | None = None
    tool_choice: AutoChoice | AnyChoice | ToolChoice | NoneChoice | None = None
    thinking: Enabled | Adaptive | Disabled | None = None
    output_config: OutputConfig | None = None
    metadata: Metadata | None = None
    user: str | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    speed: Literal["standard", "fast"] | None = None


decode_request: Final = msgspec.json.Decoder(MessagesRequest).decode
