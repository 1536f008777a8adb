"""What popular clients send by default is served by a pool of every API that it may be translated to.

The bodies are those that the clients build without any option set, shortened in their texts alone.
"""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from tieline_router.apis import CHAT, MESSAGES, RESPONSES, TRANSLATIONS, Operation
from tieline_router.wire.request import attempt_body, read_request

Json = dict[str, Any]

_EPHEMERAL: Final = {"type": "ephemeral"}
_SCHEMA: Final = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"command": {"type": "string"}, "timeout": {"type": "number"}},
    "required": ["command"],
    "additionalProperties": False,
}
_CODE_TOOL: Final = {"name": "Bash", "description": "Runs a command", "input_schema": _SCHEMA}
_CHAT_TOOL: Final = {"type": "function", "function": {"name": "Bash", "description": "Runs", "parameters": _SCHEMA}}
_CALL: Final = {"id": "call_1", "type": "function", "function": {"name": "Bash", "arguments": '{"command":"ls"}'}}

CLAUDE_CODE: Final = {
    "model": "coder",
    "max_tokens": 32000,
    "stream": True,
    "temperature": 1,
    "metadata": {"user_id": "user_1_account__session_2"},
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1; cc_entrypoint=cli;"},
        {"type": "text", "text": "You are Claude Code.", "cache_control": _EPHEMERAL},
        {"type": "text", "text": "Be concise.", "cache_control": {"type": "ephemeral", "ttl": "1h", "scope": "global"}},
    ],
    "thinking": {"type": "enabled", "budget_tokens": 31999},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "output_config": {"effort": "medium"},
    "tools": [_CODE_TOOL, {**_CODE_TOOL, "name": "Edit", "eager_input_streaming": True, "cache_control": _EPHEMERAL}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "<system>"}, {"type": "text", "text": "fix it"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Let me look.", "signature": "EpcC"},
                {"type": "text", "text": "I look.", "citations": None},
                {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}, "caller": {"type": "direct"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "content": "a.py",
                    "is_error": False,
                    "cache_control": _EPHEMERAL,
                }
            ],
        },
    ],
}
CODEX: Final = {
    "model": "coder",
    "instructions": "You are Codex.",
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "<permissions>"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "<environment_context>"}]},
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": ""}],
            "content": None,
            "encrypted_content": "",
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "I look."}],
            "phase": "commentary",
        },
        {"type": "function_call", "name": "shell_command", "arguments": '{"command":"ls"}', "call_id": "call_1"},
        {"type": "function_call_output", "call_id": "call_1", "output": "a.py"},
        {"type": "custom_tool_call", "status": "completed", "call_id": "call_2", "name": "apply_patch", "input": "*"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": "Done"},
    ],
    "tools": [
        {"type": "function", "name": "shell_command", "description": "Runs", "strict": False, "parameters": _SCHEMA},
        {
            "type": "custom",
            "name": "apply_patch",
            "description": "Edits files.",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: begin_patch"},
        },
        {"type": "web_search", "external_web_access": False},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "0199",
    "text": {"verbosity": "medium"},
    "client_metadata": {"x-codex-installation-id": "1"},
}
AGENTS_SDK: Final = {
    "model": "coder",
    "instructions": "You are helpful.",
    "include": [],
    "input": [
        {"content": "hi", "role": "user"},
        {
            "id": "msg_1",
            "content": [{"annotations": [], "text": "Hi", "type": "output_text", "logprobs": []}],
            "role": "assistant",
            "status": "completed",
            "type": "message",
        },
        {"arguments": "{}", "call_id": "c", "name": "f", "type": "function_call", "id": "fc_1", "status": "completed"},
        {"call_id": "c", "output": "1", "type": "function_call_output"},
    ],
    "tools": [{"name": "f", "parameters": _SCHEMA, "strict": True, "type": "function", "description": "F"}],
    "parallel_tool_calls": None,
}
LANGCHAIN: Final = {
    "model": "coder",
    "stream": True,
    "stream_options": {"include_usage": True},
    "temperature": 0.7,
    "messages": [
        {"role": "system", "content": "You are helpful."},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "assistant", "name": "supervisor", "content": None, "tool_calls": [_CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "a.py"},
    ],
    "tools": [_CHAT_TOOL],
}
AUTOGEN: Final = {
    "model": "coder",
    "messages": [
        {"role": "system", "content": "You are helpful."},
        {"role": "user", "name": "user", "content": "hi"},
        {"role": "assistant", "name": "planner", "content": "Hi"},
        {"role": "user", "name": "critic", "content": "go on"},
    ],
    "stream": False,
}
LITELLM: Final = {
    "model": "coder",
    "usage": {"include": True},
    "transforms": ["middle-out"],
    "route": "fallback",
    "max_tokens": 4096,
    "messages": [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": "Hi",
            "tool_calls": [_CALL],
            "function_call": None,
            "reasoning_content": "hm",
            "provider_specific_fields": {"refusal": None},
        },
        {"role": "tool", "tool_call_id": "call_1", "name": "Bash", "content": "a.py"},
    ],
}
OPENAI_ECHO: Final = {
    "model": "coder",
    "messages": [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": "Hi",
            "refusal": None,
            "annotations": [],
            "audio": None,
            "function_call": None,
            "tool_calls": None,
        },
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}]},
    ],
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logit_bias": {},
    "n": 1,
    "user": "me",
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": _SCHEMA, "strict": True}},
}
VERCEL_ANTHROPIC: Final = {
    "model": "coder",
    "max_tokens": 4096,
    "temperature": 0,
    "system": [{"type": "text", "text": "You are helpful."}],
    "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    "tools": [{"name": "f", "description": "F", "input_schema": _SCHEMA}],
    "tool_choice": {"type": "auto"},
    "stream": True,
}
VERCEL_OPENAI: Final = {
    "model": "coder",
    "input": [
        {"role": "system", "content": "You are helpful."},
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Hi"}], "id": "msg_1"},
        {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,iVBO"}]},
    ],
    "tools": [{"type": "function", "name": "f", "description": "F", "parameters": _SCHEMA, "strict": False}],
    "tool_choice": "auto",
    "store": False,
    "stream": True,
}
CLIENTS: Final[dict[str, tuple[Operation, Json]]] = {
    "Claude Code": (MESSAGES, CLAUDE_CODE),
    "Codex": (RESPONSES, CODEX),
    "OpenAI Agents": (RESPONSES, AGENTS_SDK),
    "LangChain": (CHAT, LANGCHAIN),
    "AutoGen": (CHAT, AUTOGEN),
    "LiteLLM": (CHAT, LITELLM),
    "openai": (CHAT, OPENAI_ECHO),
    "Vercel Anthropic": (MESSAGES, VERCEL_ANTHROPIC),
    "Vercel OpenAI": (RESPONSES, VERCEL_OPENAI),
}


@pytest.mark.parametrize("tree", ["openai", "openrouter"])
@pytest.mark.parametrize(
    ("client", "provider"),
    [
        pytest.param(name, provider, id=f"{name} over {provider.api.value}")
        for name, (operation, _) in CLIENTS.items()
        for provider in (operation, *TRANSLATIONS[operation])
    ],
)
def test_what_popular_clients_send_is_served(client: str, provider: Operation, tree: Any) -> None:
    operation, body = CLIENTS[client]
    request = read_request(operation, json.dumps(body).encode(), tree)
    sent = attempt_body(request, provider, "m", ask_usage=True, identity_salt="salt", max_output_tokens=64000)
    assert json.loads(sent.body)["model"] == "m"
