import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.runtime.sealed import CannotOpen, Seal

KEY = b"0123456789abcdef"


@given(st.binary())
def test_what_is_sealed_opens_with_the_same_key(text: bytes) -> None:
    assert Seal(KEY).open(Seal(KEY).seal(text)) == text


def test_nothing_of_it_can_be_read_and_two_seals_differ() -> None:
    sealed = Seal(KEY).seal(b"sk-secret")
    assert b"secret" not in sealed
    assert sealed != Seal(KEY).seal(b"sk-secret")


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(CannotOpen, match="wrong state key"):
        Seal(b"another key of 16 bytes").open(Seal(KEY).seal(b"x"))


@given(st.integers(0, 40), st.integers(1, 255))
def test_a_changed_byte_does_not_open(place: int, change: int) -> None:
    sealed = bytearray(Seal(KEY).seal(b"0123456789"))
    sealed[place % len(sealed)] ^= change
    with pytest.raises(CannotOpen):
        Seal(KEY).open(bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", b"short", b"x" * 27])
def test_what_was_never_sealed_does_not_open(sealed: bytes) -> None:
    with pytest.raises(CannotOpen):
        Seal(KEY).open(sealed)


def test_a_key_has_sixteen_bytes() -> None:
    with pytest.raises(CannotOpen, match="has 15 bytes, and needs 16"):
        Seal(KEY[:15])
