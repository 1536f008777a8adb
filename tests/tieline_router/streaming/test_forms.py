import pytest
from tieline_router.apis import COUNT_TOKENS, OPERATIONS, TRANSLATIONS, Dialect, Operation
from tieline_router.streaming.form import Stamp
from tieline_router.streaming.forms import form
from tieline_router.streaming.observe import Failure

PAIRS = [
    (client, provider)
    for client in OPERATIONS.values()
    if not client.passed_through
    for provider in (client, *TRANSLATIONS.get(client, ()))
]


@pytest.mark.parametrize(("client", "provider"), PAIRS, ids=lambda operation: operation.path)
def test_every_pair_that_the_table_of_operations_permits_has_a_form(client: Operation, provider: Operation) -> None:
    stamp = Stamp(Dialect("openai", client), "gen-1", "author/model", "Own", 1)
    tested = form(client, provider)
    assert isinstance(tested.whole(stamp, b"<html>"), Failure)
    if client.streams:
        stream = tested.stream(stamp, 1 << 20)
        assert (stream.feed(b"data: {}\n\n"), stream.end()) == (b"", b"")
        assert stream.failure is not None


def test_what_is_passed_through_unread_has_none() -> None:
    with pytest.raises(KeyError):
        form(COUNT_TOKENS, COUNT_TOKENS)
