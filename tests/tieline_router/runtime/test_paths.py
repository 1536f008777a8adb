import pytest
from tieline_router.apis import CHAT, MESSAGES, OPERATIONS, Dialect
from tieline_router.runtime.paths import EXACT, OUTSIDE, Lookup, Place, place


def test_every_operation_stands_under_both_trees() -> None:
    for path, operation in OPERATIONS.items():
        for prefix, tree in (("/v1", "openai"), ("/api/v1", "openrouter")):
            found = place(prefix + path)
            assert found == EXACT[prefix + path]
            assert (found.dialect.operation, found.dialect.tree, found.methods) == (operation, tree, ("POST",))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/chat/completions/", Place(Dialect("openai", CHAT))),
        ("/api/v1/messages", Place(Dialect("openrouter", MESSAGES))),
        ("/v1/models", Place(Dialect("openai"), Lookup.MODELS)),
        ("/v1/models/a/b", Place(Dialect("openai"), Lookup.MODEL, "a/b")),
        ("/v1/models/a/b/endpoints", Place(Dialect("openai"), Lookup.MODEL, "a/b/endpoints")),
        ("/api/v1/models/a/b/endpoints", Place(Dialect("openrouter"), Lookup.MODEL_ENDPOINTS, "a/b")),
        ("/api/v1/model/a/b", Place(Dialect("openrouter"), Lookup.MODEL, "a/b")),
        ("/api/v1/generation", Place(Dialect("openrouter"), Lookup.GENERATION)),
        ("/v1", Place(Dialect("openai"))),
        ("/v1x/models", OUTSIDE),
        ("/", OUTSIDE),
    ],
)
def test_what_a_path_means(path: str, expected: Place) -> None:
    assert place(path) == expected


@pytest.mark.parametrize("path", ["/responses/resp_1", "/realtime", "/rerank", "/messages/batches", "/files/f"])
def test_what_clients_may_hope_for_is_refused_with_a_reason(path: str) -> None:
    found = place(f"/v1{path}")
    assert not found.methods
    assert "not served" in found.why_not
