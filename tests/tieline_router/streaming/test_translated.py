"""Whether the provider's side decides, and the translator writes. `test_stream` has every fault in every pair."""

import json

import pytest
from tieline_router.apis import CHAT, MESSAGES, RESPONSES, Operation
from tieline_router.errors import ErrorClass
from tieline_router.streaming.form import Stamp, Whole
from tieline_router.streaming.observe import Failure
from tieline_router.streaming.sse import Event, encode_event
from tieline_router.streaming.translated import TranslatedForm

from tests.support import replies
from tests.support.answers import answer
from tests.support.openai_answers import Asked
from tests.support.transcripts import LIMIT, body, relay, stamp

PROVIDERS = [CHAT, MESSAGES, RESPONSES]


class Names:
    """A translator that says what came, and never says anything for lifecycle events."""

    next_sequence = 5

    def __init__(self, stamp: Stamp) -> None:
        self.stamp = stamp

    def take(self, event: Event) -> bytes:
        return encode_event(b"piece") if b"upstream" in event.data else b""

    def end(self) -> bytes:
        return encode_event(self.stamp.generation_id.encode())


def form(provider: Operation) -> TranslatedForm:
    return TranslatedForm(provider, Names, lambda ours, data: Whole(ours.model.encode() + data[:1]))


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.path)
def test_the_provider_decides_and_the_translator_writes(provider: Operation) -> None:
    good = body(replies.ok("upstream", chunks=1), Asked(stream=True, path=provider.path))
    result = relay(form(provider), stamp(CHAT), [good])
    assert result.failure is None
    assert result.client.startswith(encode_event(b"piece"))
    assert result.client.endswith(encode_event(b"gen-1"))
    assert b"[DONE]" not in result.client, "the provider's terminator is not the translator's business"
    stream = form(provider).stream(stamp(CHAT), LIMIT)
    stream.feed(b"".join(answer(Asked(stream=True, path=provider.path), "upstream", 1).content))
    assert stream.next_sequence == 5


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.path)
def test_a_plain_answer_is_checked_and_then_translated(provider: Operation) -> None:
    tested = form(provider)
    good = body(replies.ok(), Asked(path=provider.path))
    assert tested.whole(stamp(CHAT), good) == Whole(b"author/model{")
    for reply, error in (
        (replies.missing_finish_reason(), ErrorClass.MISSING_FINISH),
        (replies.empty_answer(), ErrorClass.EMPTY),
        (replies.error_in_ok(), ErrorClass.ERROR_EVENT),
        (replies.truncated(), ErrorClass.TRUNCATED),
        (replies.garbage_event(), ErrorClass.GARBAGE),
    ):
        failure = tested.whole(stamp(CHAT), body(reply, Asked(path=provider.path)))
        assert isinstance(failure, Failure)
        assert failure.error is error


def test_what_the_translator_cannot_read_is_the_providers_failure() -> None:
    tested = TranslatedForm(CHAT, Names, lambda _stamp, data: Whole(json.loads(b"{").encode()))
    failure = tested.whole(stamp(MESSAGES), body(replies.ok(), Asked()))
    assert isinstance(failure, Failure)
    assert failure.error is ErrorClass.GARBAGE
