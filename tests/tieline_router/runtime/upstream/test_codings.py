import gzip
import sys
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.errors import ErrorClass
from tieline_router.runtime.upstream import UpstreamFailure
from tieline_router.runtime.upstream.codings import PIECE_BYTES, decoder

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def bare(data: bytes) -> bytes:
    squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeezer.compress(data) + squeezer.flush()


CODINGS: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "gzip": (b"gzip", gzip.compress),
    "x-gzip": (b"X-Gzip ", gzip.compress),
    "two members": (b"gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
    "deflate": (b"deflate", zlib.compress),
    "bare deflate": (b"deflate", bare),
    "zstd": (b"zstd", zstd.compress),
    "two frames": (b"zstd", lambda data: zstd.compress(data[:9]) + zstd.compress(data[9:])),
}


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def decoded(coding: bytes, parts: list[bytes]) -> bytes:
    decode = decoder(coding)
    assert decode is not None
    return b"".join([*map(decode, parts), decode(None)])


@pytest.mark.parametrize("case", CODINGS)
@given(data=st.binary(max_size=300).map(lambda one: one * 20), size=st.integers(min_value=1, max_value=50))
def test_pieces_of_any_size_give_the_same(case: str, data: bytes, size: int) -> None:
    coding, encode = CODINGS[case]
    assert decoded(coding, pieces(encode(data), size)) == data


@pytest.mark.parametrize("case", CODINGS)
def test_what_ends_in_the_middle_is_not_whole(case: str) -> None:
    coding, encode = CODINGS[case]
    data = encode(bytes(range(256)))
    for cut in range(1, len(data)):
        if case in {"two members", "two frames"} and decoded_prefix(coding, data[:cut]):
            continue  # the first of the two is an answer of its own
        with pytest.raises(UpstreamFailure) as failed:
            decoded(coding, [data[:cut]])
        assert failed.value.error is ErrorClass.GARBAGE


def decoded_prefix(coding: bytes, data: bytes) -> bool:
    try:
        return len(decoded(coding, [data])) == 9
    except UpstreamFailure:
        return False


@pytest.mark.parametrize("case", CODINGS)
def test_a_bomb_is_stopped_within_the_bound(case: str) -> None:
    coding, encode = CODINGS[case]
    for size in (PIECE_BYTES + 1, 3 * PIECE_BYTES):
        with pytest.raises(UpstreamFailure) as failed:
            decoded(coding, [encode(bytes(size))])
        assert failed.value.error is ErrorClass.ANSWER_TOO_LARGE


@pytest.mark.parametrize("case", CODINGS)
def test_what_is_not_encoded_as_it_says_is_garbage(case: str) -> None:
    with pytest.raises(UpstreamFailure) as failed:
        decoded(CODINGS[case][0], [b'{"choices": []}' * 3])
    assert failed.value.error is ErrorClass.GARBAGE


def test_nothing_is_decoded_where_nothing_is_encoded() -> None:
    assert decoder(b"") is None
    assert decoder(b"Identity") is None


@pytest.mark.parametrize("coding", [b"br", b"gzip, gzip", b"gzip,zstd", b"\xff"])
def test_what_is_unknown_fails_with_the_first_piece(coding: bytes) -> None:
    decode = decoder(coding)
    assert decode is not None
    assert decode(None) == b"", "an answer without a body has no coding either"
    with pytest.raises(UpstreamFailure) as failed:
        decode(b"x")
    assert failed.value.error is ErrorClass.GARBAGE
