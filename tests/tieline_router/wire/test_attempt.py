import json
from typing import Any

import pytest
from tieline_router.apis import (
    CHAT,
    COMPLETIONS,
    COUNT_TOKENS,
    EMBEDDINGS,
    MESSAGES,
    RESPONSES,
    ROUTER_ONLY,
    TRANSLATIONS,
    Operation,
    PathTree,
)
from tieline_router.errors import ErrorClass
from tieline_router.translate.chat_over_messages import DEFAULT_MAX_TOKENS
from tieline_router.wire.attempt import attempt_body, hashed_identity
from tieline_router.wire.request import BadRequest, read_request

MESSAGES_FIELD = [{"role": "user", "content": "Hi"}]


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "messages": MESSAGES_FIELD, **fields}).encode()


def sent(
    data: bytes,
    client: Operation = CHAT,
    provider: Operation | None = None,
    tree: PathTree = "openai",
    *,
    ask_usage: bool = True,
    identity_salt: str | None = None,
    **more: Any,
) -> Any:
    request = read_request(client, data, tree)
    made = attempt_body(
        request, provider or client, "upstream-m", ask_usage=ask_usage, identity_salt=identity_salt, **more
    )
    assert made.content_type == "application/json"
    return json.loads(made.body)


def test_the_last_of_duplicate_keys_counts_for_both_sides() -> None:
    data = b'{"model": "cheap", "messages": [], "max_tokens": 1, "model": "m", "max_tokens": 9}'
    request = read_request(CHAT, data, "openai")
    assert (request.view.model, request.view.max_tokens) == ("m", 9)
    assert attempt_body(request, CHAT, "up", ask_usage=True, identity_salt=None).body.count(b"max_tokens") == 1


def test_values_that_nobody_reads_keep_their_bytes() -> None:
    odd = b'{"model":"m","messages":[],"seed":1e2,"logit_bias":{ "1" : 0.10 },"stop":"\\u00e9"}'
    request = read_request(CHAT, odd, "openai")
    out = attempt_body(request, CHAT, "up", ask_usage=True, identity_salt=None)
    assert out.body == odd.replace(b'"m"', b'"up"', 1)


def test_fields_for_a_router_stay_here() -> None:
    harmless: dict[str, Any] = dict.fromkeys(ROUTER_ONLY, None)
    assert sent(body(**harmless, temperature=1)) == {
        "model": "upstream-m",
        "messages": MESSAGES_FIELD,
        "temperature": 1,
    }


def test_usage_is_asked_for_beside_what_the_client_asked() -> None:
    options = {"include_usage": False, "include_obfuscation": True}
    assert sent(body(stream=True, stream_options=options))["stream_options"] == {**options, "include_usage": True}
    assert sent(body(stream=True, stream_options=None))["stream_options"] == {"include_usage": True}
    assert "stream_options" not in sent(body(stream=True, stream_options=options), ask_usage=False)
    assert "stream_options" not in sent(body())


def test_the_end_user_is_a_pseudonym_outside() -> None:
    fields = body(user="ann@example.com", safety_identifier="ann", prompt_cache_key="k")
    inside, outside = sent(fields), sent(fields, identity_salt="here")
    assert (inside["user"], inside["safety_identifier"]) == ("ann@example.com", "ann")
    assert outside["user"] == hashed_identity("here", b'"ann@example.com"')
    assert outside["user"] != sent(fields, identity_salt="there")["user"]
    assert "ann" not in json.dumps(outside)
    assert outside["prompt_cache_key"] == "k"
    assert sent(body(user=None), identity_salt="here")["user"] is None


@pytest.mark.parametrize("operation", [CHAT, COMPLETIONS])
def test_usage_is_asked_for_where_the_api_knows_how(operation: Operation) -> None:
    data = body(prompt="Hi", stream=True)
    assert sent(data, operation)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in sent(body(stream=True, input="Hi", max_tokens=1), RESPONSES)
    assert "stream_options" not in sent(body(stream=True, max_tokens=1), MESSAGES)


@pytest.mark.parametrize("store", [{}, {"store": None}, {"store": False}])
def test_no_response_is_stored(store: dict[str, Any]) -> None:
    data = json.dumps({"model": "m", "input": "Hi", **store}).encode()
    assert sent(data, RESPONSES) == {"model": "upstream-m", "input": "Hi", "store": False}


@pytest.mark.parametrize("operation", [MESSAGES, COUNT_TOKENS])
def test_the_end_user_of_messages_is_a_pseudonym_outside(operation: Operation) -> None:
    data = body(max_tokens=1, metadata={"user_id": "ann", "other": 1.50})
    inside, outside = sent(data, operation), sent(data, operation, identity_salt="here")
    assert inside["metadata"]["user_id"] == "ann"
    assert outside["metadata"] == {"user_id": hashed_identity("here", b'"ann"'), "other": 1.5}
    assert sent(body(max_tokens=1, metadata=7), operation, identity_salt="here")["metadata"] == 7


def test_messages_lose_what_anthropic_would_refuse() -> None:
    data = body(user="ann", fallbacks=[{"model": "b"}], session_id="s", models=["b"])
    assert sent(data, MESSAGES, tree="openrouter").keys() == {"model", "messages", "max_tokens"}
    assert "user" in sent(data, MESSAGES, CHAT, tree="openrouter")


def test_the_fallbacks_of_anthropics_own_clients_are_for_anthropic() -> None:
    data = body(max_tokens=1, fallbacks=[{"model": "b"}])
    assert sent(data, MESSAGES)["fallbacks"] == [{"model": "b"}]
    with pytest.raises(BadRequest) as caught:
        sent(data, MESSAGES, CHAT)
    assert caught.value.param == "fallbacks"


def test_messages_get_a_limit_where_the_client_need_not_send_one() -> None:
    assert sent(body(), MESSAGES, tree="openrouter")["max_tokens"] == DEFAULT_MAX_TOKENS
    assert sent(body(), MESSAGES, tree="openrouter", max_output_tokens=99)["max_tokens"] == 99
    assert sent(body(max_tokens=7), MESSAGES, tree="openrouter", max_output_tokens=99)["max_tokens"] == 7


def test_a_request_that_warms_the_cache_is_for_anthropic_alone() -> None:
    assert sent(body(max_tokens=0), MESSAGES)["max_tokens"] == 0
    with pytest.raises(BadRequest, match="warm a cache"):
        sent(body(max_tokens=0), MESSAGES, CHAT)


def test_embeddings_are_sent_as_they_are() -> None:
    data = b'{"model":"m","input":[1, 2],"dimensions":8}'
    made = attempt_body(read_request(EMBEDDINGS, data, "openai"), EMBEDDINGS, "m", ask_usage=True, identity_salt="s")
    assert made.body == data


# -- translated -------------------------------------------------------------------------------------------------------


def test_every_pair_of_apis_has_its_translator() -> None:
    bodies = {
        CHAT: body(user="ann", stream=True, max_tokens=5),
        MESSAGES: body(metadata={"user_id": "ann"}, stream=True, max_tokens=5),
        RESPONSES: json.dumps({"model": "m", "input": "Hi", "user": "ann", "stream": True}).encode(),
    }
    for client, providers in TRANSLATIONS.items():
        for provider in providers:
            made = sent(bodies[client], client, provider, identity_salt="here")
            assert (made["model"], made["stream"]) == ("upstream-m", True)
            assert "ann" not in json.dumps(made)
            assert ("stream_options" in made) is (provider is CHAT)
            assert made.get("store") is (False if provider is RESPONSES else None)


def test_the_end_user_is_one_pseudonym_in_every_api() -> None:
    native = sent(body(user="ann"), identity_salt="here")["user"]
    assert sent(body(user="ann"), CHAT, MESSAGES, identity_salt="here")["metadata"]["user_id"] == native
    assert sent(body(metadata={"user_id": "ann"}, max_tokens=1), MESSAGES, CHAT, identity_salt="here")["user"] == native


def test_what_was_left_out_is_told() -> None:
    request = read_request(CHAT, body(seed=7), "openai")
    assert attempt_body(request, MESSAGES, "up", ask_usage=True, identity_salt=None).dropped == ("seed",)
    assert attempt_body(request, CHAT, "up", ask_usage=True, identity_salt=None).dropped == ()


def test_what_cannot_be_said_in_the_other_api_is_refused_by_name() -> None:
    request = read_request(CHAT, body(logprobs=True), "openai")
    with pytest.raises(BadRequest) as refused:
        attempt_body(request, MESSAGES, "up", ask_usage=True, identity_salt=None)
    assert (refused.value.error, refused.value.param) == (ErrorClass.UNTRANSLATABLE, "logprobs")


def test_openrouters_messages_without_a_limit_are_translated_too() -> None:
    assert sent(body(), MESSAGES, CHAT, "openrouter", max_output_tokens=77)["model"] == "upstream-m"
