"""Every option of operator and router can be set by a value, and reaches the process as the value says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic_settings import BaseSettings
from tieline_operator.settings import OperatorSettings
from tieline_router.settings import RouterSettings

from scripts.charts import SET_BY_CHART, outputs, settings_schema
from tests.charts.conftest import Render
from tests.charts.test_rendering import environment


def test_schema_and_readmes_are_in_step_with_the_settings_models() -> None:
    differing = [path.name for path, fresh in outputs() if path.read_text() != fresh]
    assert not differing, "run `make crds`"


def other_value(schema: Mapping[str, Any], default: Any) -> Any:
    """A permitted value that is not the default."""
    match schema.get("type"):
        case "boolean":
            return not default
        case "string":
            return next((one for one in schema.get("enum", ()) if one != default), "other")
        case "integer" | "number":
            higher = default + 1
            return higher if higher <= schema.get("maximum", higher) else default / 2
        case "array":
            return ["one.example", "two.example"]
        case "object":
            return {"batch": 3, "default": 2}
    raise AssertionError(f"the chart has no value for {schema}")


@pytest.mark.parametrize(
    ("model", "place", "deployment"),
    [(OperatorSettings, "operator", "tieline-operator"), (RouterSettings, "router", "tieline-router-default")],
)
def test_every_setting_reaches_its_process(
    render: Render, monkeypatch: pytest.MonkeyPatch, model: type[BaseSettings], place: str, deployment: str
) -> None:
    names = [name for name in model.model_fields if name not in SET_BY_CHART[model]]
    defaults = {name: model.model_fields[name].get_default(call_default_factory=True) for name in names}
    schemas = settings_schema(model)["properties"]
    values = {key: other_value(schemas[key], defaults[name]) for key, name in zip(schemas, names, strict=True)}
    for name, value in environment(render({place: {"settings": values}}), deployment).items():
        monkeypatch.setenv(name, value)
    read = model()
    for name, value in zip(names, values.values(), strict=True):
        got = getattr(read, name)
        assert (list(got) if isinstance(got, tuple) else got) == value, name
        assert got != defaults[name], name
