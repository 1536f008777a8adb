"""What all observers share: failures, reading what a provider sent, and when an answer is empty. Pure.

An observer reads what one API says about an answer: content, finish, completeness, usage, errors. It changes nothing. A
value whose type it does not know is content like any other, so that providers may add fields; an answer that cannot be
read at all is the provider's failure. `choices`, `messages`, `responses` and `embeddings` are the observers.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from functools import wraps
from typing import Final, NamedTuple, ParamSpec, TypeVar

import msgspec

from tieline_router.errors import ErrorClass
from tieline_router.streaming.usage import Usage

P = ParamSpec("P")
T = TypeVar("T")

EMPTY_VALUES: Final = frozenset({b"", b"null", b'""', b"[]", b"{}"})
"""Raw JSON values that say nothing; an absent one is empty bytes."""


class Failure(NamedTuple):
    """Why an answer is no answer. `body` is the provider's error as JSON, where it sent one."""

    error: ErrorClass
    detail: str
    body: bytes = b""


def read(decoder: msgspec.json.Decoder[T], data: bytes) -> T | Failure:
    """The data of an event, or a whole body, as what the API says it is; a failure when it is not. Never raises."""
    try:
        if not data.isascii():
            data.decode()  # msgspec passes over the bytes of values that it does not read
        return decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        # msgspec has one class for all; its text is the only sign that the JSON was good as far as it went.
        kind = ErrorClass.TRUNCATED if "truncated" in str(error) else ErrorClass.GARBAGE
        return Failure(kind, f"the provider sent what is no answer of its API: {error}")


class TooLarge(ValueError):
    """An answer has more than a translation may keep of it."""


UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)
"""What reading JSON a second time can raise although the first went well: it is nested as deep as just bearable, and
bears no more from a place that is deeper in the program."""


def never_raises(write: Callable[P, T]) -> Callable[P, T | Failure]:
    """Makes a failure of the provider of what it sent and cannot be read a second time."""

    @wraps(write)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T | Failure:
        try:
            return write(*args, **kwargs)
        except UNREADABLE as error:
            return unwritable(error)

    return guarded


def unwritable(error: Exception) -> Failure:
    """The failure of an answer that a writer could not write."""
    if isinstance(error, TooLarge):
        return Failure(ErrorClass.ANSWER_TOO_LARGE, str(error))
    return Failure(ErrorClass.GARBAGE, f"the provider sent what cannot be passed on: {error}")


def empty(content: bool, reasons: Iterable[str], usage: Usage | None, unexplained: Container[str]) -> Failure | None:
    """An answer without content is a failure unless its finish reason explains it (`length`, a filter) or the provider
    counts tokens for it: models do end at once now and then, and say so."""
    if content or (usage is not None and usage.completion > 0):
        return None
    if any(reason not in unexplained for reason in reasons):
        return None
    return Failure(ErrorClass.EMPTY, "the provider's answer is empty")
