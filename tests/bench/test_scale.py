from __future__ import annotations

from collections import Counter

from bench import scale


def test_there_are_as_many_objects_as_the_benchmark_says() -> None:
    kinds = Counter(raw["kind"] for raw in scale.objects())
    assert kinds["ModelRoute"] == scale.ROUTES
    assert kinds["Consumer"] == scale.CONSUMERS
    assert kinds["ProviderPool"] == scale.POOLS
    keys = sum(len(raw["spec"]["keys"]) for raw in scale.objects() if raw["kind"] == "Consumer")
    assert keys == scale.KEYS


def test_an_object_is_named_once() -> None:
    names = Counter((raw["kind"], raw["metadata"].get("namespace"), raw["metadata"]["name"]) for raw in scale.objects())
    assert set(names.values()) == {1}
