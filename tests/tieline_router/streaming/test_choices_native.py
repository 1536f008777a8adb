"""Chat completions and completions, natively: whose bytes are whose."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openrouter.components.chatresult import ChatResult
from openrouter.components.chatstreamchunk import ChatStreamChunk
from tieline_router.apis import CHAT, COMPLETIONS, Operation, PathTree
from tieline_router.errors import ErrorClass
from tieline_router.streaming.choices import ChoicesObserver
from tieline_router.streaming.choices_native import ChoicesForm, ChoicesWriter
from tieline_router.streaming.form import Whole
from tieline_router.streaming.observe import Failure
from tieline_router.streaming.sse import SseDecoder, encode_event
from tieline_router.streaming.stream import Stream
from tieline_router.streaming.usage import Usage

from tests.support.openai_answers import split
from tests.support.transcripts import CREATED, LIMIT, relay, stamp

DONE = encode_event(b"[DONE]")
USAGE = b'{"prompt_tokens":3, "completion_tokens":2,"total_tokens":5}'


def sse(*chunks: str | bytes) -> bytes:
    return b"".join(encode_event(chunk.encode() if isinstance(chunk, str) else chunk) for chunk in chunks)


def chunks(client: bytes) -> list[dict[str, Any]]:
    *found, done = SseDecoder().feed(client)
    assert done.data == b"[DONE]"
    return [json.loads(event.data) for event in found]


def vllm(delta: str, finish: str | None = None, more: str = "") -> str:
    return (
        '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000001,"model":"m","choices":[{"index":0,'
        f'"delta":{delta},"logprobs":null,"finish_reason":{json.dumps(finish)}{more}}}]}}'
    )


def llama(delta: str, finish: str | None = None, created: int = 7) -> str:
    return (
        f'{{"choices":[{{"finish_reason":{json.dumps(finish)},"index":0,"delta":{delta}}}],"created":{created},'
        '"id":"chatcmpl-1","model":"m","system_fingerprint":"b1","object":"chat.completion.chunk"}'
    )


def openai(delta: str, finish: str | None = None, salt: str = "x") -> str:
    return (
        '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000001,"model":"m","system_fingerprint":null'
        f',"choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{json.dumps(finish)}}}],"usage":null,'
        f'"obfuscation":"{salt}"}}'
    )


def spaced(delta: str, finish: str | None = None) -> str:
    return json.dumps(json.loads(vllm(delta, finish)))


def openrouter(delta: str, finish: str | None = None) -> str:
    return vllm(delta, finish, f',"native_finish_reason":{json.dumps(finish)}').replace(
        '"model"', '"provider":"X","model"'
    )


def bare(delta: str, finish: str | None = None) -> str:
    return f'{{"choices":[{{"index":0,"delta":{delta},"finish_reason":{json.dumps(finish)}}}]}}'


SERVERS = {f.__name__: f for f in (vllm, llama, openai, spaced, openrouter, bare)}


def test_only_what_is_ours_changes() -> None:
    first = vllm('{"role":"assistant","content":""}')
    hello = vllm('{"content":"H\\u00e9 \\"llo\\"","x": [1.0e0, 2]}')
    data = sse(first, hello, hello, vllm("{}", "stop"), '{"choices":[],"usage":' + USAGE.decode() + "}") + DONE
    expected = hello.replace(
        '"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000001,"model":"m"',
        '"id":"gen-1","model":"author/model","provider":"Own","object":"chat.completion.chunk","created":1700000001',
    )
    result = relay(ChoicesForm(CHAT), stamp(CHAT, usage=False), [data])
    assert result.failure is None
    events = [event.data for event in SseDecoder().feed(result.client)]
    assert events[2] == expected.encode()
    assert json.loads(events[1]) == json.loads(expected)
    assert b'{"content":"H\\u00e9 \\"llo\\"","x": [1.0e0, 2]}' in events[1]
    assert len(events) == 5, "nobody asked for the usage"
    assert result.usage == Usage(3, 2)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("tree", ["openai", "openrouter"])
def test_the_quick_way_gives_what_the_slow_way_gives(server: str, tree: PathTree) -> None:
    make = SERVERS[server]
    deltas = ['{"role":"assistant","content":""}', '{"content":"a"}', '{"content":"é"}', '{"content":"\\n\\n"}', "{}"]
    deltas += ['{"content":"\\"finish_reason\\":null,\\"usage\\":null"}', '{"tool_calls":[{"index":0,"id":"c"}]}']
    data = sse(*map(make, deltas), make("{}", "stop"))
    quick = relay(ChoicesForm(CHAT), stamp(CHAT, tree), [data])
    observer = ChoicesObserver()
    slow = Stream(observer, ChoicesWriter(stamp(CHAT, tree), CHAT, LIMIT), LIMIT)
    assert chunks(quick.client) == chunks(slow.feed(data) + slow.end())


@pytest.mark.parametrize("server", ["vllm", "llama", "openai", "spaced", "openrouter"])
@pytest.mark.parametrize("tree", ["openai", "openrouter"])
def test_servers_that_begin_or_end_their_chunks_alike_are_quick(server: str, tree: PathTree) -> None:
    make = SERVERS[server]
    stream = ChoicesForm(CHAT).stream(stamp(CHAT, tree), LIMIT)
    assert isinstance(stream, Stream)
    stream.feed(sse(make('{"content":"a"}')))
    assert stream._now is not None
    if server == "spaced" and tree == "openrouter":
        return  # its `"finish_reason": null` is none of the bytes that are looked for
    assert stream._now(sse(make('{"content":"b"}'))) is not None


SNIPPETS = st.sampled_from(
    [
        *(make('{"content":"a"}') for make in SERVERS.values()),
        *(make('{"content":"é"}') for make in SERVERS.values()),
        *(make("{}", "length") for make in SERVERS.values()),
        llama('{"content":"b"}', created=8),
        openai('{"content":"b"}', salt="yy"),
        vllm('{"content":"b"}').replace("}]}", '}],"model":null}'),
        vllm('{"content":"b"}').replace("}]}", '}],"id":1}'),
        vllm('{"content":"b"}').replace("}]}", '}],"error":{}}'),
        vllm('{"content":"b"}').replace("}]}", '}],"usage":' + USAGE.decode() + "}"),
        vllm('{"content":"b"}').replace('"index":0', '"index":1'),
        vllm('{"content":"b"}').replace('"index":0', '"index":null'),
        vllm('{"content":"b"}').replace("}]}", '},{"index":1,"delta":{"content":"c"},"finish_reason":null}]}'),
        vllm('"b"'),
        vllm('{"content":"b"}')[:-3],
        vllm('{"content":"b"}') + " ",
        vllm('{"content":"b"}').replace(",", ",\t"),
        vllm('{"content":"b"}').replace(',"choices"', ',"choices":null,"choices"'),
        vllm('{"reasoning_details":[{"finish_reason":null,"usage":null}]}'),
        '{"error":{"message":"no"}}',
        '{"choices":[]}',
    ]
)


@given(
    st.lists(SNIPPETS, max_size=12),
    st.sampled_from(["openai", "openrouter"]),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.sets(st.integers(1, 3000)),
    st.integers(1, 2),
)
def test_quick_and_slow_agree_on_every_stream(
    snippets: list[str], tree: PathTree, end: bytes, cuts: set[int], asked: int
) -> None:
    data = sse(*snippets)
    ours = stamp(CHAT, tree, choices=asked)
    slow = Stream(ChoicesObserver(asked), ChoicesWriter(ours, CHAT, LIMIT), LIMIT)
    out = slow.feed(data) + (slow.end() if slow.failure is None else b"")
    quick = relay(ChoicesForm(CHAT), ours, [data])
    read = [json.loads(event.data) if event.data != b"[DONE]" else None for event in SseDecoder().feed(out)]
    assert [
        json.loads(event.data) if event.data != b"[DONE]" else None for event in SseDecoder().feed(quick.client)
    ] == read
    assert quick.failure is (slow.failure.error if slow.failure else None)
    assert (quick.usage, quick.finish_reason) == (slow.usage, slow.finish_reason)
    assert relay(ChoicesForm(CHAT), ours, split(data.replace(b"\n", end), cuts)) == quick


def test_the_usage_is_told_once_and_last_however_the_provider_spreads_it() -> None:
    told = ',"usage":' + USAGE.decode() + "}"
    spread = [
        [vllm('{"content":"a"}'), vllm("{}", "stop"), '{"id":"x","choices":[]' + told],
        [vllm('{"content":"a"}'), vllm("{}", "stop").removesuffix("}") + told],
        [vllm('{"content":"a"}').removesuffix("}") + told, vllm("{}", "stop").removesuffix("}") + told],
        [openai('{"content":"a"}'), openai("{}", "stop"), '{"choices":null' + told, '{"choices":[]' + told],
    ]
    for provider in spread:
        result = relay(ChoicesForm(CHAT), stamp(CHAT), [sse(*provider)])
        first, finish, last = chunks(result.client)
        assert not first.get("usage")
        assert not finish.get("usage")
        assert finish["choices"][0]["finish_reason"] == "stop"
        assert (last["choices"], last["id"], last["model"]) == ([], "gen-1", "author/model")
        assert last["usage"] == json.loads(USAGE) | {"cost": 3.0}
        assert USAGE[1:-1].replace(b", ", b",") in result.client


def test_nobody_gets_a_usage_that_is_not_known_or_not_asked_for() -> None:
    data = sse(vllm('{"content":"a"}'), vllm("{}", "stop"))
    assert len(chunks(relay(ChoicesForm(CHAT), stamp(CHAT), [data]).client)) == 2
    data += sse('{"choices":[],"usage":' + USAGE.decode() + "}")
    assert len(chunks(relay(ChoicesForm(CHAT), stamp(CHAT, "openrouter", usage=False), [data]).client)) == 2


@pytest.mark.parametrize("server", SERVERS)
def test_the_superset_as_openrouters_client_reads_it(server: str) -> None:
    make = SERVERS[server]
    data = sse(make('{"role":"assistant","content":"a"}'), make('{"content":"b"}'), make("{}", "end_turn"))
    data += sse('{"choices":[],"usage":' + USAGE.decode() + "}")
    found = chunks(relay(ChoicesForm(CHAT), stamp(CHAT, "openrouter"), [data]).client)
    for chunk in found:
        ChatStreamChunk.model_validate(chunk)
        ChatCompletionChunk.model_validate(chunk)
        assert (chunk["id"], chunk["model"], chunk["provider"]) == ("gen-1", "author/model", "Own")
        assert chunk["object"] == "chat.completion.chunk"
        assert isinstance(chunk["created"], int)
    reasons = [(choice["finish_reason"], choice["native_finish_reason"]) for c in found for choice in c["choices"]]
    assert reasons == [(None, None), (None, None), ("stop", "end_turn")]
    assert all("usage" not in chunk for chunk in found[:-1])
    assert found[-1]["choices"] == []
    assert found[-1]["usage"] == json.loads(USAGE) | {
        "cost": 3.0,
        "is_byok": False,
        "cost_details": {
            "upstream_inference_cost": None,
            "upstream_inference_prompt_cost": 1.0,
            "upstream_inference_completions_cost": 2.0,
        },
    }


def test_chunks_without_what_a_client_needs_are_completed_in_the_superset_alone() -> None:
    data = sse(bare('{"content":"a"}', "stop"))
    (superset,) = chunks(relay(ChoicesForm(CHAT), stamp(CHAT, "openrouter"), [data]).client)
    assert (superset["object"], superset["created"]) == ("chat.completion.chunk", CREATED)
    (plain,) = chunks(relay(ChoicesForm(CHAT), stamp(CHAT), [data]).client)
    assert plain.keys() == {"id", "model", "provider", "choices"}


def test_learning_is_given_up_where_no_chunk_is_like_the_one_before() -> None:
    stream = ChoicesForm(CHAT).stream(stamp(CHAT), LIMIT)
    assert isinstance(stream, Stream)
    writer = stream._writer
    assert isinstance(writer, ChoicesWriter)
    nonces = [sse(vllm('{"content":"a"}').replace("1700000001", str(number))) for number in range(40)]
    for event in nonces:
        assert b'"content":"a"' in stream.feed(event)
    assert writer.dull.write(nonces[-1]) is None
    assert stream.failure is None


def test_llama_cpp_is_learned_anew_with_every_second() -> None:
    stream = ChoicesForm(CHAT).stream(stamp(CHAT), LIMIT)
    assert isinstance(stream, Stream)
    for second in range(60):
        event = sse(llama('{"content":"a"}', created=second))
        stream.feed(event)
        assert stream._now is not None
        assert stream._now(event) is not None


def test_a_whole_answer() -> None:
    body = b'{"id":"x","model":"m","object":"chat.completion","created":5,"choices":[ {"index":0,"message":{"role":'
    body += b'"assistant","content":"hi"},"logprobs":1.0e0,"finish_reason":"eos"} ],"usage":' + USAGE + b"}"
    whole = ChoicesForm(CHAT).whole(stamp(CHAT), body)
    assert isinstance(whole, Whole)
    assert (
        b'[ {"index":0,"message":{"role":"assistant","content":"hi"},"logprobs":1.0e0,"finish_reason":"eos"} ]'
        in whole.body
    )
    assert json.loads(whole.body) == json.loads(body) | {
        "id": "gen-1",
        "model": "author/model",
        "provider": "Own",
        "usage": json.loads(USAGE) | {"cost": 3.0},
    }
    assert (whole.usage, whole.finish_reason) == (Usage(3, 2), "eos")
    superset = ChoicesForm(CHAT).whole(stamp(CHAT, "openrouter"), body.replace(b'"logprobs":1.0e0,', b""))
    assert isinstance(superset, Whole)
    told = json.loads(superset.body)
    ChatResult.model_validate(told)
    ChatCompletion.model_validate(told | {"choices": []})
    assert told["system_fingerprint"] is None
    assert (told["choices"][0]["finish_reason"], told["choices"][0]["native_finish_reason"]) == ("stop", "eos")


@pytest.mark.parametrize("operation", [CHAT, COMPLETIONS])
def test_every_choice_asked_for_must_be_there_and_finish(operation: Operation) -> None:
    one = b'{"choices":[{"index":0,"text":"a","message":{"content":"a"},"finish_reason":"stop"}]}'
    whole = ChoicesForm(operation).whole(stamp(operation, choices=2), one)
    assert isinstance(whole, Failure)
    assert whole.error is ErrorClass.MISSING_FINISH
    data = sse('{"choices":[{"index":0,"text":"a","delta":{"content":"a"},"finish_reason":"stop"}]}') + DONE
    assert relay(ChoicesForm(operation), stamp(operation, choices=2), [data]).failure is ErrorClass.MISSING_FINISH
    assert relay(ChoicesForm(operation), stamp(operation), [data]).failure is None


def test_completions_stream_their_text() -> None:
    def chunk(text: str, finish: str | None = None) -> str:
        return json.dumps(
            {"id": "c", "object": "text_completion", "choices": [{"index": 0, "text": text, "finish_reason": finish}]}
        )

    result = relay(
        ChoicesForm(COMPLETIONS), stamp(COMPLETIONS), [sse(chunk(""), chunk("a"), chunk("b"), chunk("", "length"))]
    )
    found = chunks(result.client)
    assert "".join(chunk["choices"][0]["text"] for chunk in found) == "ab"
    assert {chunk["id"] for chunk in found} == {"gen-1"}
    assert result.finish_reason == "length"
