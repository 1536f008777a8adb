import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_api.snapshot import AllowDeny
from tieline_router.routing.matching import allows, host_permitted, matches


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("deepseek/*", "deepseek/deepseek-v3.2", True),
        ("deepseek/*", "deepseek", False),
        ("deepseek/*", "deepseek/", True),
        ("*/claude-*", "anthropic/claude-opus", True),
        ("*", "", True),
        ("*", "a/b/c", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("a*b*c", "a-c-b-c", True),
        ("a*b*c", "acb", False),
        ("Coder", "coder", False),
        ("a.b", "axb", False),
        ("a?", "ab", False),
    ],
)
def test_globs(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name) is expected


names = st.text("ab/*", max_size=8)


@given(names, st.text("ab/", max_size=10))
def test_a_glob_is_the_regular_expression_with_any_text_for_its_stars(pattern: str, name: str) -> None:
    expression = ".*".join(map(re.escape, pattern.split("*")))
    assert matches(pattern, name) is (re.fullmatch(expression, name) is not None)


def test_deny_beats_allow_and_an_empty_allow_allows_all() -> None:
    assert allows(AllowDeny(), "anything")
    assert allows(AllowDeny(allow=("deepseek/*",)), "deepseek/x")
    assert not allows(AllowDeny(allow=("deepseek/*",)), "openai/x")
    assert not allows(AllowDeny(allow=("*",), deny=("openai/*",)), "openai/x")
    assert allows(AllowDeny(deny=("openai/*",)), "deepseek/x")


@pytest.mark.parametrize(
    ("hosts", "host", "expected"),
    [
        ((), "anywhere", True),
        (("api.x.com",), "API.x.com.", True),
        (("api.x.com",), "api.x.com.evil.org", False),
        (("*.x.com",), "a.b.x.com", True),
        (("*.x.com",), "x.com", False),
        (("*.x.com",), "evilx.com", False),
        (("a.com", "b.com"), "b.com", True),
    ],
)
def test_hosts(hosts: tuple[str, ...], host: str, expected: bool) -> None:
    assert host_permitted(hosts, host) is expected
