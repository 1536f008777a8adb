"""Clients of OpenAI's chat completions, providers of OpenAI's Responses. Pure; called by `wire/` and `streaming/`.

Requests: `chat_over_responses_request`. Answers: `chat_over_responses_answer` (plain) and `chat_over_responses_stream`.
Both APIs are OpenAI's, so most values keep their bytes; docs/translation.md says what is carried, dropped and refused.
"""

from __future__ import annotations

from tieline_router.translate.chat_over_responses_answer import translate_answer
from tieline_router.translate.chat_over_responses_request import DROPPABLE, translate_request
from tieline_router.translate.chat_over_responses_stream import EventTranslator

__all__ = ["DROPPABLE", "EventTranslator", "translate_answer", "translate_request"]
