"""No part of a secret gets through, however a provider quotes it."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.runtime.redaction import REDACTED, SIGN, redacted

KEY = "sk-Or/v1+a%9-f3c7e5b1d"
OTHER = "org-7711aa22"


@pytest.mark.parametrize(
    "quoted",
    [
        KEY,
        KEY.upper(),
        KEY[:12],
        KEY[-9:],
        f"Bearer {KEY}",
        quote(KEY, safe=""),
        base64.b64encode(KEY.encode()).decode(),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
        base64.b64encode(f"u:{KEY}:x".encode()).decode(),
        base64.b64encode(f"user:{KEY}".encode()).decode(),
        OTHER,
    ],
)
def test_a_quoted_secret_is_hidden_and_the_rest_stays(quoted: str) -> None:
    text = redacted(f"Incorrect API key provided: {quoted}. Ask again.", [KEY, OTHER])
    assert text.startswith("Incorrect API key provided: ")
    assert text.endswith(". Ask again.")
    assert REDACTED in text
    hidden = text.removeprefix("Incorrect API key provided: ").removesuffix(". Ask again.")
    shown = hidden.replace(REDACTED, " ").split()
    assert all(len(part) < SIGN for part in shown)


def test_words_without_a_secret_stay_as_they_are() -> None:
    text = "maximum context length is 10 tokens, İstanbul ẞ"
    assert redacted(text, [KEY, OTHER, ""]) == text
    assert redacted(text, []) == text


def test_a_short_secret_is_hidden_whole() -> None:
    assert redacted("no such key abc, ab", ["abc"]) == f"no such key {REDACTED}, ab"


@given(before=st.text(max_size=40), secret=st.text(min_size=SIGN, max_size=60), after=st.text(max_size=40))
def test_the_secret_never_stands_in_the_result(before: str, secret: str, after: str) -> None:
    text = redacted(before + secret + after, [secret])
    assert REDACTED in text
    assert secret not in text or secret in REDACTED
