import msgspec
import pytest
from tieline_router.errors import ErrorClass
from tieline_router.streaming.observe import EMPTY_VALUES, Failure, empty, never_raises, read
from tieline_router.streaming.usage import Usage


class Thing(msgspec.Struct):
    name: str | None = None


DECODER = msgspec.json.Decoder(Thing)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", ErrorClass.TRUNCATED),
        (b'{"name":"a', ErrorClass.TRUNCATED),
        (b"<html>", ErrorClass.GARBAGE),
        (b'{"name":1}', ErrorClass.GARBAGE),
        (b'{"other":"\xff"}', ErrorClass.GARBAGE),
        (b'{"other":' + b"[" * 100_000, ErrorClass.GARBAGE),
    ],
)
def test_what_cannot_be_read_is_a_failure_with_a_class(data: bytes, error: ErrorClass) -> None:
    failure = read(DECODER, data)
    assert isinstance(failure, Failure)
    assert failure.error is error


def test_what_can_be_read_is() -> None:
    assert read(DECODER, '{"name":"é"}'.encode()) == Thing("é")


@pytest.mark.parametrize("error", [msgspec.DecodeError("x"), RecursionError("x"), UnicodeError("x")])
def test_what_cannot_be_read_twice_is_a_failure_too(error: Exception) -> None:
    @never_raises
    def write(fails: bool) -> str:
        if fails:
            raise error
        return "written"

    assert write(False) == "written"
    failure = write(True)
    assert isinstance(failure, Failure)
    assert failure.error is ErrorClass.GARBAGE


@pytest.mark.parametrize(
    ("content", "reason", "usage", "is_empty"),
    [
        (False, "stop", None, True),
        (False, "stop", Usage(5, 0), True),
        (False, "stop", Usage(5, 1), False),
        (False, "length", None, False),
        (True, "stop", None, False),
    ],
)
def test_an_answer_is_empty_when_nothing_explains_why(
    content: bool, reason: str, usage: Usage | None, is_empty: bool
) -> None:
    failure = empty(content, [reason], usage, {"stop"})
    assert (failure is not None) is is_empty
    assert failure is None or failure.error is ErrorClass.EMPTY


def test_an_absent_value_says_nothing() -> None:
    assert bytes(msgspec.Raw()) in EMPTY_VALUES
