from typing import cast

import pytest
from tieline_router.runtime.call import Call
from tieline_router.runtime.interceptors import Interceptor, Step, around, presented_key


@pytest.mark.parametrize(
    ("authorization", "api_key", "key"),
    [
        (None, None, None),
        ("Bearer sk-1", None, "sk-1"),
        ("bearer   sk-1 ", None, "sk-1"),
        ("Bearer\tsk-1", None, "sk-1"),
        (" \t", None, " \t"),
        (None, "sk-1", "sk-1"),
        ("Bearer sk-1", "sk-2", "sk-1"),
        ("Bearer", None, "Bearer"),
        ("Bearer ", None, "Bearer "),
        ("Basic c2stMQ==", None, "Basic c2stMQ=="),
        ("sk-1", None, "sk-1"),
        ("", None, ""),
        (None, "", ""),
    ],
)
def test_a_key_that_is_sent_is_never_taken_for_none(
    authorization: str | None, api_key: str | None, key: str | None
) -> None:
    assert presented_key(authorization, api_key) == key


def naming(name: str, seen: list[str]) -> Interceptor:
    async def interceptor(call: Call, following: Step) -> None:
        seen.append(f"{name} in")
        await following(call)
        seen.append(f"{name} out")

    return interceptor


async def test_interceptors_stand_around_the_step_in_order() -> None:
    seen: list[str] = []

    async def step(call: Call) -> None:
        seen.append("step")

    await around([naming("a", seen), naming("b", seen)], step)(cast("Call", None))
    assert seen == ["a in", "b in", "step", "b out", "a out"]
    assert around([], step) is step
