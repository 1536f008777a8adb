"""Clients of OpenAI's Responses, providers of OpenAI's chat completions. Pure; called by `wire/` and `streaming/`.

Requests: `responses_over_chat_request`. Answers: `responses_over_chat_answer`. Both APIs are OpenAI's, so most values
keep their bytes; docs/translation.md says what is carried, dropped and refused.
"""

from __future__ import annotations

from tieline_router.translate.responses_over_chat_answer import EventTranslator, translate_answer
from tieline_router.translate.responses_over_chat_request import DROPPABLE, translate_request

__all__ = ["DROPPABLE", "EventTranslator", "translate_answer", "translate_request"]
