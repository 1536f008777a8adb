import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.routing.view import estimate_prompt_tokens, needed_parameters


@pytest.mark.parametrize(
    ("tools", "choice", "form", "needed"),
    [
        (False, None, None, set()),
        (False, "required", "text", set()),
        (True, None, None, {"tools"}),
        (True, "auto", None, {"tools"}),
        (True, "none", None, {"tools"}),
        (True, "required", None, {"tools", "tool_choice"}),
        (True, {"type": "function"}, "json_object", {"tools", "tool_choice", "response_format"}),
        (False, None, "json_schema", {"structured_outputs"}),
        (False, None, "grammar", {"structured_outputs"}),
    ],
)
def test_needed_parameters(tools: bool, choice: object, form: str | None, needed: set[str]) -> None:
    found = needed_parameters(tools=tools, tool_choice=choice, response_format=form)
    assert found == needed


@given(st.lists(st.binary(max_size=64), max_size=4))
def test_short_text_counts_a_quarter_of_its_bytes_rounded_up(parts: list[bytes]) -> None:
    size = sum(map(len, parts))
    assert estimate_prompt_tokens(*parts) == (size + 3) // 4


def test_inline_media_are_left_out() -> None:
    text = b'[{"role":"user","content":[{"type":"text","text":"what is this?"},{"type":"image_url","image_url":{"url":'
    image = b'"data:image/png;base64,' + b"iVBORw0KGgo" * 1000 + b'=="'
    sound = b'"' + b"UklGRiQA" * 200 + b'"'
    plain = text + b"}}]}]"
    assert estimate_prompt_tokens(text + image + b"}}]}]") == estimate_prompt_tokens(plain)
    audio = b'{"type":"input_audio","input_audio":{"data":' + sound + b"}}"
    assert estimate_prompt_tokens(audio) == estimate_prompt_tokens(audio.replace(sound, b""))


def test_a_long_word_without_a_sign_of_media_is_text() -> None:
    text = b'{"content":"' + b"A" * 2000 + b'"}'
    assert estimate_prompt_tokens(text) == (len(text) + 3) // 4


def test_long_text_is_not_taken_for_media() -> None:
    text = b'{"content":"' + b"the url is data: and base64, is a word here. " * 100 + b'"}'
    assert estimate_prompt_tokens(text) == (len(text) + 3) // 4


MEDIA = b"iVBORw0KGgo/" * 1000
SHAPES = {
    "responses image": b'[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,%s"}]}]',
    "responses file": b'[{"content":[{"type":"input_file","filename":"a.pdf","file_data":"%s"}]}]',
    "messages image": b'[{"content":[{"type":"image","source":{"media_type":"image/png","data":"%s"}}]}]',
    "messages document, spaced": b'[{ "content" : [ { "type" : "document", "source" : { "data" : "%s" } } ] }]',
    "an image in a tool's result": b'[{"content":[{"type":"tool_result","content":[{"source":{"data":"%s"}}]}]}]',
    "embeddings of parts": b'[{"content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,%s"}}]}]',
    "chat file": b'[{"content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,%s"}}]}]',
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("media", [MEDIA, MEDIA.replace(b"/", b"\\/"), MEDIA.replace(b"/", b"_") + b"=="])
def test_inline_media_of_every_api_are_left_out(shape: bytes, media: bytes) -> None:
    assert estimate_prompt_tokens(shape % media) <= estimate_prompt_tokens(shape % b"") + 8


@pytest.mark.parametrize("name", ["messages document, spaced", "responses file"])
def test_a_document_of_plain_text_counts(name: str) -> None:
    text = b"Of plain text every word is read. " * 100
    assert estimate_prompt_tokens(SHAPES[name] % text) >= len(text) // 4


def test_several_parts_of_a_prompt_count_together() -> None:
    """Messages and system, input and instructions, and the tools of either."""
    assert estimate_prompt_tokens(b'[{"content":"abc"}]', b'"You are kind"', b"") == (19 + 14 + 3) // 4
