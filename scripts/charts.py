"""What the charts take from the code: each option of a process is a value, and each value stands in a README.

    python -m scripts.charts            rewrites two definitions of values.schema.json and the READMEs' tables
    python -m scripts.charts --check    fails when they differ from the settings models and the schemas

The rest of both is written by hand. Options that the chart itself sets are left out: nothing is set twice.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic.alias_generators import to_camel
from pydantic_settings import BaseSettings
from tieline_operator.settings import OperatorSettings
from tieline_router.settings import RouterSettings

from scripts.pages.markdown import cell, code, table

CHARTS: Final = Path(__file__).resolve().parent.parent / "charts"
SCHEMA: Final = CHARTS / "tieline" / "values.schema.json"
VALUES_TITLE: Final = "\n## Values\n"

SET_BY_CHART: Final[Mapping[type[BaseSettings], frozenset[str]]] = {
    OperatorSettings: frozenset(
        {
            "namespace", "identity", "kubeconfig", "watch_namespaces", "snapshot_host", "snapshot_port", "service_name",
            "router_service_accounts", "metrics_host", "metrics_port",
        }
    ),
    RouterSettings: frozenset(
        {
            "host", "port", "admin_host", "admin_port", "router_class", "operator_url", "operator_ca_file",
            "operator_server_name", "token_file", "state_file", "state_key_file", "bootstrap_file",
            "tls_certificate_file", "tls_key_file",
        }
    ),
}  # fmt: skip
"""Options that follow from the chart's own objects (ports, names, mounted files) or from other values."""

KEPT: Final = (
    "type",
    "enum",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "minLength",
    "maxLength",
    "items",
    "additionalProperties",
)


def settings_schema(model: type[BaseSettings]) -> dict[str, Any]:
    """JSON schema of the `settings` map of one process, keys in camelCase."""
    options = model.model_json_schema()["properties"]
    values = {
        to_camel(name): _value(schema) for name, schema in options.items() if name not in SET_BY_CHART.get(model, ())
    }
    description = "Options of the process in camelCase; each becomes its variable TIELINE_…"
    return {"description": description, "type": "object", "additionalProperties": False, "properties": values}


def _value(option: dict[str, Any]) -> dict[str, Any]:
    value = {"description": " ".join(option["description"].split())}
    for part in (option, *option.get("anyOf", ())):  # an optional value is the union of its type and null
        value |= {key: part[key] for key in KEPT if key in part and part.get("type") != "null"}
    return value if option.get("default") is None else {**value, "default": option["default"]}


def schema_text(text: str) -> str:
    """The schema with both definitions made anew from the settings models."""
    schema = json.loads(text)
    schema["$defs"]["operatorSettings"] = settings_schema(OperatorSettings)
    schema["$defs"]["routerSettings"] = settings_schema(RouterSettings)
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def rows(schema: Mapping[str, Any], values: Any, defs: Mapping[str, Any], path: str = "") -> Iterator[list[str]]:
    """Name, default and meaning of every value; maps and lists of Kubernetes' own types are one value."""
    for name, part in schema.get("properties", {}).items():
        target = defs[part["$ref"].rpartition("/")[2]] if "$ref" in part else {}
        whole = {**target, **part}
        default = values[name] if isinstance(values, dict) and name in values else part.get("default")
        if name == "global":
            continue
        if "properties" in whole and name != "resources":
            yield from rows(whole, default, defs, f"{path}{name}.")
        else:
            shown = "" if default is None else code(json.dumps(default))
            yield [code(path + name), shown, cell(whole["description"])]


def readme_text(chart: str, text: str) -> str:
    """The README with its last section, the table of values, made anew from schema and values."""
    schema = json.loads((CHARTS / chart / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHARTS / chart / "values.yaml").read_text(encoding="utf-8"))
    head = text.partition(VALUES_TITLE)[0]
    lines = table(["value", "default", "meaning"], rows(schema, values, schema.get("$defs", {})))
    return f"{head}{VALUES_TITLE}\nWritten by `make crds` from values.schema.json.\n\n{lines}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.charts")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something is out of step")
    check = parser.parse_args().check
    differing = []
    for path, fresh in outputs():
        if path.read_text(encoding="utf-8") != fresh:
            differing.append(str(path.relative_to(CHARTS.parent)))
            if not check:
                path.write_text(fresh, encoding="utf-8")
    if check and differing:
        sys.exit(f"differ from the code, run `make crds`: {', '.join(differing)}")


def outputs() -> Iterator[tuple[Path, str]]:
    """Each file that is written, with its text; the schema first, because a README is made from it."""
    yield SCHEMA, schema_text(SCHEMA.read_text(encoding="utf-8"))
    for chart in ("tieline", "tieline-crds"):
        readme = CHARTS / chart / "README.md"
        yield readme, readme_text(chart, readme.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
