import pytest
from tieline_router.apis import Api
from tieline_router.routing.callers import Caller
from tieline_router.runtime.generations import Generations, openai_finish_reason
from tieline_router.wire.accounts import GenerationRecord


def record(name: str, namespace: str = "ai") -> GenerationRecord:
    return GenerationRecord(name, 0.0, "m", "p", Api.CHAT, "", namespace, streamed=False)


def test_the_oldest_are_forgotten() -> None:
    generations = Generations(2)
    for name in ("a", "b", "c"):
        generations.add(record(name))
    known = [name for name in ("a", "b", "c") if generations.of(Caller("ai"), name)]
    assert known == ["b", "c"]


def test_only_the_caller_reads_his_own() -> None:
    generations = Generations(2)
    generations.add(record("a"))
    assert generations.of(Caller("other"), "a") is None
    assert generations.of(Caller("ai"), "unknown") is None


@pytest.mark.parametrize(
    ("native", "word"), [("end_turn", "stop"), ("max_tokens", "length"), ("stop", "stop"), ("odd", "odd"), (None, None)]
)
def test_finish_reasons_in_one_language(native: str | None, word: str | None) -> None:
    assert openai_finish_reason(native) == word
