from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.runtime.inflate import CODINGS, STEP_BYTES, Damaged

from tests.support.packed import PACKED, packed_with_window

LONG = b"The same words again. " * 50_000


def expanded(coding: str, data: bytes) -> bytes:
    return b"".join(CODINGS[coding](data))


@pytest.mark.parametrize("coding", CODINGS)
@given(data=st.lists(st.binary(max_size=300), max_size=4))
def test_members_that_follow_one_another_give_what_was_packed(coding: str, data: list[bytes]) -> None:
    assert expanded(coding, b"".join(map(PACKED[coding], data))) == b"".join(data)


@pytest.mark.parametrize("coding", CODINGS)
def test_each_step_is_bounded(coding: str) -> None:
    pieces = list(CODINGS[coding](PACKED[coding](LONG)))
    assert b"".join(pieces) == LONG
    assert max(map(len, pieces)) <= STEP_BYTES


@pytest.mark.parametrize("coding", CODINGS)
def test_a_body_that_is_cut_anywhere_is_damaged(coding: str) -> None:
    packed = PACKED[coding](b'{"model": "coder"}')
    for cut in range(1, len(packed)):
        with pytest.raises(Damaged):
            expanded(coding, packed[:cut])


@pytest.mark.parametrize("coding", CODINGS)
@given(data=st.binary(min_size=1, max_size=200))
def test_anything_is_expanded_or_damaged(coding: str, data: bytes) -> None:
    with suppress(Damaged):
        assert isinstance(expanded(coding, data), bytes)


def test_a_window_beyond_what_a_decoder_must_have_is_refused() -> None:
    with pytest.raises(Damaged, match=r"[Mm]emory"):
        expanded("zstd", packed_with_window(b"x" * 100, 27))
