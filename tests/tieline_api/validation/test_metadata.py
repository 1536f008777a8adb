"""Names, labels and annotations as the API server takes them."""

from typing import Any

import pytest
from tieline_api.validation.metadata import metadata_problems


@pytest.mark.parametrize(
    "metadata",
    [
        {"name": "a"},
        {"name": "a.b-c", "namespace": "x", "labels": {"tieline.dev/use": "credentials", "empty": ""}},
        {"generateName": "a-"},
        {"name": "a", "annotations": {"tieline.dev/hosts": "any text, at all"}, "labels": None},
    ],
)
def test_right_metadata(metadata: dict[str, Any]) -> None:
    assert list(metadata_problems(metadata)) == []


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        (None, "metadata"),
        ([], "metadata"),
        ({}, "metadata.name"),
        ({"name": "Coder"}, "metadata.name"),
        ({"name": 8}, "metadata.name"),
        ({"name": "a" * 254}, "metadata.name"),
        ({"name": "a", "lables": {}}, "metadata.lables"),
        ({"name": "a", "labels": []}, "metadata.labels"),
        ({"name": "a", "labels": {"a": True}}, "metadata.labels"),
        ({"name": "a", "labels": {"a b": "c"}}, "metadata.labels"),
        ({"name": "a", "labels": {"a": "b c"}}, "metadata.labels"),
        ({"name": "a", "labels": {"a": "b" * 64}}, "metadata.labels"),
        ({"name": "a", "labels": {"a" * 64: "b"}}, "metadata.labels"),
        ({"name": "a", "annotations": {"a": 1}}, "metadata.annotations"),
    ],
)
def test_wrong_metadata(metadata: Any, path: str) -> None:
    assert [problem.path for problem in metadata_problems(metadata)] == [path]
