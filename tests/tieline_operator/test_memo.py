from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tieline_api.names import Key
from tieline_operator.memo import Inputs, Table, differing, readers, update

numbers = st.dictionaries(st.sampled_from([Key(name) for name in "abcd"]), st.integers(0, 2))


def table(values: dict[Key, int], before: Table[int] | None = None) -> tuple[Table[int], set[Key], list[Key]]:
    """Doubles each value; also tells which ones were computed."""
    computed: list[Key] = []
    old = before or Table()

    def double(key: Key) -> int:
        computed.append(key)
        return 2 * values[key]

    def inputs_of(key: Key) -> Inputs | None:
        return Inputs((values[key],), frozenset([f"read by {key}"])) if key in values else None

    fresh, changed = update(old, old.values.keys() | values.keys(), inputs_of, double, never)
    return fresh, changed, computed


def never(key: Key, error: Exception) -> Any:
    raise AssertionError(f"{key} failed") from error


@given(numbers, numbers)
def test_only_what_differs_is_computed_and_the_rest_is_the_same_object(
    first: dict[Key, int], second: dict[Key, int]
) -> None:
    before, _, _ = table(first)
    after, changed, computed = table(second, before)
    assert after.values == {key: 2 * value for key, value in second.items()}
    assert changed == differing(first, second)
    assert set(computed) == changed & second.keys()
    assert (after is before) == (first == second)


def test_a_result_that_comes_out_equal_is_no_change() -> None:
    def parity(value: int, before: Table[bool]) -> tuple[Table[bool], set[Key]]:
        return update(before, [Key("a")], lambda _key: Inputs((value,)), lambda _key: value % 2 == 0, never)

    before, _ = parity(2, Table())
    after, changed = parity(4, before)
    assert changed == set()
    assert after.inputs[Key("a")].values == (4,)


def test_readers_are_found_by_what_they_read() -> None:
    before, _, _ = table({Key("a"): 1, Key("b"): 2})
    assert readers(before, {"read by b", "unread"}) == {"b"}
    assert readers(before, set()) == set()


def test_equal_values_do_not_differ() -> None:
    assert differing({"a": [1], "b": 2, "c": 3}, {"a": [1], "b": 3, "d": 4}) == {"b", "c", "d"}


def test_a_failure_gives_that_key_another_result_and_no_other() -> None:
    def compute(key: Key) -> str:
        if key == "b":
            raise LookupError("b")
        return key

    keys = [Key(name) for name in "abc"]
    nothing: Table[str] = Table()
    fresh, changed = update(
        nothing, keys, lambda key: Inputs((key,)), compute, lambda _key, error: type(error).__name__
    )
    assert fresh.values == {"a": "a", "b": "LookupError", "c": "c"}
    assert changed == set(keys)
