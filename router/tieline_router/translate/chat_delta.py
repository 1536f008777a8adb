"""What is read of the delta or the message of a chat answer, as leniently as providers differ. Pure.

A value that is not understood is passed over, never a failure: the observer of the API has judged the answer before.
Used by the translators of chat answers to Responses.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tieline_router.translate.strict_object import starts_with

Json = dict[str, Any]


class ToolCall(msgspec.Struct):
    """A tool call, or a piece of one."""

    index: int | None = None
    id: str = ""
    name: str = ""
    arguments: str = ""


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw()


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None

    def read(self) -> ToolCall:
        function = self.function or _Function()
        return ToolCall(self.index, self.id or "", function.name or "", _arguments(function.arguments))


class _Part(msgspec.Struct):
    text: str | None = None


class Delta(msgspec.Struct):
    """What one piece of an answer adds; a whole message has the same fields."""

    content: msgspec.Raw = msgspec.Raw()
    refusal: msgspec.Raw = msgspec.Raw()
    reasoning: msgspec.Raw = msgspec.Raw()
    reasoning_content: msgspec.Raw = msgspec.Raw()
    reasoning_details: msgspec.Raw = msgspec.Raw()
    annotations: msgspec.Raw = msgspec.Raw()
    tool_calls: msgspec.Raw = msgspec.Raw()
    images: msgspec.Raw = msgspec.Raw()

    def calls(self) -> list[ToolCall]:
        return [call.read() for call in _read(_calls, self.tool_calls) or ()]


class _Citation(msgspec.Struct):
    url: str = ""
    title: str = ""
    start_index: int = 0
    end_index: int = 0
    content: str | None = None


class _Annotation(msgspec.Struct):
    url_citation: _Citation | None = None


class _Url(msgspec.Struct):
    url: str = ""


class _Image(msgspec.Struct):
    image_url: _Url | None = None


class _TopLogprob(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _Logprob(_TopLogprob):
    top_logprobs: list[_TopLogprob] | None = None


class _Logprobs(msgspec.Struct):
    content: list[_Logprob] | None = None
    refusal: list[_Logprob] | None = None


_string: Final = msgspec.json.Decoder(str)
_parts: Final = msgspec.json.Decoder(list[_Part])
_calls: Final = msgspec.json.Decoder(list[_Call] | None)
_annotations: Final = msgspec.json.Decoder(list[_Annotation] | None)
_images: Final = msgspec.json.Decoder(list[_Image] | None)
_logprobs: Final = msgspec.json.Decoder(_Logprobs | None)


def _read(decoder: msgspec.json.Decoder[Any], value: msgspec.Raw) -> Any:
    if not bytes(value):
        return None
    try:
        return decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def string(value: msgspec.Raw) -> str:
    """A string; empty for anything else."""
    return _read(_string, value) or ""


def text(value: msgspec.Raw) -> str:
    """A string, or the texts of a list of parts; empty for anything else."""
    if starts_with(value, "["):
        return "".join(part.text or "" for part in _read(_parts, value) or ())
    return string(value)


def _arguments(value: msgspec.Raw) -> str:
    """The arguments of a call: a string of JSON, or, from servers that do not follow the API, the JSON itself."""
    found = bytes(value)
    return found.decode() if found.startswith(b"{") else string(value)


def citations(value: msgspec.Raw) -> list[Json]:
    """Citations, as a response has them. Annotations of other kinds have no place there."""
    cited = [found.url_citation for found in _read(_annotations, value) or () if found.url_citation is not None]
    return [
        {name: told for name, told in msgspec.structs.asdict(one).items() if told is not None}
        | {"type": "url_citation"}
        for one in cited
    ]


def images(value: msgspec.Raw) -> list[str]:
    """The images that a model made, base64, from data URLs."""
    urls = [found.image_url.url for found in _read(_images, value) or () if found.image_url is not None]
    return [url.partition(";base64,")[2] for url in urls if url.startswith("data:") and ";base64," in url]


def logprobs(value: msgspec.Raw, kind: str) -> list[Json]:
    """The log probabilities of a choice's `content` or `refusal`, as a response has them."""
    found = _read(_logprobs, value)
    return [
        _logprob(one) | {"top_logprobs": [_logprob(other) for other in one.top_logprobs or ()]}
        for one in (getattr(found, kind, None) or ())
    ]


def _logprob(found: _TopLogprob) -> Json:
    """Chat leaves `bytes` out where it likes; a response has it always."""
    return {
        "token": found.token,
        "logprob": found.logprob,
        "bytes": list(found.token.encode()) if found.bytes is None else found.bytes,
    }
