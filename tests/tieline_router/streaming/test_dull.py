"""What the quick way takes and what it leaves to the slow one. `test_choices_native` compares the two."""

import json

import pytest
from tieline_router.apis import CHAT, PathTree
from tieline_router.streaming.choices_native import ChoicesWriter
from tieline_router.streaming.dull import DullChunks
from tieline_router.streaming.sse import Event

from tests.support.transcripts import stamp

HEAD = '{"id":"c","object":"chat.completion.chunk","created":5,"model":"m",'
REST = '"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}'
LIMIT = 1000


def frame(data: str) -> bytes:
    return b"data: " + data.encode() + b"\n\n"


def learned(data: str = HEAD + REST, tree: PathTree = "openai", choices: int = 1) -> DullChunks:
    writer = ChoicesWriter(stamp(CHAT, tree, choices=choices), CHAT, LIMIT)
    writer.take(Event(data.encode()))
    return writer.dull


def test_what_is_ours_is_spliced_in() -> None:
    assert learned().write(frame(HEAD + REST.replace('"a"', '"b"'))) == frame(
        '{"id":"gen-1","model":"author/model","provider":"Own","object":"chat.completion.chunk","created":5,'
        + REST.replace('"a"', '"b"')
    )


def test_what_stands_behind_the_choices_is_learned_too() -> None:
    tail = ',"created":5,"id":"c","model":"m","object":"chat.completion.chunk"}'
    dull = learned("{" + REST[:-1] + tail)
    assert dull.write(frame("{" + REST[:-1].replace('"a"', '"b"') + tail)) == frame(
        '{"id":"gen-1","model":"author/model","provider":"Own",'
        + REST[:-1].replace('"a"', '"b"')
        + ',"created":5,"object":"chat.completion.chunk"}'
    )
    assert dull.write(frame("{" + REST[:-1] + tail.replace("5", "6"))) is None
    assert dull.write(frame("{" + REST[:-1] + tail)[:-1] + b" ") is None


CHANGED = {
    "nothing learned of it": frame(HEAD.replace("5", "6") + REST),
    "no blank line": frame(HEAD + REST)[:-1],
    "no blank line yet": frame(HEAD + REST)[:-1] + b" ",
    "a blank line too many": frame(HEAD + REST) + b"\n",
    "two events": frame(HEAD + REST) * 2,
    "two lines": frame(HEAD + REST.replace(":[", ":\n[")),
    "a line that ends with CR": frame(HEAD + REST.replace(":[", ":\r[")),
    "no UTF-8": frame(HEAD + REST).replace(b'"a"', b'"\xff"'),
    "too long": frame(HEAD + REST.replace('"a"', '"' + "a" * LIMIT + '"')),
    "cut": frame(HEAD + REST[:-3]),
    "a finish": frame(HEAD + REST.replace("null", '"stop"')),
    "an empty finish": frame(HEAD + REST.replace("null", '""')),
    "a choice that nobody asked for": frame(HEAD + REST.replace('"index":0', '"index":1')),
    "a choice that cannot be": frame(HEAD + REST.replace('"index":0', '"index":-1')),
    "a delta that is none": frame(HEAD + REST.replace('{"content":"a"}', '"a"')),
    "a message that is none": frame(HEAD + REST.replace('"delta":{"content":"a"}', '"message":"a"')),
    "a text that is none": frame(HEAD + REST.replace('"delta":{"content":"a"}', '"text":{}')),
    "choices that are none": frame(HEAD + '"choices":null}'),
    "an id": frame(HEAD + REST[:-1] + ',"id":null}'),
    "a model": frame(HEAD + REST[:-1] + ',"model":"m"}'),
    "a provider": frame(HEAD + REST[:-1] + ',"provider":1}'),
    "a usage": frame(HEAD + REST[:-1] + ',"usage":{"prompt_tokens":1}}'),
    "an error": frame(HEAD + REST[:-1] + ',"error":{"message":"no"}}'),
    "the object of an error": frame(HEAD + REST[:-1] + ',"object":"error"}'),
}


@pytest.mark.parametrize("change", CHANGED)
@pytest.mark.parametrize("tree", ["openai", "openrouter"])
def test_whatever_is_not_dull_is_left_to_the_slow_way(change: str, tree: PathTree) -> None:
    dull = learned(tree=tree)
    assert dull.write(CHANGED[change]) is None
    assert dull.write(frame(HEAD + REST)) is not None


def test_choices_that_were_asked_for_are_dull() -> None:
    dull = learned(choices=2)
    assert dull.write(frame(HEAD + REST.replace('"index":0', '"index":1'))) is not None
    assert dull.write(frame(HEAD + REST.replace('"index":0', '"index":2'))) is None


@pytest.mark.parametrize("native", ["", ',"native_finish_reason":null'])
@pytest.mark.parametrize("usage", ["", ',"usage":null'])
def test_the_superset_has_a_native_reason_and_no_open_usage(native: str, usage: str) -> None:
    data = HEAD + REST.replace(":null", ":null" + native)[:-1] + usage + "}"
    written = learned(data, "openrouter").write(frame(data))
    assert written is not None
    told = json.loads(written.removeprefix(b"data: "))
    assert told["choices"] == [
        {"index": 0, "delta": {"content": "a"}, "finish_reason": None, "native_finish_reason": None}
    ]
    assert "usage" not in told
    assert written.count(b"native_finish_reason") == 1


@pytest.mark.parametrize(
    "data",
    [
        HEAD + REST.replace('{"content":"a"}', '{"x":[{"finish_reason":null}]}'),
        HEAD + REST.replace('{"content":"a"}', '{"x":{"y":1,"usage":null}}')[:-1] + ',"usage":null}',
        HEAD + REST.replace('"finish_reason":null', '"finish_reason": null'),
        HEAD + REST.replace(',"finish_reason":null', ""),
    ],
)
def test_the_superset_is_quick_only_where_each_key_is_found_once(data: str) -> None:
    assert learned(data, "openrouter").write(frame(data)) is None
    assert learned(data).write(frame(data)) is not None


@pytest.mark.parametrize(
    "data",
    [
        '{"object":"ping"}',
        HEAD.replace('"c"', '"\\"choices\\":"') + '"x":1}',
    ],
)
def test_an_odd_chunk_teaches_nothing(data: str) -> None:
    assert learned(data).write(frame(data)) is None
