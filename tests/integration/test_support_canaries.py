"""The search for secrets finds them in every disguise, and nothing else."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest

from tests.support.canaries import find, forms, pem_lines

SECRET = b"sk-live/9Zx+Qq&8=tail~end 42"
CANARIES = {"key": forms(SECRET)}
DISGUISES = {
    "plain": SECRET,
    "json": json.dumps({"a": SECRET.decode()}).encode(),
    "json of PHP": json.dumps(SECRET.decode()).replace("/", "\\/").encode(),
    "URL": quote(SECRET.decode(), safe="").encode(),
    "form": quote_plus(SECRET.decode()).encode(),
    "hexadecimal": SECRET.hex().encode(),
    **{f"base64 at {shift}": base64.b64encode(b"x" * shift + SECRET + b"y" * shift) for shift in range(4)},
    **{f"base64 of URLs at {shift}": base64.urlsafe_b64encode(b"x" * shift + SECRET) for shift in range(4)},
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_secret_is_found_in_every_disguise(disguise: str) -> None:
    [found] = find(CANARIES, {"log": b"before " + DISGUISES[disguise] + b" after", "other": b"nothing"})
    assert found.startswith("key in log after ")
    assert SECRET.decode() not in found


def test_what_is_no_secret_is_not_found() -> None:
    assert find(CANARIES, {"log": b"sk-live/another " + base64.b64encode(b"sk-live/another key of the kind")}) == []


def test_short_texts_are_no_canaries() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        forms(b"short")


def test_pem_lines_are_what_carries_a_key() -> None:
    line = b"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg"
    assert pem_lines(b"-----BEGIN PRIVATE KEY-----\n" + line + b"\n-----END PRIVATE KEY-----\n") == [line]
