import pytest
from tieline_router.errors import ErrorClass
from tieline_router.runtime.upstream import UpstreamFailure
from tieline_router.runtime.upstream.framing import HEAD_BYTES, framing

CHUNKED = (b"transfer-ENCODING", b" Chunked ")
LENGTH = (b"Content-LENGTH", b"3")


def test_the_end_of_a_body() -> None:
    assert framing(200, [LENGTH]).until_close is False
    assert framing(200, [CHUNKED]).until_close is False
    assert framing(200, [(b"Server", b"x")]).until_close is True
    assert framing(204, []).until_close is False
    assert framing(304, []).until_close is False


def test_codings_are_joined_in_order() -> None:
    assert framing(200, [LENGTH]).coding == b""
    fields = [LENGTH, (b"Content-Encoding", b"gzip"), (b"content-encoding", b"br")]
    assert framing(200, fields).coding == b"gzip,br"


@pytest.mark.parametrize(
    "fields",
    [
        [LENGTH, LENGTH],
        [LENGTH, CHUNKED],
        [CHUNKED, LENGTH],
        [CHUNKED, CHUNKED],
        [(b"Transfer-Encoding", b"gzip, chunked")],
        [(b"Transfer-Encoding", b"identity")],
        [(b"Transfer-Encoding", b"")],
        [(b"X", b"y" * HEAD_BYTES), LENGTH],
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(fields: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(UpstreamFailure) as failed:
        framing(200, fields)
    assert failed.value.error is ErrorClass.GARBAGE
