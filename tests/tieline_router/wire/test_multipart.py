import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.apis import OPERATIONS
from tieline_router.errors import ErrorClass
from tieline_router.wire.attempt import hashed_identity
from tieline_router.wire.multipart import MAX_PARTS, read_multipart
from tieline_router.wire.request import BadRequest, attempt_body, read_request

TRANSCRIPTIONS = OPERATIONS["/audio/transcriptions"]
TYPE = "multipart/form-data; boundary=b"
FILE = b'Content-Disposition: form-data; name="file"; filename="C:\\a \\"b\\".wav"\r\nContent-Type: audio/wav'


def text(name: str, value: str) -> tuple[bytes, bytes]:
    return f'Content-Disposition: form-data; name="{name}"'.encode(), value.encode()


def form(*parts: tuple[bytes, bytes], boundary: bytes = b"b") -> bytes:
    lines = (b"--" + boundary + b"\r\n" + head + b"\r\n\r\n" + content + b"\r\n" for head, content in parts)
    return b"".join(lines) + b"--" + boundary + b"--\r\n"


def sent(body: bytes, salt: str | None = None, content_type: str = TYPE) -> bytes:
    request = read_request(TRANSCRIPTIONS, body, "openai", content_type)
    made = attempt_body(request, TRANSCRIPTIONS, "up", ask_usage=True, identity_salt=salt)
    assert made.content_type.startswith("multipart/form-data; boundary=")
    return made.body


def test_the_model_is_replaced_and_the_file_keeps_its_bytes() -> None:
    wave = bytes(range(256)) * 40 + b"\r\n--not the boundary\r\n\r\n"
    body = form(text("model", "m"), (FILE, wave), text("language", "de"))
    assert sent(body) == form(text("model", "up"), (FILE, wave), text("language", "de"))
    request = read_request(TRANSCRIPTIONS, body, "openai", TYPE)
    assert request.view.model == "m"
    assert {name: bytes(raw) for name, raw in request.fields.items()} == {"model": b'"m"', "language": b'"de"'}


def test_one_model_is_sent_whatever_came() -> None:
    twice = form(text("model", "cheap"), (FILE, b"x"), text("model", "m"))
    assert read_request(TRANSCRIPTIONS, twice, "openai", TYPE).view.model == "m"
    assert sent(twice) == form(text("model", "up"), (FILE, b"x"))


def test_router_fields_stay_here_and_users_are_pseudonyms() -> None:
    body = form(text("model", "m"), text("user", "ann"), text("session_id", "s"), text("a[]", "1"), text("a[]", "2"))
    rest = text("a[]", "1"), text("a[]", "2")
    assert sent(body) == form(text("model", "up"), text("user", "ann"), *rest)
    hashed = hashed_identity("here", b"ann")
    assert sent(body, "here") == form(text("model", "up"), text("user", hashed), *rest)


def test_preamble_and_epilogue_mean_nothing() -> None:
    body = b"preamble\r\n" + form(text("model", "m")) + b"epilogue --b\r\n"
    assert sent(body) == form(text("model", "up"))


@pytest.mark.parametrize(
    "content_type", ['Multipart/Form-Data; charset=utf-8; boundary="a b"', 'multipart/form-data;boundary="a b" ']
)
def test_the_boundary_is_read_from_the_header(content_type: str) -> None:
    assert sent(form(text("model", "m"), boundary=b"a b"), None, content_type) == form(
        text("model", "up"), boundary=b"a b"
    )


BAD = [
    (b"", "closing boundary"),
    (b"--b", "begins with the boundary and goes on"),
    (b"--b--", None),
    (form(text("model", "m"))[:-6], "closing boundary"),
    (form(text("model", "m")).replace(b"\r\n", b"\n"), "goes on"),
    (form(text("model", "m")).replace(b"\r\nm\r\n", b"\r\nm\r\n--bc\r\n"), "goes on"),
    (form((b"", b"m")), "not one"),
    (form((b"Content-Type: a/b", b"m")), "one Content-Disposition"),
    (form((b'Content-Disposition: form-data; name="model"\r\nContent-disposition: form-data; name="x"', b"m")), "one"),
    (form((b'Content-Disposition : form-data; name="model"', b"m")), "not one"),
    (form((b'Content-Disposition: form-data; name="model"\r\n folded', b"m")), "not one"),
    (form((b'Content-Disposition: attachment; name="model"', b"m")), "form-data with a name"),
    (form((b"Content-Disposition: form-data", b"m")), "form-data with a name"),
    (form((b'Content-Disposition: form-data; name="model"; name="x"', b"m")), "form-data with a name"),
    (form((b"Content-Disposition: form-data; name*=utf-8''model", b"m")), "form-data with a name"),
    (form((b'Content-Disposition: form-data; name="mod\\el"', b"m")), "read differently"),
    (form((b'Content-Disposition: form-data; name="mod%65l"', b"m")), "read differently"),
    (form((b'Content-Disposition: form-data; name="model"', b"\xff")), "not UTF-8"),
    (form((b"X: " + b"x" * 5000 + b'\r\nContent-Disposition: form-data; name="model"', b"m")), "not end within"),
    (form(*[text("x", "1")] * (MAX_PARTS + 1)), "more than"),
]


@pytest.mark.parametrize(("body", "words"), BAD, ids=[str(number) for number in range(len(BAD))])
def test_what_parsers_may_read_differently_is_refused(body: bytes, words: str | None) -> None:
    with pytest.raises(BadRequest) as refused:
        sent(body)
    if words is None:
        assert (refused.value.error, refused.value.param) == (ErrorClass.MISSING_FIELD, "model")
    else:
        assert refused.value.error is ErrorClass.INVALID_TYPE
        assert words in str(refused.value)


@pytest.mark.parametrize(
    ("content_type", "error"),
    [
        ("application/json", ErrorClass.UNSUPPORTED_MEDIA_TYPE),
        ("", ErrorClass.UNSUPPORTED_MEDIA_TYPE),
        ("multipart/form-data", ErrorClass.INVALID_TYPE),
        ("multipart/form-data; boundary=", ErrorClass.INVALID_TYPE),
        ('multipart/form-data; boundary="a\\"b"', ErrorClass.INVALID_TYPE),
        ("multipart/form-data; boundary=a; boundary=b", ErrorClass.INVALID_TYPE),
        (f"multipart/form-data; boundary={'x' * 71}", ErrorClass.INVALID_TYPE),
    ],
)
def test_headers_that_name_no_boundary_are_refused(content_type: str, error: ErrorClass) -> None:
    with pytest.raises(BadRequest) as refused:
        sent(form(text("model", "m")), None, content_type)
    assert refused.value.error is error


names = st.text(st.characters(codec="utf-8", exclude_characters='\\%"', exclude_categories=["C"]), min_size=1)
contents = st.binary(max_size=200).filter(lambda data: b"\r\n--b" not in b"\r\n" + data)


@given(parts=st.lists(st.tuples(names, contents), max_size=6), preamble=contents)
def test_what_is_put_together_is_taken_apart_and_put_together_again(
    parts: list[tuple[str, bytes]], preamble: bytes
) -> None:
    heads = [
        (f'Content-Disposition: form-data; name="{name}"; filename="f"'.encode(), content) for name, content in parts
    ]
    body = form(*heads)
    found, fields = read_multipart(preamble + b"\r\n" + body, TYPE)
    assert [(part.name, found.body[part.start : part.end]) for part in found.parts] == parts
    assert fields == {}, "files are no fields"
    assert found.replaced({}) == body
