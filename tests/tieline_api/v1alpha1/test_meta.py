"""Reading raw objects: what is taken, what is dropped, and how an error names its field."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import yaml
from tieline_api.schema import KINDS
from tieline_api.v1alpha1 import Consumer, ModelRoute, ObjectError, ProviderPool
from tieline_api.validation import completed_object

from tests.support.schema_cases import FOLDER

MANIFESTS = sorted(path for path in FOLDER.glob("*.yaml") if path.stem != "rules")


def manifest(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_python_and_the_server_agree_about_defaults(path: Any) -> None:
    """The operator reads objects with the server's defaults, a folder's objects have Python's."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    kind = KINDS[raw["kind"]]
    read, completed = kind.from_object(raw), kind.from_object(completed_object(raw))
    assert read.model_dump(exclude={"status"}) == completed.model_dump(exclude={"status"})


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_what_was_read_can_be_written_and_read_again(path: Any) -> None:
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    kind = KINDS[raw["kind"]]
    read = kind.from_object(raw)
    assert kind.from_object(read.to_wire()) == read


def test_metadata_as_the_api_server_returns_it() -> None:
    raw = manifest("consumer-keys")
    raw["metadata"] |= {
        "uid": "u",
        "generation": 7,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"a": "b"},
        "managedFields": [{"manager": "kubectl"}],
    }
    read = Consumer.from_object(raw)
    assert (read.key, read.name, read.namespace) == ("default/team-mail", "team-mail", "default")
    assert read.created == datetime(2026, 1, 1, tzinfo=UTC)
    assert (read.metadata.uid, read.metadata.generation, read.metadata.labels) == ("u", 7, {"a": "b"})


def test_unknown_fields_are_dropped() -> None:
    raw = manifest("consumer-keys")
    raw["spec"]["ofTomorrow"] = 1
    assert Consumer.from_object(raw) == Consumer.from_object(manifest("consumer-keys"))


def test_values_have_their_types() -> None:
    pool = ProviderPool.from_object(manifest("providerpool-selfhosted"))
    cost = pool.spec.self_hosted.cost if pool.spec.self_hosted else None
    assert cost is not None
    assert cost.accelerator_hour == Decimal("1.90")
    assert pool.spec.health.ejection.base_duration.seconds == 30
    window = cost.electricity.windows[0].window if cost.electricity else None
    assert window is not None
    assert (window.start.minutes, window.end.minutes, window.time_zone) == (1380, 420, "Europe/Berlin")


def test_the_slug_defaults_to_the_name() -> None:
    assert ProviderPool.from_object(manifest("providerpool-addresses")).slug == "local"
    assert ProviderPool.from_object(manifest("providerpool-selfhosted")).slug == "own-deepseek"


def test_an_error_names_the_field_as_users_write_it() -> None:
    raw = manifest("providerpool-external")
    raw["spec"]["models"][0]["pricing"]["base"]["prompt"] = 0.28
    with pytest.raises(ObjectError, match="digits in quotes") as caught:
        ProviderPool.from_object(raw)
    assert caught.value.field == "spec.models[0].pricing.base.prompt"


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({}, "metadata"),
        ({"metadata": {"name": "a"}}, "spec"),
        ({"metadata": {"name": "a"}, "spec": []}, "spec"),
        ({"metadata": {"name": "a"}, "spec": {"models": "coder"}}, "spec.models"),
        (
            {"metadata": {"name": "a"}, "spec": {"models": ["a"], "timeouts": {"connect": "1d"}}},
            "spec.timeouts.connect",
        ),
    ],
)
def test_what_cannot_be_read_is_one_error(raw: dict[str, Any], field: str) -> None:
    with pytest.raises(ObjectError) as caught:
        ModelRoute.from_object(raw)
    assert caught.value.field == field


def test_objects_are_immutable() -> None:
    route = ModelRoute.from_object(manifest("modelroute"))
    with pytest.raises(ValueError, match="frozen"):
        route.spec.router_class = "other"  # type: ignore[misc]
