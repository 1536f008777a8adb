"""Every target holds for its seeds and for all kept inputs, whatever hypothesis makes of them, and tells of a fault."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tieline_router.apis import CHAT, COMPLETIONS, MESSAGES, RESPONSES
from tieline_router.errors import ErrorClass

from tests.fuzz.choices import HEAD, Choices, made
from tests.fuzz.mutation import mutate
from tests.fuzz.streams import check_client_side
from tests.fuzz.targets import CORPUS, TARGETS, kept
from tests.support.transcripts import Result

PURE = [name for name in TARGETS if name != "socket"]
KEPT = [(name, path) for name in TARGETS for path in kept(name)]


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_hold(name: str) -> None:
    check, seeds = TARGETS[name].load()
    found = list(seeds())
    assert found
    for seed in found:
        check(seed)


@pytest.mark.parametrize(("name", "path"), KEPT, ids=[f"{name}-{path.name}" for name, path in KEPT])
def test_what_once_broke_something_does_not(name: str, path: Path) -> None:
    check, _ = TARGETS[name].load()
    check(path.read_bytes())


def test_every_kept_input_belongs_to_a_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} <= TARGETS.keys()


@pytest.mark.parametrize("name", PURE)
@settings(max_examples=60)
@given(data=st.data())
def test_mutated_seeds_hold(name: str, data: st.DataObject) -> None:
    check, seeds = TARGETS[name].load()
    changed = data.draw(st.sampled_from(list(seeds())))
    for number in data.draw(st.lists(st.integers(0, 2**32), min_size=1, max_size=4)):
        changed = mutate(changed, number) or changed
    check(changed)
    place = data.draw(st.integers(0, len(changed)))
    check(changed[:place] + data.draw(st.binary(max_size=8)) + changed[place:])
    check(changed[:place])


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_and_anything_hold(name: str) -> None:
    check, _ = TARGETS[name].load()
    for size in (0, 1, HEAD, 200):
        check(random.Random(size).randbytes(size))


def test_an_input_is_decisions_and_a_payload() -> None:
    choices = Choices(made(b"payload", 3, 1))
    assert (choices.number(), choices.pick("ab"), choices.number(), choices.payload) == (3, "b", 0, b"payload")


def test_pieces_are_the_data() -> None:
    data = random.Random(1).randbytes(100)
    for seed in range(256):
        pieces = Choices(bytes([seed])).pieces(data)
        assert b"".join(pieces) == data
        assert all(pieces)


def result(client: bytes, failure: ErrorClass | None = None) -> Result:
    return Result(client, failure, committed=True, finish_reason="stop", usage=None)


@pytest.mark.parametrize(
    ("operation", "end"),
    [
        (CHAT, b"data: [DONE]\n\n"),
        (COMPLETIONS, b"data: [DONE]\n\n"),
        (MESSAGES, b"event: message_stop\ndata: {}\n\n"),
        (RESPONSES, b"event: response.completed\ndata: {}\n\n"),
    ],
    ids=lambda value: getattr(value, "path", ""),
)
def test_an_end_that_lies_is_noticed(operation: object, end: bytes) -> None:
    content = b'data: {"a":1}\n\n'
    assert operation in {CHAT, COMPLETIONS, MESSAGES, RESPONSES}
    client = next(one for one in (CHAT, COMPLETIONS, MESSAGES, RESPONSES) if one == operation)
    check_client_side(client, result(content + end))
    check_client_side(client, result(content, ErrorClass.TRUNCATED))
    for lie in (
        result(content),
        result(content + end, ErrorClass.TRUNCATED),
        result(content + end + end),
        result(content + end[:-1]),
        result(b"data: {\n\n" + end),
    ):
        with pytest.raises((AssertionError, ValueError)):
            check_client_side(client, lie)
