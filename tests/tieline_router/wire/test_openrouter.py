import pytest
from tieline_router.wire.openrouter import check_provider_rules


def refusal(raw: str) -> str | None:
    try:
        check_provider_rules(raw.encode(), lambda message, param: ValueError(f"{param}: {message}"))
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    "raw",
    [
        "null",
        "{}",
        '{"order": ["a"], "sort": "price"}',
        '{"allow_fallbacks": true, "data_collection": "allow", "zdr": false, "only": null, "ignore": []}',
        '{"only": [ ], "max_price": { }}',
    ],
)
def test_wishes_and_what_restricts_nothing_may_be_ignored(raw: str) -> None:
    assert refusal(raw) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("only", '["a"]'),
        ("ignore", '["a"]'),
        ("zdr", "true"),
        ("zdr", "0"),
        ("data_collection", '"deny"'),
        ("max_price", '{"prompt": 1}'),
        ("max_price", "2e308"),
        ("quantizations", '["fp8"]'),
        ("require_parameters", "true"),
        ("allow_fallbacks", "false"),
        ("enforce_distillable_text", "true"),
    ],
)
def test_a_rule_is_never_ignored(key: str, value: str) -> None:
    message = refusal(f'{{"{key}": {value}}}')
    assert message is not None
    assert message.startswith(f"provider.{key}: provider.{key} is not served yet")


def test_unknown_keys_are_refused_and_the_known_ones_named() -> None:
    message = refusal('{"ordre": ["a"]}')
    assert message is not None
    assert "not a known key" in message
    assert "allow_fallbacks" in message


@pytest.mark.parametrize("raw", ["[]", "7", '"a"'])
def test_it_is_an_object(raw: str) -> None:
    assert refusal(raw) == "provider: provider must be an object"
