from __future__ import annotations

import msgspec
import pytest
from tieline_router.translate.reading import encoded, given, json_object, read
from tieline_router.translate.translated import Untranslatable


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    size: int
    echoed: None = None


class Request(msgspec.Struct, forbid_unknown_fields=True):
    inner: list[Inner]


decode = msgspec.json.Decoder(Request).decode


@pytest.mark.parametrize(
    ("inner", "param", "says"),
    [
        (b'[{"size":1},{"size":"x"}]', "inner.1.size", "expected int, got str"),
        (b'[{"size":1,"new":2}]', "inner.0.new", "cannot be carried to other things"),
        (b'[{"size":1,"echoed":2}]', "inner.0.echoed", "cannot be carried to other things"),
        (b"[{}]", "inner.0.size", "is missing"),
        (b"5", "inner", "expected array"),
        (b'[{"size":"\\ud800"}]', "inner", "not valid Unicode"),
    ],
)
def test_a_refusal_names_its_field(inner: bytes, param: str, says: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        read(decode, {"inner": msgspec.Raw(inner)}, "other things", dots=True)
    assert caught.value.param == param
    assert says in caught.value.message
    with pytest.raises(Untranslatable) as caught:
        read(decode, {"inner": msgspec.Raw(inner)}, "other things")
    assert caught.value.param == param.replace(".0", "[0]").replace(".1", "[1]")


def test_null_is_as_good_as_absent() -> None:
    fields = {"a": msgspec.Raw(b"null"), "b": msgspec.Raw(b"1"), "c": msgspec.Raw(b"2"), "d": msgspec.Raw(b"3")}
    found = given(fields, harmless={"c"}, droppable={"a", "d"})
    assert list(found.fields) == ["b"]
    assert found.dropped == ("d",)


def test_objects_keep_the_bytes_of_their_members() -> None:
    assert bytes(json_object('{"a": 1.50 , "b":[ ]}', "x")["a"]) == b"1.50"
    with pytest.raises(Untranslatable, match="x must be a JSON object"):
        json_object("[]", "x")


def test_what_is_none_is_not_sent() -> None:
    found = encoded({"a": None, "b": msgspec.Raw(b"1.0"), "c": [1]})
    assert {name: bytes(value) for name, value in found.items()} == {"b": b"1.0", "c": b"[1]"}
